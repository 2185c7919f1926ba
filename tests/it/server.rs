//! The real service on free ports, with a database of its own and a clock that stands still.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::http;
use offpeak::store::{Migrations, connect};
use offpeak::telemetry;
use offpeak::wire::{self, Limits};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{FreshSqlite, fresh_sqlite};

/// 2026-11-21T10:00:00Z, a Saturday.
pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

/// The token with the scope `admin`.
pub(crate) const ADMIN: &str = "the admin's token";
/// The token with the scope `ingest`.
pub(crate) const INGEST: &str = "the issuance's token";

/// Both listeners over one engine.
pub(crate) struct TestServer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    /// `http://` and the public address.
    pub(crate) public: String,
    /// `http://` and the admin address.
    pub(crate) admin: String,
    client: Client,
    /// Dropped first, and with it the listeners.
    _running: watch::Sender<()>,
    _database: Option<FreshSqlite>,
}

impl TestServer {
    /// On SQLite, with the CA `example`, which issued the RFC's certificate, and two tokens.
    pub(crate) async fn start() -> Self {
        let database = fresh_sqlite();
        let url = database.url();
        Self::launch(&url, config(), Some(database)).await
    }

    /// On the database at `url`.
    pub(crate) async fn on(url: &str, config: Config) -> Self {
        Self::launch(url, config, None).await
    }

    async fn launch(url: &str, config: Config, database: Option<FreshSqlite>) -> Self {
        let store = connect(url, Migrations::Apply).await.unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let engine = Engine::open(store, config, as_clock).await.unwrap();
        Self::around(engine, clock, database).await
    }

    /// Over this engine.
    pub(crate) async fn around(
        engine: Arc<Engine>,
        clock: Arc<ManualClock>,
        database: Option<FreshSqlite>,
    ) -> Self {
        let (running, stopped) = watch::channel(());
        let metrics = telemetry::metrics().unwrap();
        let (listener, public) = free_port().await;
        let router = http::public(Arc::clone(&engine), &public);
        let stop = until_dropped(stopped.clone());
        tokio::spawn(wire::serve(listener, router, stop, Limits::PUBLIC));
        let (listener, admin) = free_port().await;
        let router = http::admin(Arc::clone(&engine), metrics);
        let stop = until_dropped(stopped);
        tokio::spawn(wire::serve(listener, router, stop, Limits::ADMIN));
        Self {
            engine,
            clock,
            public,
            admin,
            client: Client::builder().no_proxy().no_gzip().build().unwrap(),
            _running: running,
            _database: database,
        }
    }

    /// A request to the public listener.
    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.public))
    }

    /// A GET of the public listener.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    /// A request to the admin listener, without a token.
    pub(crate) fn ask_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.admin))
    }

    /// The same with the admin's token.
    pub(crate) fn as_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask_admin(method, path).bearer_auth(ADMIN)
    }

    /// Registers a certificate with these dates; it has to be accepted.
    pub(crate) async fn register(
        &self,
        cert_id: &str,
        not_before: Timestamp,
        not_after: Timestamp,
    ) {
        let line = serde_json::json!({
            "certId": cert_id,
            "notBefore": not_before,
            "notAfter": not_after,
        });
        let answer = self
            .as_admin(Method::POST, "/v1/certificates")
            .header("content-type", "application/x-ndjson")
            .body(line.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let report = json(answer).await;
        assert_eq!(report["accepted"], 1, "{report}");
    }

    /// Sends bytes to the public listener as they are, which no client library would, and reads to
    /// the end.
    pub(crate) async fn raw(&self, request: &str) -> String {
        String::from_utf8(self.raw_octets(request).await).unwrap()
    }

    /// The same, where the answer may be no text.
    pub(crate) async fn raw_octets(&self, request: &str) -> Vec<u8> {
        let address = self.public.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }
}

/// The configuration of [`TestServer::start`].
pub(crate) fn config() -> Config {
    let text = format!(
        r#"
        strict_issuers = true
        [[token]]
        name = "operator"
        sha256 = "{}"
        scopes = ["admin"]
        [[token]]
        name = "issuance"
        sha256 = "{}"
        scopes = ["ingest"]
        [[ca]]
        name = "example"
        issuers = ["aYhba4dGQEHhs3uEe6CuLN4ByNQ"]
        "#,
        sha256_hex(ADMIN.as_bytes()),
        sha256_hex(INGEST.as_bytes())
    );
    Config::parse(&text).unwrap()
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, octet| format!("{text}{octet:02x}"))
}

/// The answer's JSON.
pub(crate) async fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn free_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn until_dropped(mut running: watch::Receiver<()>) {
    while running.changed().await.is_ok() {}
}
