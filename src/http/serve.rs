//! The accept loop of both listeners: HTTP/1.1 and HTTP/2 without TLS (by prior knowledge), every
//! wait bounded.
//!
//! `axum::serve` has no header timeout, no cap on connections and none on streams; a public server
//! needs all three.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time; more wait in the kernel's queue.
    pub connections: usize,
    /// Requests under way at a time on one HTTP/2 connection.
    pub streams: u32,
    /// A request's head must arrive within this time, and the next one on a kept connection too.
    pub head: Duration,
    /// A connection without a request for this long (at most twice as long) takes no more.
    pub idle: Duration,
    /// How long a connection that takes no more requests may go on sending an answer.
    pub linger: Duration,
    /// How long requests under way may take once the server stops.
    pub drain: Duration,
}

impl Limits {
    /// For everybody. 8,192 connections of at most 2 × 64 KiB of buffers are 1 GiB at the very
    /// worst and some 100 MB in use; an answer takes well under a millisecond, so that is room for
    /// millions of requests a second. 30 s is what slow mobile networks need, and hyper's own
    /// default.
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
}

/// The most bytes of a request's head that are read (HTTP/1.1). hyper answers a longer one itself,
/// with 431, so this is far above what the URLs here need.
const MOST_HEAD_BYTES: usize = 64 * 1_024;

/// The same for HTTP/2, per request, so per stream: 100 × 16 KiB is 1.6 MB a connection.
const MOST_HEADER_LIST_BYTES: u32 = 16 * 1_024;

/// How long to wait after an `accept` that failed for want of something (descriptors, memory): long
/// enough not to spin, short enough that nobody notices.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` resolves; then accepts no more, lets the requests under way end within
/// `limits.drain`, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    limits: Limits,
) {
    serve_from(listener, router, shutdown, limits).await;
}

/// Where connections come from.
trait Accept: Send + Sync {
    fn accept(&self) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&self) -> io::Result<TcpStream> {
        Self::accept(self).await.map(|(stream, _)| stream)
    }
}

async fn serve_from<A: Accept>(
    listener: A,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
    limits: Limits,
) {
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            // One that panicked has been logged where it happened.
            Some(_) = connections.join_next() => {}
            stream = next(&listener), if connections.len() < limits.connections => {
                connections.spawn(drive(stream, router.clone(), stopped.clone(), limits));
            }
        }
    }
    drop(listener);
    drop(stop);
    let drained = timeout(limits.drain, async {
        while connections.join_next().await.is_some() {}
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
async fn next<A: Accept>(listener: &A) -> TcpStream {
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

/// Serves one connection to its end.
async fn drive(
    stream: TcpStream,
    router: Router,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) {
    // Answers are written whole; waiting to fill a segment only delays them. Where the option is
    // refused the connection still works.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let router = TowerToHyperService::new(router);
    let service = service_fn({
        let activity = Arc::clone(&activity);
        move |request: hyper::Request<Incoming>| {
            let under_way = UnderWay::of(&activity);
            let answer = router.call(request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        }
    });
    let builder = builder(limits);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut seen = 0;
    loop {
        tokio::select! {
            ended = connection.as_mut() => return debug_end(ended),
            // Nothing is ever sent: the channel closes when the server stops.
            _ = stopped.changed() => break,
            () = sleep(limits.idle) => {
                let begun = activity.begun.load(Ordering::Relaxed);
                if begun == seen && activity.is_still() {
                    break;
                }
                seen = begun;
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    loop {
        tokio::select! {
            ended = connection.as_mut() => return debug_end(ended),
            () = sleep(limits.linger) => {
                if activity.is_still() {
                    return;
                }
            }
        }
    }
}

fn debug_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

fn builder(limits: Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MOST_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MOST_HEADER_LIST_BYTES);
    builder
}

/// What a connection has been doing. hyper's own timeout starts with the first byte of HTTP/1 and
/// knows nothing of HTTP/2; this one covers the rest.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicU64,
    under_way: AtomicUsize,
}

impl Activity {
    fn is_still(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) == 0
    }
}

/// One request under way, until it is dropped.
struct UnderWay(Arc<Activity>);

impl UnderWay {
    fn of(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Fails as often as it has errors, then accepts.
    struct Failing {
        errors: Mutex<Vec<io::Error>>,
        listener: TcpListener,
    }

    impl Accept for Failing {
        async fn accept(&self) -> io::Result<TcpStream> {
            let error = self.errors.lock().unwrap().pop();
            match error {
                Some(error) => Err(error),
                None => Accept::accept(&self.listener).await,
            }
        }
    }

    #[tokio::test]
    async fn failures_to_accept_neither_stop_nor_spin() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // EMFILE, ENFILE, and one that concerns a single connection.
        let errors = Mutex::new(vec![
            io::Error::from_raw_os_error(24),
            io::Error::from_raw_os_error(23),
            io::ErrorKind::ConnectionAborted.into(),
        ]);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let started = tokio::time::Instant::now();
        let server = tokio::spawn(serve_from(
            Failing { errors, listener },
            Router::new().route("/", axum::routing::get(|| async { "here" })),
            async move {
                let _ = stopped.await;
            },
            Limits::PUBLIC,
        ));
        let mut client = TcpStream::connect(address).await.unwrap();
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
