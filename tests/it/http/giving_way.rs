//! A full listener: whoever has nothing to ask gives way to whoever comes.

use offpeak::wire::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::serve::{LIMITS, exchange, hello, slow, toy, until_closed, within};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// A connection on which so much has been sent.
async fn begun(address: std::net::SocketAddr, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(beginning.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn half_heads_give_way_the_oldest_first() {
    // As many as make room for one batch of those that give way, and one that is answered late.
    let limits = Limits {
        connections: 8,
        ..LIMITS
    };
    let (router, asked, go) = slow();
    let toy = toy(limits, router.merge(hello())).await;
    let mut answered_late = begun(toy.address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(asked).await.unwrap();
    let mut halves = Vec::new();
    // Far more than there is room for: nobody who asks waits for them.
    for _ in 0..5 {
        for half in ["GET / HTTP/1.1\r\nhost:", "", "PRI * HTTP/2.0\r\n", "G"] {
            halves.push(begun(toy.address, half).await);
        }
        let mut asking = TcpStream::connect(toy.address).await.unwrap();
        let answer = exchange(&mut asking, REQUEST).await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
    // The oldest are gone …
    for half in halves.iter_mut().take(4) {
        assert_eq!(until_closed(half).await, b"");
    }
    // … and whoever waits for an answer has kept its place.
    go.send(()).unwrap();
    assert!(until_closed_after(&mut answered_late, "at last").await);
}

/// Whether the answer comes to this end.
async fn until_closed_after(stream: &mut TcpStream, end: &str) -> bool {
    let mut answer = Vec::new();
    let mut block = [0; 1_024];
    while !answer.ends_with(end.as_bytes()) {
        let read = within(stream.read(&mut block)).await.unwrap();
        if read == 0 {
            return false;
        }
        answer.extend_from_slice(&block[..read]);
    }
    true
}

#[tokio::test]
async fn kept_connections_that_nobody_uses_give_way_too() {
    let limits = Limits {
        connections: 9,
        ..LIMITS
    };
    let toy = toy(limits, hello()).await;
    let mut kept = Vec::new();
    for _ in 0..limits.connections {
        let mut stream = begun(toy.address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(until_closed_after(&mut stream, "hello").await);
        kept.push(stream);
    }
    let mut asking = TcpStream::connect(toy.address).await.unwrap();
    assert!(exchange(&mut asking, REQUEST).await.ends_with("hello"));
    assert_eq!(until_closed(&mut kept[0]).await, b"");
    // The last is as good as ever.
    kept[8].write_all(REQUEST.as_bytes()).await.unwrap();
    assert!(until_closed(&mut kept[8]).await.ends_with(b"hello"));
}
