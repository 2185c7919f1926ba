//! The accept loop of both listeners: HTTP/1.1 and HTTP/2, by ALPN with TLS and by prior knowledge
//! without it, every wait bounded.
//!
//! `axum::serve` has no header timeout, no cap on connections and none on streams; a public server
//! needs all three.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::app::App;
use attend::{Attendance, Attended};
use listen::{Accept, Stream};

mod attend;
mod drive;
mod listen;
mod tls;

pub use listen::{Listener, Passed};
pub use tls::{Tls, TlsError};

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Requests under way at a time on one HTTP/2 connection.
    pub streams: u32,
    /// A request's head must arrive within this time, and before it TLS's handshake must be done.
    /// As the next two, an eighth of the shortest
    /// of them late at most.
    pub head: Duration,
    /// A connection without a request for this long takes no more.
    pub idle: Duration,
    /// How long a connection that takes no more requests may go on sending an answer.
    pub linger: Duration,
    /// How long requests under way may take once the server stops.
    pub drain: Duration,
}

impl Limits {
    /// For everybody. 8,192 connections of at most 2 × 64 KiB of buffers are 1 GiB at the very
    /// worst and some 100 MB in use, with TLS some 300 MB more; an answer takes well under a
    /// millisecond, so that is room for millions of requests a second. 30 s is what slow mobile
    /// networks need, and hyper's own default.
    pub const PUBLIC: Self = Self {
        connections: 8_192,
        streams: 100,
        head: Duration::from_secs(30),
        idle: Duration::from_secs(30),
        linger: Duration::from_secs(30),
        drain: Duration::from_secs(20),
    };

    /// For the CA's own machines: few connections, long bodies. The drain of both listeners fits
    /// into the 30 s that orchestrators give before they kill.
    pub const ADMIN: Self = Self {
        connections: 256,
        ..Self::PUBLIC
    };

    /// How often all connections are looked after: an eighth of the shortest wait. With the limits
    /// above that is every four seconds, for 8,192 connections some 100 µs.
    fn between_rounds(&self) -> Duration {
        let shortest = self.head.min(self.idle).min(self.linger);
        (shortest / 8).max(Duration::from_millis(1))
    }
}

/// How long to wait after an `accept` that failed for want of something (descriptors, memory): long
/// enough not to spin, short enough that nobody notices.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves; then accepts no more, lets the requests under way end within
/// `limits.drain`, and returns.
pub async fn serve(
    listener: impl Into<Listener>,
    app: impl Into<App>,
    shutdown: impl Future<Output = ()> + Send,
    limits: Limits,
) {
    let listener = listener.into();
    let tls = listener.tls();
    serve_from(listener, tls, app.into(), shutdown, limits).await;
}

async fn serve_from<A: Accept>(
    listener: A,
    tls: Option<Arc<Tls>>,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
    limits: Limits,
) {
    let mut connections = JoinSet::new();
    let mut attendance = Attendance::new(limits);
    let between_rounds = limits.between_rounds();
    let mut rounds = interval_at(Instant::now() + between_rounds, between_rounds);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    {
        let mut shutdown = pin!(shutdown);
        // Kept over the rounds, so that none cuts its pause short.
        let mut coming = pin!(next(&listener));
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                // One that panicked has been logged where it happened.
                Some(_) = connections.join_next() => {}
                now = rounds.tick() => attendance.look_after(now),
                stream = &mut coming, if connections.len() < limits.connections => {
                    coming.set(next(&listener));
                    let attended = Attended::default();
                    attendance.add(&attended, Instant::now());
                    let tls = tls.clone();
                    connections.spawn(drive::drive(stream, tls, app.clone(), attended, limits));
                }
            }
        }
    }
    drop(listener);
    attendance.finish_all(Instant::now());
    let drained = timeout(limits.drain, async {
        loop {
            tokio::select! {
                ended = connections.join_next() => if ended.is_none() { break },
                now = rounds.tick() => attendance.look_after(now),
            }
        }
    });
    if drained.await.is_err() {
        let connections_left = connections.len();
        tracing::warn!(
            event = "connections_cut_off",
            connections = connections_left
        );
        connections.shutdown().await;
    }
}

/// The next connection. Failures are waited out: what they lack comes back when others close.
async fn next<A: Accept>(listener: &A) -> Stream {
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
            Err(error) if gone_already(&error) => {}
            Err(error) => {
                if !warned {
                    tracing::warn!(event = "accept_failed", %error);
                    warned = true;
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the error is about the one connection, which left before it was accepted.
fn gone_already(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// Fails as often as it has errors, then accepts.
    struct Failing {
        errors: Mutex<Vec<io::Error>>,
        listener: Listener,
    }

    impl Accept for Failing {
        async fn accept(&self) -> io::Result<Stream> {
            let error = self.errors.lock().unwrap().pop();
            match error {
                Some(error) => Err(error),
                None => self.listener.accept().await,
            }
        }
    }

    #[tokio::test]
    async fn failures_to_accept_neither_stop_nor_spin() {
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.url().unwrap();
        // EMFILE, ENFILE, and one that concerns a single connection.
        let errors = Mutex::new(vec![
            io::Error::from_raw_os_error(24),
            io::Error::from_raw_os_error(23),
            io::ErrorKind::ConnectionAborted.into(),
        ]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let started = Instant::now();
        let server = tokio::spawn(serve_from(
            Failing { errors, listener },
            None,
            Router::new()
                .route("/", axum::routing::get(|| async { "here" }))
                .into(),
            async move {
                let _ = stopped.await;
            },
            Limits::PUBLIC,
        ));
        let mut client = TcpStream::connect(url.strip_prefix("http://").unwrap())
            .await
            .unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(started.elapsed() >= 2 * ACCEPT_PAUSE);
        stop.send(()).unwrap();
        server.await.unwrap();
    }
}
