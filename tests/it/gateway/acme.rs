//! The gateway as an operator starts it, and instant-acme in front of it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use axum::http::{Request, Response};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, BodyWrapper, BytesResponse, CertificateIdentifier, Error, HttpClient, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::pebble::{Pebble, self_signed};
use crate::process::{Server, offpeak};

/// `offpeak serve` with one gateway, on a database of its own.
pub(super) struct Front {
    pub(super) server: Server,
    /// The URL that clients are given.
    pub(super) directory: String,
    pub(super) http: Client,
    pub(super) folder: TempDir,
}

impl Front {
    /// In front of Pebble, with these lines more in the gateway's block.
    pub(super) fn of(pebble: &Pebble, more: &str) -> Self {
        let roots = format!(
            "upstream_roots = '{}'\n{more}",
            pebble.certificate.display()
        );
        Self::before(&pebble.directory, &roots, None)
    }

    /// In front of this directory; on this database, or on an SQLite file of its own.
    pub(super) fn before(upstream: &str, more: &str, database: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = self_signed(folder.path(), "front");
        let tls = format!(
            "[gateway.tls]\ncertificate = '{}'\nkey = '{}'\n",
            certificate.display(),
            key.display(),
        );
        let http = trusting(&certificate);
        Self::start(folder, http, upstream, &format!("{more}\n{tls}"), database)
    }

    /// The same without TLS, for clients that cannot be told which roots to trust.
    pub(super) fn over_http(upstream: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = Client::builder().no_proxy().build().unwrap();
        Self::start(folder, http, upstream, more, None)
    }

    fn start(
        folder: TempDir,
        http: Client,
        upstream: &str,
        more: &str,
        database: Option<&str>,
    ) -> Self {
        let spool = folder.path().join("spool");
        // Free a moment ago: accounts' URLs name it, so a restart has to listen there again.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let text = format!(
            "shutdown_grace = \"1s\"\n\
             [[gateway]]\nname = \"acme\"\nca = \"default\"\nlisten = \"{port}\"\n\
             upstream = {upstream:?}\nspool = '{}'\n{more}\n",
            spool.display(),
        );
        let path = folder.path().join("offpeak.toml");
        std::fs::write(&path, text).unwrap();
        let own = format!("sqlite:{}", folder.path().join("offpeak.db").display());
        let server = Self::serve(&path, database.unwrap_or(&own));
        Self {
            directory: server.gateway(),
            http,
            server,
            folder,
        }
    }

    /// Starts it once more on the same files and port, after it was killed.
    pub(super) fn restart(&mut self) {
        let database = format!("sqlite:{}", self.folder.path().join("offpeak.db").display());
        self.server = Self::serve(&self.folder.path().join("offpeak.toml"), &database);
        self.directory = self.server.gateway();
    }

    fn serve(config: &Path, database: &str) -> Server {
        let mut command = offpeak();
        command.args(["serve", "--migrate", "--database", database, "--config"]);
        Server::start(command.arg(config))
    }

    /// The certificate that it shows.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("front.pem")
    }

    /// A URL of the gateway's own.
    pub(super) fn url(&self, path: &str) -> String {
        let origin: Vec<&str> = self.directory.splitn(4, '/').take(3).collect();
        format!("{}{path}", origin.join("/"))
    }

    /// A new account.
    pub(super) async fn account(&self) -> Account {
        self.account_of(&[]).await
    }

    /// A new account with these contacts.
    pub(super) async fn account_of(&self, contact: &[&str]) -> Account {
        let new = NewAccount {
            contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        Account::builder_with_http(Box::new(Http(self.http.clone())))
            .create(&new, self.directory.clone(), None)
            .await
            .expect("an account")
            .0
    }

    /// A new order of this account's that nobody has signed.
    pub(super) async fn forged(&self, account: &str, payload: &Value) -> reqwest::Response {
        let directory = self.http.get(&self.directory).send().await.unwrap();
        let directory: Value = directory.json().await.unwrap();
        let url = |name: &str| directory[name].as_str().unwrap().to_owned();
        let nonce = self.http.head(url("newNonce")).send().await.unwrap();
        let nonce = nonce.headers()["replay-nonce"].to_str().unwrap().to_owned();
        let header = json!({
            "alg": "ES256", "kid": account, "nonce": nonce, "url": url("newOrder"),
        });
        let encoded = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let body = json!({
            "protected": encoded(header.to_string().as_bytes()),
            "payload": encoded(payload.to_string().as_bytes()),
            "signature": encoded(&[7; 64]),
        });
        self.http
            .post(url("newOrder"))
            .header("content-type", "application/jose+json")
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    }

    /// What is answered about a certificate: status and JSON.
    pub(super) async fn renewal_info(&self, id: &str) -> (u16, Value) {
        let url = self.url(&format!("/renewal-info/{id}"));
        let answer = self.http.get(url).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap())
    }

    /// How many requests to an endpoint were answered so.
    pub(super) async fn answered(&self, endpoint: &str, status: u16) -> u64 {
        let metrics = self.server.api.admin_get("/metrics").await;
        let metrics = metrics.text().await.unwrap();
        let label = format!(
            "offpeak_gateway_requests_total{{gateway=\"acme\",endpoint=\"{endpoint}\",status=\"{status}\"}} "
        );
        let mut lines = metrics.lines();
        let count = lines.find_map(|line| line.strip_prefix(&label));
        count.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// What the admin listener explains of a certificate.
    pub(super) async fn explained(&self, id: &str) -> Value {
        let path = format!("/v1/certificates/{id}");
        let answer = self.server.api.admin_get(&path).await;
        answer.json().await.unwrap()
    }
}

