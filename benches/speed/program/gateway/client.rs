//! Clients over TLS: requests as signed ones look, on connections that are kept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use offpeak::domain::math::number::real;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::histogram::Histogram;
use super::super::process::thread_seconds;

/// Not measured: connections are opened, and both sides get warm.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a generator of its own process is to ask for.
#[derive(Debug, Deserialize, Serialize)]
pub(in super::super) struct TlsLoad {
    pub(super) address: SocketAddr,
    /// The certificate that the server shows.
    pub(super) certificate: PathBuf,
    pub(super) connections: u32,
    pub(super) seconds: f64,
    /// Requests a second; `None`: as many as there can be.
    pub(super) rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(in super::super) struct TlsOutcome {
    /// Those within the time that is measured.
    pub(super) answers: u64,
    /// All, for which the server used its processor time.
    pub(super) answers_in_all: u64,
    pub(super) seconds: f64,
    pub(super) p99_micros: f64,
    /// The generator's own processor time.
    pub(super) cpu_seconds: f64,
}

/// A connection to a server.
pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Connects and trusts this certificate alone.
pub(super) fn connector(certificate: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Client {
    pub(super) async fn connect(
        connector: &TlsConnector,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(address.ip());
        let stream = connector.connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Whoever asks on it hears of its end.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            host: address.to_string(),
        })
    }

    /// POSTs a payload as a client signs it. `from` is who it says to be, for a server that believes it.
    pub(super) async fn post(
        &mut self,
        path: &str,
        payload: &str,
        from: Option<u32>,
        agent: &str,
    ) -> anyhow::Result<Answer> {
        let body = signed(&format!("https://{}{path}", self.host), payload);
        let mut request = Request::post(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/jose+json")
            .header(header::USER_AGENT, agent);
        if let Some(from) = from {
            // Ten million of them.
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 | from);
            request = request.header("x-forwarded-for", address.to_string());
        }
        self.sender.ready().await?;
        let sent = self.sender.send_request(request.body(Full::from(body))?);
        let (head, body) = sent.await?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.collect().await?.to_bytes(),
        })
    }
}

/// A JWS with a signature of 2048 bits, as most accounts of certbot's age have; nobody has to believe it.
fn signed(url: &str, payload: &str) -> String {
    let encoded = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let protected = json!({
        "alg": "RS256", "kid": format!("{url}/account/1"), "nonce": "MTIzNDU2Nzg5MDEyMzQ1Ng", "url": url,
    });
    json!({
        "protected": encoded(protected.to_string().as_bytes()),
        "payload": encoded(payload.as_bytes()),
        "signature": encoded(&[7; 256]),
    })
    .to_string()
}

/// Asks as it is told, on one thread.
pub(in super::super) fn run(load: &TlsLoad) -> anyhow::Result<TlsOutcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = thread_seconds()?;
    let mut outcome = runtime.block_on(ask(load))?;
    outcome.cpu_seconds = thread_seconds()? - before;
    Ok(outcome)
}

async fn ask(load: &TlsLoad) -> anyhow::Result<TlsOutcome> {
    let connector = connector(&load.certificate)?;
    let mut clients = Vec::new();
    for _ in 0..load.connections {
        clients.push(Client::connect(&connector, load.address).await?);
    }
    let begins = Instant::now() + WARM_UP;
    let ends = begins + Duration::from_secs_f64(load.seconds);
    let between = load
        .rate
        .map(|rate| Duration::from_secs_f64(f64::from(load.connections) / rate));
    let mut asking = JoinSet::new();
    for (n, mut client) in (0..).zip(clients) {
        let first = between.map(|between| {
            Instant::now() + between.mul_f64(f64::from(n) / f64::from(load.connections))
        });
        asking.spawn(async move {
            let (mut seen, mut in_all) = (Histogram::new(), 0);
            let mut due = first;
            loop {
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                // A timer is up to a millisecond late, which is none of the server's; a request that is late
                // because the one before it was, is.
                let now = Instant::now();
                let from = due.filter(|due| now - *due > Duration::from_millis(2));
                let from = from.unwrap_or(now);
                if now >= ends {
                    return anyhow::Ok((seen, in_all));
                }
                let answer = client.post("/authz/1", "", None, "bench").await?;
                ensure!(answer.status == 200, "it is answered {}", answer.status);
                let is_whole = answer.body.ends_with(b"}");
                ensure!(is_whole, "half an answer: {:?}", answer.body);
                in_all += 1;
                if now >= begins {
                    let nanos = from.elapsed().as_nanos();
                    seen.record(u64::try_from(nanos).unwrap_or(u64::MAX));
                }
                due = due.zip(between).map(|(due, between)| due + between);
            }
        });
    }
    let mut outcome = TlsOutcome {
        seconds: load.seconds,
        ..TlsOutcome::default()
    };
    let mut p99 = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (seen, in_all) = asked.context("a client ended")??;
        outcome.answers += seen.total();
        outcome.answers_in_all += in_all;
        p99.push(seen);
    }
    let nanos = Histogram::of_all(&p99).quantile_nanos(990);
    outcome.p99_micros = real(i64::try_from(nanos).unwrap_or(i64::MAX)) / 1e3;
    Ok(outcome)
}
