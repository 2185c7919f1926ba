//! That under load no connection waits for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::process::{Server, offpeak};
use crate::support::fresh_sqlite;

/// More than a worker's queue has places for (256).
const CONNECTIONS: u32 = 600;
/// Answers that each would have by the time that all have so many, if each had its turn.
const TURNS: u32 = 40;

/// Asks again and again until all have been answered often enough; how often this one was.
async fn ask(mut socket: TcpStream, together: Arc<Barrier>, answers: Arc<AtomicU32>) -> u32 {
    let mut mine = 0;
    let mut buffer = [0; 4_096];
    together.wait().await;
    while answers.load(Ordering::Relaxed) < CONNECTIONS * TURNS {
        socket
            .write_all(b"GET /renewal-info/AQ.AQ HTTP/1.1\r\nHost: offpeak\r\n\r\n")
            .await
            .unwrap();
        let mut octets = 0;
        // The body is a JSON object, and nothing before it has a brace.
        while !buffer[..octets].ends_with(b"}") {
            let more = socket.read(&mut buffer[octets..]).await.unwrap();
            assert!(more > 0, "the connection broke");
            octets += more;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 404 "));
        mine += 1;
        answers.fetch_add(1, Ordering::Relaxed);
    }
    mine
}

#[tokio::test]
async fn every_connection_has_its_turn() {
    let database = fresh_sqlite();
    let server = Server::start(
        offpeak()
            .args(["serve", "--database", &database.url()])
            .env("TOKIO_WORKER_THREADS", "1"),
    );
    let address = server.api.public.strip_prefix("http://").unwrap();
    let together = Arc::new(Barrier::new(usize::try_from(CONNECTIONS).unwrap()));
    let answers = Arc::new(AtomicU32::new(0));
    let mut asking = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = TcpStream::connect(address).await.unwrap();
        asking.push(tokio::spawn(ask(
            socket,
            Arc::clone(&together),
            Arc::clone(&answers),
        )));
    }
    let mut turns = Vec::new();
    for one in asking {
        turns.push(one.await.unwrap());
    }
    turns.sort_unstable();
    assert!(turns[0] >= TURNS / 2, "{turns:?}");
}
