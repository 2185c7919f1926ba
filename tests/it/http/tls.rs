//! TLS on the public listener.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use offpeak::wire::{Limits, Listener, Tls, TlsError, serve};
use reqwest::{Certificate, Client, Version};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::issuance::TestCa;
use crate::process::{Server, offpeak};
use crate::support::fresh_sqlite;

const HOST: &str = "ari.example.com";
/// Only a hang waits for it.
const NEVER: Duration = Duration::from_hours(1);

/// The files of a certificate.
struct Files(TempDir);

impl Files {
    fn of(ca: &TestCa) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(ca);
        files
    }

    fn write(&self, ca: &TestCa) {
        let (certificate, key) = ca.issue(HOST, &[1]);
        std::fs::write(self.certificate(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.0.path().join("chain.pem")
    }

    fn key(&self) -> std::path::PathBuf {
        self.0.path().join("key.pem")
    }

    fn open(&self) -> Result<Tls, TlsError> {
        Tls::open(&self.certificate(), &self.key())
    }
}

struct Secured {
    address: SocketAddr,
    tls: Arc<Tls>,
    _stop: oneshot::Sender<()>,
}

async fn secured(files: &Files, limits: Limits) -> Secured {
    let tls = Arc::new(files.open().unwrap());
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let listener = listener.secured(Arc::clone(&tls));
    let url = listener.url().unwrap();
    let address = url.strip_prefix("https://").unwrap().parse().unwrap();
    let router = Router::new().route("/", get(|| async { "hello" }));
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        let _ = stopped.await;
    };
    tokio::spawn(serve(listener, router, stopped, limits));
    Secured {
        address,
        tls,
        _stop: stop,
    }
}

/// A client that trusts this CA alone and finds [`HOST`] at `address`.
fn client(ca: &TestCa, address: SocketAddr) -> reqwest::ClientBuilder {
    let root = Certificate::from_der(ca.certificate.der()).unwrap();
    Client::builder()
        .no_proxy()
        .tls_certs_only([root])
        .resolve(HOST, address)
}

async fn asked(client: reqwest::ClientBuilder, address: SocketAddr) -> reqwest::Result<Version> {
    let url = format!("https://{HOST}:{}/", address.port());
    let answer = client.build().unwrap().get(url).send().await?;
    let version = answer.version();
    assert_eq!(answer.text().await?, "hello");
    Ok(version)
}

#[tokio::test]
async fn alpn_chooses_between_http_2_and_http_1() {
    let ca = TestCa::new();
    let secured = secured(&Files::of(&ca), Limits::PUBLIC).await;
    let version = asked(client(&ca, secured.address), secured.address).await;
    assert_eq!(version.unwrap(), Version::HTTP_2);
    let old = client(&ca, secured.address).http1_only();
    let version = asked(old, secured.address).await;
    assert_eq!(version.unwrap(), Version::HTTP_11);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_bad_one_is_not() {
    let (old, new) = (TestCa::new(), TestCa::new());
    let files = Files::of(&old);
    let Secured {
        address,
        tls,
        _stop,
        ..
    } = secured(&files, Limits::PUBLIC).await;
    let shown_by = async |ca: &TestCa| asked(client(ca, address), address).await.is_ok();
    assert!(shown_by(&old).await && !shown_by(&new).await);
    // A key that does not go with the certificate, no key, no certificate, no files: the old one.
    let (_, other_key) = new.issue(HOST, &[2]);
    std::fs::write(files.key(), other_key.serialize_pem()).unwrap();
    tls.look();
    assert!(shown_by(&old).await);
    let pair = tls.renew(&files.certificate(), &files.key());
    assert!(matches!(pair, Err(TlsError::Pair { .. })), "{pair:?}");
    std::fs::write(files.key(), "nothing").unwrap();
    let key = tls.renew(&files.certificate(), &files.key());
    assert!(matches!(key, Err(TlsError::Key { .. })), "{key:?}");
    std::fs::write(files.certificate(), "").unwrap();
    let certificate = tls.renew(&files.certificate(), &files.key());
    assert!(
        matches!(certificate, Err(TlsError::Certificate { .. })),
        "{certificate:?}"
    );
    std::fs::remove_file(files.certificate()).unwrap();
    tls.look();
    assert!(shown_by(&old).await);
    // What has changed is taken up without a word.
    files.write(&new);
    tls.look();
    assert!(shown_by(&new).await && !shown_by(&old).await);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let ca = TestCa::new();
    let limits = Limits {
        head: Duration::from_millis(300),
        idle: NEVER,
        linger: NEVER,
        ..Limits::PUBLIC
    };
    let secured = secured(&Files::of(&ca), limits).await;
    // Nothing, the first half of a record, and what is no TLS.
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(secured.address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(started.elapsed() >= limits.head, "{beginning:?}");
    }
    let mut stream = TcpStream::connect(secured.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"));
}

fn config(certificate: &Path, key: &Path) -> String {
    let (certificate, key) = (certificate.display(), key.display());
    format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
}

#[tokio::test]
async fn a_sighup_renews_the_certificate() {
    let (old, new) = (TestCa::new(), TestCa::new());
    let files = Files::of(&old);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, config(&files.certificate(), &files.key())).unwrap();
    let database = fresh_sqlite();
    let mut command = offpeak();
    command.args(["serve", "--database", &database.url(), "--config"]);
    let server = Server::start(command.arg(&file));
    let address = server.api.public.strip_prefix("https://").unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let directory = async |ca: &TestCa| {
        let url = format!("https://{HOST}:{}/directory", address.port());
        let client = client(ca, address).build().unwrap();
        client.get(url).send().await?.text().await
    };
    // What the base URL is where none is configured.
    let said = directory(&old).await.unwrap();
    assert!(
        said.contains(&format!("\"https://{address}/renewal-info\"")),
        "{said}"
    );
    // Other files, the second pair of them good.
    let elsewhere = Files::of(&new);
    std::fs::write(&file, config(&elsewhere.certificate(), &files.key())).unwrap();
    server.signal("HUP");
    let refused = server.logged("certificate_refused");
    assert!(refused.contains("does not go with"), "{refused}");
    assert!(directory(&old).await.is_ok());
    std::fs::write(&file, config(&elsewhere.certificate(), &elsewhere.key())).unwrap();
    server.signal("HUP");
    server.logged("certificate_renewed");
    assert!(directory(&new).await.is_ok());
    assert!(directory(&old).await.is_err());
}

#[test]
fn a_bad_certificate_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    let missing = folder.path().join("missing.pem");
    std::fs::write(&file, config(&missing, &missing)).unwrap();
    let database = fresh_sqlite();
    let mut command = offpeak();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    command.args(["--database", &database.url(), "--config"]);
    let output = command.arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("missing.pem holds no certificate chain"),
        "{said}"
    );
}
