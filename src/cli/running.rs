//! The parts of the running service: the listeners, the engine's tasks, and the tasks that update
//! the metrics and the certificate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::gateway::front::Serving;
use super::listeners::Listeners;
use super::runtimes::Runtimes;
use crate::engine::{Engine, EngineError};
use crate::gateway::Gateway;
use crate::http;
use crate::notices::{maintenance, revocations};
use crate::source;
use crate::telemetry::{self, Metrics};
use crate::wire::{self, Limits, Stop};
use crate::{publish, webhook};

/// The listeners, and everything that runs with them.
pub(super) struct Running {
    stop: watch::Sender<Option<Stop>>,
    public: JoinHandle<()>,
    admin: JoinHandle<()>,
    gateways: Vec<JoinHandle<()>>,
    fronts: Vec<Arc<Gateway>>,
    /// The directory URLs for clients of the gateways.
    pub(super) directories: Vec<String>,
    /// The engine's tasks, which end only if it cannot continue.
    pub(super) tasks: JoinHandle<Result<(), EngineError>>,
    background: Vec<AbortHandle>,
    work: Handle,
}

impl Running {
    pub(super) fn start(
        engine: &Arc<Engine>,
        listeners: Listeners,
        runtimes: &Runtimes,
    ) -> anyhow::Result<Self> {
        let metrics: Metrics = telemetry::metrics()?;
        let base_url = listeners.public.base_url()?;
        let (stop, stopped) = watch::channel(None);
        let wait = |mut stopped: watch::Receiver<Option<Stop>>| async move {
            let signal = stopped.wait_for(Option::is_some).await;
            // If the sender is gone, nobody waits for requests any more.
            signal
                .ok()
                .and_then(|signal| *signal)
                .unwrap_or(Stop::AtOnce)
        };
        let limits = |limits: Limits| Limits {
            grace: listeners.grace,
            ..limits
        };
        let public = runtimes.public().spawn(wire::serve(
            listeners.public,
            http::public(Arc::clone(engine), &base_url),
            wait(stopped.clone()),
            limits(Limits::PUBLIC),
        ));
        let admin = runtimes.admin().spawn(wire::serve(
            listeners.admin,
            http::admin(Arc::clone(engine), metrics.clone()),
            wait(stopped.clone()),
            limits(Limits::ADMIN),
        ));
        let mut background = Vec::new();
        let (mut gateways, mut directories) = (Vec::new(), Vec::new());
        let mut fronts = Vec::new();
        for front in listeners.gateways {
            let stop = wait(stopped.clone());
            let Serving {
                listener,
                background: of_gateway,
                directory,
                gateway,
            } = front.serve(engine, runtimes, limits(Limits::PUBLIC), stop)?;
            gateways.push(listener);
            fronts.push(gateway);
            background.extend(of_gateway);
            directories.push(directory);
        }
        let work = runtimes.work();
        background.extend([
            work.spawn(publish::keep::keep(Arc::clone(engine)))
                .abort_handle(),
            work.spawn(maintenance::follow(Arc::clone(engine)))
                .abort_handle(),
            work.spawn(revocations::follow(Arc::clone(engine)))
                .abort_handle(),
            work.spawn(webhook::notify(Arc::clone(engine)))
                .abort_handle(),
        ]);
        let tasks = runtimes.work().spawn(Arc::clone(engine).run());
        let sources = runtimes.work().spawn(source::follow(Arc::clone(engine)));
        background.push(sources.abort_handle());
        let upkeep = runtimes.work().spawn(keep_up(metrics)).abort_handle();
        let renewing = listeners
            .tls
            .map(|tls| runtimes.work().spawn(async move { tls.follow().await }));
        let renewing = renewing.map(|renewing| renewing.abort_handle());
        Ok(Self {
            stop,
            public,
            admin,
            tasks,
            gateways,
            fronts,
            directories,
            work: work.clone(),
            background: background
                .into_iter()
                .chain([upkeep])
                .chain(renewing)
                .collect(),
        })
    }

