//! The accept loop, with a router of its own: what axum's own server would get wrong.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures_util::StreamExt as _;
use offpeak::wire::{Limits, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Far longer than anything here takes, on a busy machine too; only a hang waits for it.
const LONG: Duration = Duration::from_mins(1);
/// What would show in a test as a hang.
pub(super) const NEVER: Duration = Duration::from_hours(1);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// Nothing ends by itself but what a test makes [`SHORT`]: on a busy machine a client may take any
/// time from one step to the next.
pub(super) const LIMITS: Limits = Limits {
    connections: 2,
    streams: 3,
    head: NEVER,
    idle: NEVER,
    linger: NEVER,
    grace: Duration::ZERO,
    drain: NEVER,
};

pub(super) struct Toy {
    pub(super) address: SocketAddr,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) server: JoinHandle<()>,
}

pub(super) async fn toy(limits: Limits, router: Router) -> Toy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async move {
        let _ = stopped.await;
    };
    let server = tokio::spawn(serve(listener, router, shutdown, limits));
    Toy {
        address,
        stop,
        server,
    }
}

pub(super) fn hello() -> Router {
    hello_at("/")
}

fn hello_at(path: &str) -> Router {
    Router::new().route(path, get(|| async { "hello" }))
}

/// `/slow` answers once it is told to, and says when it was asked.
pub(super) fn slow() -> (Router, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (asked, was_asked) = oneshot::channel();
    let (go, may_go) = oneshot::channel();
    let once = std::sync::Arc::new(std::sync::Mutex::new(Some((asked, may_go))));
    let router = Router::new().route(
        "/slow",
        get(move || {
            let (asked, may_go) = once.lock().unwrap().take().unwrap();
            async move {
                asked.send(()).unwrap();
                let _ = may_go.await;
                "at last"
            }
        }),
    );
    (router, was_asked, go)
}

pub(super) async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(LONG, wait).await.expect("it hangs")
}

pub(super) async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads until the other side closes; what the kernel says of the end does not matter.
pub(super) async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    rest
}

#[tokio::test]
async fn head_has_the_length_of_get() {
    let toy = toy(LIMITS, hello()).await;
    let mut stream = TcpStream::connect(toy.address).await.unwrap();
    let answer = exchange(
        &mut stream,
        "HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let url = format!("http://{}/", toy.address);
    let client = http2();
    let answer = client.head(url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.headers()["content-length"], "5");
}

pub(super) fn http2() -> reqwest::Client {
    reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .build()
        .unwrap()
}

#[tokio::test]
async fn connections_that_say_nothing_or_dawdle_are_closed() {
    let limits = Limits {
        head: SHORT,
        idle: SHORT,
        linger: SHORT,
        ..LIMITS
    };
    let toy = toy(limits, hello()).await;
    for beginning in [
        "",
        "GET / HT",
        "GET / HTTP/1.1\r\nhost: x\r\n",
        // The first half of HTTP/2's preface, and all of it.
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // A whole request, and then a kept connection that nobody uses.
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(toy.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        until_closed(&mut stream).await;
        let taken = started.elapsed();
        assert!(
            taken >= Duration::from_millis(200),
            "{beginning:?}: {taken:?}"
        );
    }
}

/// Slowloris: each octet comes in time, the head never does.
#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let limits = Limits {
        head: SHORT,
        ..LIMITS
    };
    let toy = toy(limits, hello()).await;
    for beginning in ["", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(toy.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        if !beginning.is_empty() {
            let mut byte = [0];
            within(stream.read_exact(&mut byte)).await.unwrap();
        }
        stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        within(async {
            while stream.write_all(b"y").await.is_ok() {
                tokio::time::sleep(SHORT / 30).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_served_at_a_time() {
    let (router, asked, go) = slow();
    let one = Limits {
        connections: 1,
        ..LIMITS
    };
    let toy = toy(one, router.merge(hello())).await;
    let mut holder = TcpStream::connect(toy.address).await.unwrap();
    holder
        .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    within(asked).await.unwrap();
    let mut waiting = TcpStream::connect(toy.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    waiting.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    let early = timeout(SHORT, waiting.read(&mut byte)).await;
    assert!(early.is_err(), "served beyond the cap");
    // Once it has its answer, the one that has nothing to ask gives way.
    go.send(()).unwrap();
    let rest = until_closed(&mut holder).await;
    assert!(rest.ends_with(b"at last"));
    let rest = until_closed(&mut waiting).await;
    assert!(rest.starts_with(b"HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn requests_under_way_end_before_the_server_does() {
    let (router, asked, go) = slow();
    let toy = toy(LIMITS, router).await;
    let url = format!("http://{}/slow", toy.address);
    let request = tokio::spawn(async move { reqwest::get(url).await?.text().await });
    within(asked).await.unwrap();
    toy.stop.send(()).unwrap();
    // The listener goes at once …
    within(async {
        while TcpStream::connect(toy.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!toy.server.is_finished());
    // … and the answer is still given.
    go.send(()).unwrap();
    assert_eq!(within(request).await.unwrap().unwrap(), "at last");
    within(toy.server).await.unwrap();
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let (router, asked, go) = slow();
    let limits = Limits {
        drain: SHORT,
        ..LIMITS
    };
    let toy = toy(limits, router).await;
    let url = format!("http://{}/slow", toy.address);
    let request = tokio::spawn(async move { reqwest::get(url).await?.text().await });
    within(asked).await.unwrap();
    let started = Instant::now();
    toy.stop.send(()).unwrap();
    within(toy.server).await.unwrap();
    assert!(started.elapsed() >= limits.drain);
    assert!(within(request).await.unwrap().is_err());
    drop(go);
}

#[tokio::test]
async fn kept_connections_do_not_delay_the_end() {
    let toy = toy(LIMITS, hello()).await;
    let url = format!("http://{}/", toy.address);
    let client = http2();
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
    let mut kept = TcpStream::connect(toy.address).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    within(kept.read_exact(&mut byte)).await.unwrap();
    toy.stop.send(()).unwrap();
    // The drain would last for ever.
    within(toy.server).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let endless = Router::new().route(
        "/",
        get(|| async {
            let block = bytes::Bytes::from(vec![b'x'; 1 << 20]);
            Body::from_stream(
                futures_util::stream::repeat(block).map(Ok::<_, std::convert::Infallible>),
            )
        }),
    );
    let one = Limits {
        connections: 1,
        idle: SHORT,
        linger: SHORT,
        ..LIMITS
    };
    let toy = toy(one, endless.merge(hello_at("/hello"))).await;
    let mut stalled = TcpStream::connect(toy.address).await.unwrap();
    stalled
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0];
    within(stalled.read_exact(&mut byte)).await.unwrap();
    // The only connection allowed: the next is served once this one is gone.
    let mut next = TcpStream::connect(toy.address).await.unwrap();
    let request = "GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(exchange(&mut next, request).await.ends_with("hello"));
}

#[tokio::test]
async fn streams_of_one_connection_are_capped() {
    let toy = toy(LIMITS, hello()).await;
    let mut stream = TcpStream::connect(toy.address).await.unwrap();
    // The preface and an empty SETTINGS frame; the server's SETTINGS come back first.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut head = [0; 9];
    within(stream.read_exact(&mut head)).await.unwrap();
    assert_eq!(head[3], 4, "a SETTINGS frame");
    let mut settings = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
    within(stream.read_exact(&mut settings)).await.unwrap();
    let streams = settings
        .chunks(6)
        .find(|setting| setting[..2] == [0, 3])
        .expect("SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(streams[2..], LIMITS.streams.to_be_bytes());
}
