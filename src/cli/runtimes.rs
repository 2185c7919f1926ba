//! The threads of `serve`. Public answers do not wait for background work: each has its own
//! threads, and the kernel divides the processors between them.

use std::future::Future;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// How long a finished command waits for operations that cannot be interrupted. Writing a file
/// takes seconds; a hanging resolver would block it forever.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// The number of socket events that a worker takes at once. A worker's queue has 256 places, and
/// what overflows is processed only now and then while new work arrives, so under load some
/// connections would wait for the others: with 512 of them, 70 ms for one answer in a hundred, in
/// place of 12 ms. Events that stay in the kernel are served in turn.
const EVENTS: usize = 128;
const EVENTS_WHILE_BUSY: usize = 32;

/// The number on Linux and the BSDs. On MIPS it is another signal, and catching that one does no
/// harm.
const SIGXFSZ: i32 = 25;

/// The three runtimes.
#[derive(Debug)]
pub(super) struct Runtimes {
    public: Runtime,
    admin: Runtime,
    work: Runtime,
}

impl Runtimes {
    /// Starts the runtimes.
    pub(super) fn start() -> anyhow::Result<Self> {
        let public = runtime(&mut Builder::new_multi_thread())?;
        // It only moves octets and reports health; one thread is enough for 256 connections.
        let admin = runtime(Builder::new_multi_thread().worker_threads(1))?;
        let work = runtime(&mut Builder::new_multi_thread())?;
        Ok(Self {
            public,
            admin,
            work,
        })
    }

    /// For the sockets of the public listener and nothing else.
    pub(super) fn public(&self) -> &Handle {
        self.public.handle()
    }

    /// For the sockets of the admin listener, and its routes without a token.
    pub(super) fn admin(&self) -> &Handle {
        self.admin.handle()
    }

    /// For everything else: the store, the engine's tasks, and admin routes with a token.
    pub(super) fn work(&self) -> &Handle {
        self.work.handle()
    }

    /// Runs a command's future on the calling thread until it ends, then ends all threads.
    pub(super) fn run<T>(
        self,
        command: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        // Signals are handled by the runtime entered here; the admin listener's is never busy.
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

/// Raises the limit of open files and sockets to the maximum. The usual default of 1,024 is an
/// eighth of the public listener's connections.
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

/// Runs a command's future until it ends, on a runtime with a thread per core. Commands that do not
/// wait for anything do not need it.
///
/// # Errors
/// The command's error, or there is no runtime.
pub fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime(&mut Builder::new_multi_thread())?;
    let ended = runtime.block_on(async {
        catch_too_large_files()?;
        command.await
    });
    runtime.shutdown_timeout(ENDED_WITHIN);
    ended
}

/// Makes exceeding the file size limit (`RLIMIT_FSIZE`) an error for the writer instead of killing
/// the process. The signal stays caught as long as the process runs.
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