    /// Finishes requests in progress, then ends everything else.
    pub(super) async fn stop(self, how: Stop) -> anyhow::Result<()> {
        self.stop.send_replace(Some(how));
        let gateways = futures_util::future::try_join_all(self.gateways);
        let drained = tokio::try_join!(self.public, self.admin, gateways);
        self.tasks.abort();
        for background in &self.background {
            background.abort();
        }
        // The tasks that write the gateways' counts must end before the final write: at their next
        // step, or after two seconds without waiting for them.
        for _ in 0..2_000 {
            if self.background.iter().all(AbortHandle::is_finished) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let fronts = self.fronts.into_iter();
        let ending = fronts.map(|front| {
            self.work
                .spawn(async move { front.hand_in_at_last().await })
        });
        let signal = futures_util::future::try_join_all(ending).await;
        signal.context("what a gateway counted is lost")?;
        drained.context("a listener ended badly")?;
        Ok(())
    }
}

async fn keep_up(metrics: Metrics) {
    let mut ticks = tokio::time::interval(Metrics::UPKEEP);
    loop {
        ticks.tick().await;
        metrics.keep_up();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use sha2::{Digest as _, Sha256};

    use super::super::serve::engine;
    use super::*;
    use crate::config::{Config, Scope, Token};
    use crate::domain::demand::permission::Permission;
    use crate::store::Migrations;

    /// Far longer than anything here takes, even on a busy machine; only a hang reaches it.
    const LONG: Duration = Duration::from_mins(1);

    fn config() -> Config {
        Config {
            listen: "127.0.0.1:0".to_owned(),
            admin_listen: "127.0.0.1:0".to_owned(),
            database: "sqlite::memory:".to_owned(),
            tokens: vec![Token {
                name: "test".to_owned(),
                sha256: Sha256::digest("t").into(),
                scopes: vec![Scope::Admin],
                sources: Permission::default(),
            }],
            ..Config::default()
        }
    }

    /// Sends a request on a new connection.
    fn ask(url: &str, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = format!("{request}\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it hangs");
        answer
    }

    /// Blocks all worker threads until the returned sender is dropped.
    fn block_all_work(runtimes: &Runtimes) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        let (say, said) = mpsc::channel();
        let threads = runtimes.work().metrics().num_workers();
        for _ in 0..threads {
            let (released, say) = (Arc::clone(&released), say.clone());
            runtimes.work().spawn(async move {
                say.send(()).unwrap();
                // The first waits for the sender, the others for the first.
                let _ = released.lock().map(|released| released.recv());
            });
        }
        for _ in 0..threads {
            said.recv_timeout(LONG).expect("a thread is free for each");
        }
        release
    }

    #[test]
    fn the_public_and_health_are_answered_while_no_thread_is_left_for_work() {
        let runtimes = Runtimes::start().unwrap();
        runtimes
            .run(async |runtimes| {
                let listeners = Listeners::bind(&config(), runtimes).await?;
                let (public, admin) = listeners.urls()?;
                let opening = engine(config(), Migrations::Apply);
                let engine = runtimes.work().spawn(opening).await??;
                let publishing = Arc::clone(&engine);
                let published = runtimes
                    .work()
                    .spawn(async move { publishing.publish().await });
                published.await??;
                let running = Running::start(&engine, listeners, runtimes)?;
                // The first request prepares it.
                assert!(answer(ask(&public, "GET /ranking.json HTTP/1.1")).contains(" 200 OK"));
                let release = block_all_work(runtimes);
                let unknown = "GET /renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE HTTP/1.1";
                for (url, request, want) in [
                    (&public, unknown, " 404 "),
                    (&public, "GET /ranking.json HTTP/1.1", " 200 "),
                    (&public, "GET / HTTP/1.1", " 200 "),
                    (&admin, "GET /healthz HTTP/1.1", " 200 "),
                    (&admin, "GET /readyz HTTP/1.1", " 200 "),
                    (&admin, "GET /v1/incidents HTTP/1.1", " 401 "),
                ] {
                    let got = answer(ask(url, request));
                    assert!(
                        got.lines().next().unwrap().contains(want),
                        "{request}: {got}"
                    );
                }
                // Routes with a token run on worker threads.
                let listing = ask(
                    &admin,
                    "GET /v1/incidents HTTP/1.1\r\nauthorization: Bearer t",
                );
                listing.set_nonblocking(true)?;
                assert!(answer(ask(&admin, "GET /healthz HTTP/1.1")).contains(" 200 "));
                let early = listing.peek(&mut [0]).map_err(|error| error.kind());
                assert_eq!(early, Err(std::io::ErrorKind::WouldBlock));
                drop(release);
                listing.set_nonblocking(false)?;
                assert!(answer(listing).contains(" 200 OK"));
                running.stop(Stop::AtOnce).await
            })
            .unwrap();
    }
}
