//! The threads of `serve`. Public answers do not wait for work: each has threads of its own, and
//! the kernel shares the processors between them.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// How long a command that has ended waits for work that cannot be broken off: a file that is being
/// written to its end takes seconds, and a resolver that hangs would keep it forever.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// Sockets that an idle worker takes up at once, and one that has still work to do. A worker's queue
/// has 256 places. What overflows it is taken up again only now and then while new work goes on
/// coming, so under load some connections would wait for the others: with 512 of them, 70 ms for one
/// answer in a hundred where 12 ms is their turn. Left to the kernel, each has its turn.
const EVENTS: usize = 128;
const EVENTS_WHILE_BUSY: usize = 32;

/// On Linux and the BSDs, but for MIPS, where another signal is caught for nothing.
const SIGXFSZ: i32 = 25;

/// Three runtimes.
#[derive(Debug)]
pub(super) struct Runtimes {
    public: Runtime,
    admin: Runtime,
    work: Runtime,
}

impl Runtimes {
    /// Starts them.
    pub(super) fn start() -> anyhow::Result<Self> {
        let public = runtime(&mut Builder::new_multi_thread())?;
        // It moves octets and says how the process is: one thread does that for 256 connections.
        let admin = runtime(Builder::new_multi_thread().worker_threads(1))?;
        let work = runtime(&mut Builder::new_multi_thread())?;
        Ok(Self {
            public,
            admin,
            work,
        })
    }

    /// What answers the public: the sockets of the public listener and nothing else.
    pub(super) fn public(&self) -> &Handle {
        self.public.handle()
    }

    /// The sockets of the admin listener, and what answers there without a token.
    pub(super) fn admin(&self) -> &Handle {
        self.admin.handle()
    }

    /// Everything else: the store, the engine's tasks, what the admin listener is asked to do.
    pub(super) fn work(&self) -> &Handle {
        self.work.handle()
    }

    /// Runs a command's future on the calling thread to its end, and ends all threads.
    pub(super) fn run<T>(
        self,
        command: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        // Signals are heard by the runtime that is entered here; the admin listener's is never busy.
        let ended = self.admin.block_on(async {
            catch_too_large_files()?;
            command(&self).await
        });
        self.public.shutdown_timeout(ENDED_WITHIN);
        self.admin.shutdown_timeout(ENDED_WITHIN);
        self.work.shutdown_timeout(ENDED_WITHIN);
        ended
    }
}

/// Lets the process open as many files and sockets as it may at all: what a shell or systemd gives at
/// first, 1,024, is an eighth of the connections that the public listener takes.
pub(super) fn open_all_that_may_be_opened() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit != most
        && let Err(error) = setrlimit(Resource::Nofile, most)
    {
        tracing::warn!(event = "descriptors_not_raised", %error);
    }
}

/// Runs a command's future to its end, on a runtime with a thread a core. Commands that wait for
/// nothing do without.
///
/// # Errors
/// What stopped the command, or that there is no runtime to be had.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime(&mut Builder::new_multi_thread())?;
    let ended = runtime.block_on(async {
        catch_too_large_files()?;
        command.await
    });
    runtime.shutdown_timeout(ENDED_WITHIN);
    ended
}

/// Has a file that grows beyond the limit of the process (`RLIMIT_FSIZE`) be an error to whoever writes
/// it, and not the end of the process. The signal stays caught for as long as the process runs.
fn catch_too_large_files() -> anyhow::Result<()> {
    drop(signal(SignalKind::from_raw(SIGXFSZ)).context("cannot catch SIGXFSZ")?);
    Ok(())
}

fn runtime(builder: &mut Builder) -> anyhow::Result<Runtime> {
    builder
        .enable_all()
        .max_io_events_per_tick(EVENTS)
        .max_io_events_per_busy_tick(EVENTS_WHILE_BUSY)
        .build()
        .context("cannot start the runtime")
}
