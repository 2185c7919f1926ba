//! A PostgreSQL that behaves as a distributed one does where ours would not notice: it refuses what Citus 13
//! refused when it was tried (docs/scale.md), tells wrong counts where that did, and has other codes. What
//! it cannot show is what several servers do among themselves: that needs several servers.

use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// `SSLRequest`, which comes in the place of a start-up message.
const SSL_REQUEST: i32 = 80_877_103;
/// Tables whose rows lie on several servers.
const DISTRIBUTED: [&str; 4] = [
    "certificates",
    "incident_certificates",
    "gateway_certificates",
    "polls",
];
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
    refused: Arc<Mutex<Vec<String>>>,
}

impl Sharded {
    /// Before the database at this URL, which is migrated and marked as distributed.
    pub(crate) async fn before(url: &str) -> Self {
        offpeak::store::connect(url, offpeak::store::Migrations::Apply)
            .await
            .unwrap();
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::query("UPDATE feed SET distributed_by = 'double'")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let far: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = far
            .clone()
            .host("127.0.0.1")
            .port(listener.local_addr().unwrap().port());
        let refused = Arc::default();
        let address = format!("{}:{}", far.get_host(), far.get_port());
        tokio::spawn(listen(listener, address, Arc::clone(&refused)));
        Self {
            url: near.to_url_lossy().to_string(),
            refused,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// What it has refused, with why.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

async fn listen(listener: TcpListener, address: String, refused: Arc<Mutex<Vec<String>>>) {
    while let Ok((near, _)) = listener.accept().await {
        let (address, refused) = (address.clone(), Arc::clone(&refused));
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(&address).await else {
                return;
            };
            let Ok((near, start)) = started(near).await else {
                return;
            };
            let (near_in, near_out) = near.into_split();
            let (far_in, far_out) = far.into_split();
            tokio::select! {
                _ = forth(&start, near_in, far_out, &refused) => {}
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

/// From the program to the database.
async fn forth(
    start: &[u8],
    mut near: OwnedReadHalf,
    mut far: OwnedWriteHalf,
    refused: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    send(&mut far, None, start).await?;
    loop {
        let kind = near.read_u8().await?;
        let mut body = message(&mut near).await?;
        // A query, or a statement to be prepared after its name.
        let at = match kind {
            b'Q' => Some(0),
            b'P' => body.iter().position(|&octet| octet == 0).map(|end| end + 1),
            _ => None,
        };
        if let Some(at) = at {
            let end = at + body[at..].iter().position(|&octet| octet == 0).unwrap();
            let text = String::from_utf8(body[at..end].to_vec()).unwrap();
            if let Some(reason) = refusal(&text) {
                refused.lock().unwrap().push(format!("{reason}: {text}"));
                let error = format!("refused, {}", reason.replace('\'', ""));
                body.splice(at..end, error.into_bytes());
            }
        }
        send(&mut far, Some(kind), &body).await?;
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
    let words: Vec<&str> = text
        .split(|sign: char| !sign.is_alphanumeric() && sign != '_')
        .collect();
    if !DISTRIBUTED.iter().any(|table| words.contains(table)) {
        return None;
    }
    if let Some((_, reason)) = REFUSED.iter().find(has) {
        return Some(reason);
    }
    let writes = ["INSERT", "UPDATE", "DELETE"];
    if words.first() == Some(&"WITH") && writes.iter().any(|verb| words.contains(verb)) {
        return Some("data-modifying statements are not supported in the WITH clauses");
    }
    None
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
