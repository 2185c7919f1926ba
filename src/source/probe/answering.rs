//! Answers http-01 challenges (RFC 8555 section 8.3) while an order is validated, and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The longest time for a request, enough for a validator on the other side of the world.
const LONGEST: Duration = Duration::from_secs(10);
/// Parallel connections. Validators use about five addresses; anyone who finds the port may connect
/// too.
const AT_ONCE: usize = 16;
/// The longest request head.
const MOST_OCTETS: usize = 8 << 10;

type Answers = Arc<Mutex<BTreeMap<String, String>>>;

/// Answers challenges until it is dropped.
pub(super) struct Answering {
    answers: Answers,
    _accepting: JoinSet<()>,
}

impl Answering {
    pub(super) async fn on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let answers = Answers::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&answers)));
        Ok(Self {
            answers,
            _accepting: accepting,
        })
    }

    /// Answers a token from now on.
    pub(super) fn with(&self, token: &str, authorization: &str) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(token.to_owned(), authorization.to_owned());
    }
}

async fn accept(listener: TcpListener, answers: Answers) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((connection, _)) => {
                let answers = Arc::clone(&answers);
                connections.spawn(async move {
                    // A slow or disconnected client gets no answer; the CA retries or reports why
                    // not.
                    let _ = tokio::time::timeout(LONGEST, serve(connection, &answers)).await;
                    drop(place);
                });
            }
            // No descriptor is free, or the peer has disconnected.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(mut connection: TcpStream, answers: &Answers) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut piece = [0; 1_024];
        let read = connection.read(&mut piece).await?;
        if read == 0 || head.len() + read > MOST_OCTETS {
            return Ok(());
        }
        head.extend_from_slice(&piece[..read]);
    }
    let line = head
        .split(|octet| *octet == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let token = line
        .strip_prefix("GET /.well-known/acme-challenge/")
        .and_then(|rest| rest.split(' ').next());
    let answer = token.and_then(|token| {
        let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(token).cloned()
    });
    let (status, body) = answer.map_or_else(
        || ("404 Not Found", String::new()),
        |answer| ("200 OK", answer),
    );
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(answer.as_bytes()).await?;
    connection.shutdown().await
}
