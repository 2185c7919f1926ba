//! A stop with grace: no request is lost.

use std::time::Duration;

use offpeak::wire::{Limits, Listener, Stop, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::serve::{LIMITS, NEVER, exchange, hello, http2, slow, toy, until_closed, within};

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Reads one answer of [`hello`] on a connection that is kept.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"hello") {
        let read = within(stream.read_buf(&mut answer)).await.unwrap();
        assert!(
            read > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn in_the_grace_each_answer_is_the_last_and_new_connections_are_taken() {
    let limits = Limits {
        connections: 9,
        grace: NEVER,
        ..LIMITS
    };
    let toy = toy(limits, hello()).await;
    let mut kept = TcpStream::connect(toy.address).await.unwrap();
    kept.write_all(REQUEST.as_bytes()).await.unwrap();
    assert!(!read_answer(&mut kept).await.contains("connection: close"));
    let client = http2();
    let url = format!("http://{}/", toy.address);
    assert!(client.get(&url).send().await.unwrap().status().is_success());
    toy.stop.send(()).unwrap();
    // New connections see that it stops, and so does whoever waits for it here.
    loop {
        let mut new = TcpStream::connect(toy.address).await.unwrap();
        new.write_all(REQUEST.as_bytes()).await.unwrap();
        if read_answer(&mut new)
            .await
            .contains("\r\nconnection: close\r\n")
        {
            assert_eq!(until_closed(&mut new).await, b"");
            break;
        }
    }
    // One that was kept is left open, and its next answer is its last.
    kept.write_all(REQUEST.as_bytes()).await.unwrap();
    assert!(
        read_answer(&mut kept)
            .await
            .contains("\r\nconnection: close\r\n")
    );
    assert_eq!(until_closed(&mut kept).await, b"");
    // HTTP/2 goes over to a new connection by itself.
    assert!(client.get(&url).send().await.unwrap().status().is_success());
    assert!(!toy.server.is_finished());
}

#[tokio::test]
async fn what_waits_in_the_queue_at_the_end_of_the_grace_is_answered() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.url().unwrap();
    let address = address.strip_prefix("http://").unwrap();
    // All there before anything is accepted, and the grace is over by then.
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        waiting.push(stream);
    }
    let limits = Limits {
        connections: 9,
        ..LIMITS
    };
    let server = tokio::spawn(serve(listener, hello(), std::future::ready(()), limits));
    for stream in &mut waiting {
        assert!(
            read_answer(stream)
                .await
                .contains("\r\nconnection: close\r\n")
        );
    }
    within(server).await.unwrap();
}

#[tokio::test]
async fn a_stop_at_once_has_no_grace() {
    let (router, asked, go) = slow();
    let limits = Limits {
        grace: NEVER,
        ..LIMITS
    };
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.url().unwrap();
    let address = address.strip_prefix("http://").unwrap().to_owned();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let shutdown = async move { stopped.await.unwrap_or(Stop::AtOnce) };
    let server = tokio::spawn(serve(listener, router, shutdown, limits));
    let asking = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        exchange(&mut stream, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await
    });
    within(asked).await.unwrap();
    stop.send(Stop::AtOnce).unwrap();
    go.send(()).unwrap();
    assert!(within(asking).await.unwrap().ends_with("at last"));
    within(server).await.unwrap();
}

/// The grace is far shorter than any test may take; it is not what is measured here.
#[tokio::test]
async fn a_grace_has_an_end() {
    let limits = Limits {
        grace: Duration::from_millis(1),
        ..LIMITS
    };
    let toy = toy(limits, hello()).await;
    let mut kept = TcpStream::connect(toy.address).await.unwrap();
    kept.write_all(REQUEST.as_bytes()).await.unwrap();
    read_answer(&mut kept).await;
    toy.stop.send(()).unwrap();
    within(toy.server).await.unwrap();
    assert_eq!(until_closed(&mut kept).await, b"");
}