/// What is explained of a certificate once its successor is a certificate.
pub(super) async fn settled(front: &Front, id: &str) -> Value {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let explained = front.explained(id).await;
        if explained["replacedBy"]["by"].is_string() {
            return explained;
        }
        assert!(std::time::Instant::now() < deadline, "{explained}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Orders a certificate and fetches it: the chain in PEM and its CertID.
pub(super) async fn issue(account: &Account, new: &NewOrder<'_>) -> (String, String) {
    let mut order = account.new_order(new).await.expect("an order");
    finish(&mut order).await
}

/// Passes an order's challenges, finalizes it and fetches its chain.
pub(super) async fn finish(order: &mut Order) -> (String, String) {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        let kind = instant_acme::ChallengeType::Http01;
        // A valid one is reused, and has nothing to pass.
        if authorization.status == instant_acme::AuthorizationStatus::Pending {
            authorization
                .challenge(kind)
                .expect("a challenge")
                .set_ready()
                .await
                .unwrap();
        }
    }
    fetch(order).await
}

/// Finalizes an order whose challenges were answered, and fetches its chain.
pub(super) async fn fetch(order: &mut Order) -> (String, String) {
    let policy = RetryPolicy::default();
    let status = order.poll_ready(&policy).await.unwrap();
    assert_eq!(status, OrderStatus::Ready);
    order.finalize().await.unwrap();
    let chain = order.poll_certificate(&policy).await.unwrap();
    let id = cert_id(&chain);
    (chain, id)
}

/// The CertID of a chain's first certificate, as instant-acme computes it.
pub(super) fn cert_id(chain: &str) -> String {
    let der = first_der(chain);
    CertificateIdentifier::try_from(&der)
        .expect("a CertID")
        .to_string()
}

/// A chain's first certificate.
pub(super) fn first_der(chain: &str) -> tokio_rustls::rustls::pki_types::CertificateDer<'static> {
    use tokio_rustls::rustls::pki_types::CertificateDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate")
}

pub(super) fn dns(names: &[&str]) -> Vec<Identifier> {
    let names = names.iter();
    names
        .map(|name| Identifier::Dns((*name).to_owned()))
        .collect()
}

/// An answer of a server of the tests' own.
pub(super) fn as_json(value: &Value) -> impl IntoResponse + use<> {
    ([("content-type", "application/json")], value.to_string())
}

/// A client that trusts this certificate alone.
pub(super) fn trusting(certificate: &Path) -> Client {
    that_trusts(certificate).build().unwrap()
}

fn that_trusts(certificate: &Path) -> reqwest::ClientBuilder {
    let pem = std::fs::read(certificate).unwrap();
    let root = reqwest::Certificate::from_pem(&pem).unwrap();
    Client::builder().no_proxy().tls_certs_only([root])
}

/// What carries instant-acme's requests.
pub(super) struct Http(pub(super) Client);

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(sent(client, request))
    }
}

/// The same, to another address than the URL's: a replica of the same name.
pub(super) struct Through {
    client: Client,
    /// Its host and port.
    to: String,
}

impl Through {
    /// This replica. By HTTP/1.1, where the host is told apart from the address.
    pub(super) fn replica(front: &Front) -> Self {
        let client = that_trusts(&front.certificate()).http1_only();
        Self {
            client: client.build().unwrap(),
            to: front.directory.split('/').nth(2).unwrap().to_owned(),
        }
    }
}

impl HttpClient for Through {
    fn request(
        &self,
        mut request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let named = request.uri().authority().unwrap().as_str();
        let host = named.parse().unwrap();
        let there = request.uri().to_string().replacen(named, &self.to, 1);
        *request.uri_mut() = there.parse().unwrap();
        request.headers_mut().insert("host", host);
        Box::pin(sent(self.client.clone(), request))
    }
}

async fn sent(
    client: Client,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Error> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await;
    let request = Request::from_parts(parts, body.to_bytes());
    let answer = client.execute(request.try_into().map_err(other)?).await;
    let answer = answer.map_err(other)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    *response.body_mut() = answer.bytes().await.map_err(other)?;
    Ok(response.map(Full::new).into())
}

fn other(error: reqwest::Error) -> Error {
    Error::Other(Box::new(error))
}
