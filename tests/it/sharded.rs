//! A PostgreSQL that behaves as a distributed one does where ours would not notice: it refuses what Citus 13
//! refused when it was tried (docs/scale.md), tells wrong counts where that did, and has other codes. What
//! it cannot show is what several servers do among themselves: that needs several servers. The server on which
//! the distributed tables' rows lie may be lost, with a word or without one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{behind, open_connection};

/// `SSLRequest`, which comes in the place of a start-up message.
const SSL_REQUEST: i32 = 80_877_103;
/// Tables whose rows lie on several servers.
const DISTRIBUTED: [&str; 4] = [
    "certificates",
    "incident_certificates",
    "gateway_certificates",
    "polls",
];
/// Functions that read or write them.
const FUNCTIONS: [&str; 1] = ["register_certificate"];
/// What is asked of the database in the place of what a lost server would be asked: no statement begins so,
/// and none is prepared under this name.
const LOST: &str = "lost_by_double";
/// What Citus says then: severity, code and words, each after the octet that names it.
const LOST_ERROR: &[u8] = b"SERROR\0VERROR\0C08006\0\
    Mconnection to the remote node worker-2:5432 failed with the following error\0\0";
/// Words that it takes for no distributed table's statement, each with why.
const REFUSED: [(&str, &str); 6] = [
    (
        "LATERAL",
        "complex joins are only supported when all distributed tables are joined on their \
         distribution columns",
    ),
    (
        "FOR UPDATE",
        "could not run distributed query with FOR UPDATE/SHARE commands",
    ),
    (
        "FOR SHARE",
        "could not run distributed query with FOR UPDATE/SHARE commands",
    ),
    (
        "ctid",
        "cannot push down this subquery: a page of which shard?",
    ),
    ("pg_export_snapshot", "a snapshot is of one server"),
    (
        "OFFSET 0",
        "cannot push down this subquery: Offset clause is currently unsupported",
    ),
];
/// Words that it takes in no statement.
const REFUSED_ANYWHERE: [(&str, &str); 4] = [
    ("xid8", "transactions are numbered by each server"),
    ("pg_snapshot", "transactions are numbered by each server"),
    (
        "pg_current_xact_id",
        "transactions are numbered by each server",
    ),
    ("LOCK TABLE", "not supported"),
];

/// Stands before a database.
#[derive(Debug)]
pub(crate) struct Sharded {
    url: String,
    seen: Arc<Mutex<Seen>>,
    reach: watch::Sender<Reach>,
}

/// Statements that came by, in order.
#[derive(Debug, Default)]
struct Seen {
    /// A round trip each: run, or prepared to be run later.
    asked: Vec<Arc<str>>,
    /// Told that a server is lost.
    lost: Vec<Arc<str>>,
    /// Refused, with why.
    refused: Vec<String>,
}

/// Whether the server with the rows of distributed tables can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// It answers.
    Answers,
    /// It refuses connections: whoever needs it is told so.
    Refuses,
    /// It has stopped without a word.
    Silent,
}

/// A connection's way from the program to the database.
struct Forth {
    near: OwnedReadHalf,
    far: OwnedWriteHalf,
    seen: Arc<Mutex<Seen>>,
    reach: watch::Receiver<Reach>,
    /// Statements by the names that they were prepared under.
    prepared: HashMap<Vec<u8>, Arc<str>>,
}

impl Sharded {
    /// Before the database at this URL, which is migrated and marked as distributed.
    pub(crate) async fn before(url: &str) -> Self {
        offpeak::store::connect(url, offpeak::store::Migrations::Apply)
            .await
            .unwrap();
        let mut connection = open_connection(url).await;
        sqlx::query("UPDATE feed SET distributed_by = 'double'")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let far = behind(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = far
            .clone()
            .host("127.0.0.1")
            .port(listener.local_addr().unwrap().port());
        let seen = Arc::default();
        let reach = watch::Sender::new(Reach::Answers);
        let address = format!("{}:{}", far.get_host(), far.get_port());
        tokio::spawn(listen(listener, address, Arc::clone(&seen), reach.clone()));
        Self {
            url: near.to_url_lossy().to_string(),
            seen,
            reach,
        }
    }

    /// What it was asked: a round trip each.
    pub(crate) fn asked(&self) -> Vec<Arc<str>> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// What it has told that a server is lost.
    pub(crate) fn lost(&self) -> Vec<Arc<str>> {
        self.seen.lock().unwrap().lost.clone()
    }

    /// The server with the rows is lost, or found again.
    pub(crate) fn set_reach(&self, reach: Reach) {
        self.reach.send_replace(reach);
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// What it has refused, with why.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.seen.lock().unwrap().refused.clone()
    }
}

async fn listen(
    listener: TcpListener,
    address: String,
    seen: Arc<Mutex<Seen>>,
    reach: watch::Sender<Reach>,
) {
    while let Ok((near, _)) = listener.accept().await {
        let address = address.clone();
        let (seen, reach) = (Arc::clone(&seen), reach.subscribe());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(&address).await else {
                return;
            };
            // A statement is several messages. Each is sent at once: one that waited until the one before
            // is acknowledged would make 40 ms of each statement.
            if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
                return;
            }
            let Ok((near, start)) = started(near).await else {
                return;
            };
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            let forth = Forth {
                near: near_in,
                far: far_out,
                seen,
                reach,
                prepared: HashMap::new(),
            };
            tokio::select! {
                _ = forth.pass(&start) => {}
                _ = back(far_in, near_out) => {}
            }
        });
    }
}

/// The start-up message. Who asks for TLS is told that there is none, and asks again without.
async fn started(mut near: TcpStream) -> std::io::Result<(TcpStream, Vec<u8>)> {
    loop {
        let start = message(&mut near).await?;
        if !start.starts_with(&SSL_REQUEST.to_be_bytes()) {
            return Ok((near, start));
        }
        near.write_all(b"N").await?;
    }
}

impl Forth {
    /// Passes on what the program asks.
    async fn pass(mut self, start: &[u8]) -> std::io::Result<()> {
        send(&mut self.far, None, start).await?;
        loop {
            let kind = self.near.read_u8().await?;
            let mut body = message(&mut self.near).await?;
            self.look_at(kind, &mut body).await;
            send(&mut self.far, Some(kind), &body).await?;
        }
    }

    async fn look_at(&mut self, kind: u8, body: &mut Vec<u8>) {
        // A query; or a name, and a statement to be prepared under it or the name of one after it.
        let at = match kind {
            b'Q' => 0,
            b'B' | b'P' => body.iter().position(|&octet| octet == 0).unwrap() + 1,
            _ => return,
        };
        let end = at + body[at..].iter().position(|&octet| octet == 0).unwrap();
        let text: Arc<str> = match self.prepared.get(&body[at..end]) {
            Some(text) if kind == b'B' => Arc::clone(text),
            _ => str::from_utf8(&body[at..end]).unwrap().into(),
        };
        self.seen.lock().unwrap().asked.push(Arc::clone(&text));
        if let Some(reason) = refusal(&text) {
            let said = format!("{reason}: {text}");
            self.seen.lock().unwrap().refused.push(said);
            let error = format!("refused, {}", reason.replace('\'', ""));
            body.splice(at..end, error.into_bytes());
            return;
        }
        if kind == b'P' {
            self.prepared
                .insert(body[..at - 1].to_vec(), Arc::clone(&text));
        }
        if is_distributed(&text) {
            let answers = |reach: &Reach| *reach != Reach::Silent;
            let Ok(reach) = self.reach.wait_for(answers).await.map(|reach| *reach) else {
                return;
            };
            if reach == Reach::Refuses {
                self.seen.lock().unwrap().lost.push(text);
                body.splice(at..end, LOST.bytes());
            }
        }
    }
}

/// From the database to the program.
async fn back(mut far: OwnedReadHalf, mut near: OwnedWriteHalf) -> std::io::Result<()> {
    loop {
        let kind = far.read_u8().await?;
        let mut body = message(&mut far).await?;
        if kind == b'C' && body.starts_with(b"INSERT 0 ") {
            // As if each row that was there already had been inserted.
            body = b"INSERT 0 1000000\0".to_vec();
        }
        if kind == b'E' && contains(&body, LOST) {
            body = LOST_ERROR.to_vec();
        }
        if kind == b'E' && contains(&body, "certificates_pkey") {
            let code = body.windows(7).position(|octets| octets == b"C23505\0");
            if let Some(at) = code {
                body.splice(at..at + 7, *b"CXX000\0");
            }
        }
        send(&mut near, Some(kind), &body).await?;
    }
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Why a distributed database refuses this.
fn refusal(text: &str) -> Option<&'static str> {
    let has = |(word, _): &&(&str, &'static str)| text.contains(word);
    if let Some((_, reason)) = REFUSED_ANYWHERE.iter().find(has) {
        // A migration is run before the tables are distributed.
        return Some(reason);
    }
    if !is_distributed(text) {
        return None;
    }
    let words = words(text);
    if let Some((_, reason)) = REFUSED.iter().find(has) {
        return Some(reason);
    }
    let writes = ["INSERT", "UPDATE", "DELETE"];
    if words.first() == Some(&"WITH") && writes.iter().any(|verb| words.contains(verb)) {
        return Some("data-modifying statements are not supported in the WITH clauses");
    }
    None
}

/// Whether a statement is about rows that lie on another server.
fn is_distributed(text: &str) -> bool {
    let words = words(text);
    let mut names = DISTRIBUTED.iter().chain(&FUNCTIONS);
    names.any(|name| words.contains(name))
}

fn words(text: &str) -> Vec<&str> {
    text.split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .collect()
}

/// A message without its length.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await? as usize;
    let mut body = vec![0; length - 4];
    from.read_exact(&mut body).await?;
    Ok(body)
}

async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    kind: Option<u8>,
    body: &[u8],
) -> std::io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap();
    let mut octets = Vec::with_capacity(body.len() + 5);
    octets.extend(kind);
    octets.extend(length.to_be_bytes());
    octets.extend(body);
    to.write_all(&octets).await
}

#[test]
fn it_refuses_what_a_distributed_database_refused() {
    for text in [
        "SELECT 1 FROM unnest($1) AS ids, LATERAL (SELECT 1 FROM certificates OFFSET 0) AS found",
        "SELECT serial FROM certificates WHERE not_after < 1 FOR UPDATE SKIP LOCKED",
        "SELECT pg_snapshot_xmin(pg_current_snapshot())",
        "LOCK TABLE publications IN SHARE ROW EXCLUSIVE MODE",
        "WITH gone AS (DELETE FROM certificates RETURNING serial) INSERT INTO outbox SELECT 1",
        "SELECT 1 FROM certificates WHERE ctid >= '(0,0)'",
    ] {
        assert!(refusal(text).is_some(), "{text}");
    }
    for text in [
        "SELECT last FROM feed WHERE only_row = 1 FOR UPDATE",
        "INSERT INTO polls AS present SELECT 1 ON CONFLICT DO UPDATE SET record = 1",
        "DELETE FROM certificates USING unnest($1) AS ids RETURNING serial",
        "WITH stale AS (DELETE FROM batches RETURNING number) DELETE FROM observations",
    ] {
        assert_eq!(refusal(text), None, "{text}");
    }
}
