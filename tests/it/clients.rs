//! Real ACME clients ask a CA whose directory carries our `renewalInfo`, and compute the CertID
//! from the certificate themselves.

use std::future::Future;
use std::pin::Pin;
use std::process::Command;

use axum::Router;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, head, post};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, BodyWrapper, BytesResponse, CertificateIdentifier, Error, HttpClient, NewAccount,
};
use rcgen::Certificate;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::issuance::TestCa;
use crate::process::{Server, offpeak};
use crate::support::{FreshSqlite, fresh_sqlite};
use crate::tools::{run, tool};

/// Its first bit is set: the DER has a sign octet before it, which is where implementations differ.
const SERIAL: [u8; 16] = [0x87, 0x65, 0x43, 0x21, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const OTHER_SERIAL: [u8; 3] = [0x12, 0x34, 0x56];
const RETRY_AFTER_SECONDS: u32 = 3_600;

#[tokio::test(flavor = "multi_thread")]
async fn certbots_acme_library_reads_our_window() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let scene = PlanningContext::set().await;

    let answer = acme(&python, &scene, &scene.registered);

    let (start, end) = scene.window().await;
    let renew_at = answer["renewAt"].as_f64().expect("a time to renew");
    assert!(start <= renew_at && renew_at <= end, "{answer}");
    let seconds = answer["retryAfterSeconds"].as_f64().expect("a delay");
    assert!(is_retry_after(seconds), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certbots_acme_library_reads_our_problems() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let scene = PlanningContext::set().await;

    let answer = acme(&python, &scene, &scene.unregistered);

    assert_eq!(
        answer["problem"]["type"], "urn:ietf:params:acme:error:malformed",
        "{answer}"
    );
    let detail = answer["problem"]["detail"].as_str().expect("a detail");
    assert!(detail.contains("serial"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instant_acme_reads_our_window() {
    let scene = PlanningContext::set().await;
    let id = CertificateIdentifier::try_from(scene.registered.der()).expect("a CertID");

    let (info, retry_after) = scene
        .account()
        .await
        .renewal_info(&id)
        .await
        .expect("renewal information");

    let (start, end) = scene.window().await;
    assert!((seconds(info.suggested_window.start.unix_timestamp()) - start).abs() < 0.5);
    assert!((seconds(info.suggested_window.end.unix_timestamp()) - end).abs() < 0.5);
    assert_eq!(info.explanation_url, None);
    assert!(is_retry_after(retry_after.as_secs_f64()), "{retry_after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instant_acme_reads_our_problems() {
    let scene = PlanningContext::set().await;
    let id = CertificateIdentifier::try_from(scene.unregistered.der()).expect("a CertID");

    // It looks for Retry-After before it looks at the status.
    let error = scene
        .account()
        .await
        .renewal_info(&id)
        .await
        .expect_err("not registered");

    let Error::Api(problem) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        problem.r#type.as_deref(),
        Some("urn:ietf:params:acme:error:malformed")
    );
    assert_eq!(problem.status, Some(404));
}

/// A CA that has issued two certificates and registered one, and its directory.
struct PlanningContext {
    directory_url: String,
    registered: Certificate,
    unregistered: Certificate,
    server: Server,
    _database: FreshSqlite,
    _config: TempDir,
}

impl PlanningContext {
    async fn set() -> Self {
        let database = fresh_sqlite();
        let config = tempfile::tempdir().expect("a temporary directory");
        let path = config.path().join("offpeak.toml");
        // Not the six hours that clients take where nothing is said.
        let text =
            format!("[[ca]]\nname = \"default\"\nretry_after = \"{RETRY_AFTER_SECONDS}s\"\n");
        std::fs::write(&path, text).expect("the configuration is written");
        let arguments = ["serve", "--database", &database.url(), "--config"];
        let server = Server::start(offpeak().args(arguments).arg(&path));
        let ca = TestCa::new();
        let (registered, _) = ca.issue("registered.example", &SERIAL);
        let (unregistered, _) = ca.issue("unregistered.example", &OTHER_SERIAL);
        let line = json!({ "pem": registered.pem() }).to_string();
        let report = server
            .api
            .post_ndjson("/v1/certificates", line)
            .await
            .expect("a report");
        assert_eq!(report["accepted"], 1, "{report}");
        let fragment = json_of(server.api.get("/directory").await).await;
        Self {
            directory_url: serve_ca(fragment).await,
            registered,
            unregistered,
            server,
            _database: database,
            _config: config,
        }
    }

    /// The window we answer for the registered certificate, in Unix seconds.
    async fn window(&self) -> (f64, f64) {
        let id = CertificateIdentifier::try_from(self.registered.der()).expect("a CertID");
        let response = self.server.api.get(&format!("/renewal-info/{id}")).await;
        let window = json_of(response).await["suggestedWindow"].take();
        (unix(&window["start"]), unix(&window["end"]))
    }

    async fn account(&self) -> Account {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let account = NewAccount {
            contact: &[],
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let (account, _) = Account::builder_with_http(Box::new(PlainHttp(http)))
            .create(&account, self.directory_url.clone(), None)
            .await
            .expect("an account");
        account
    }
}

/// Runs certbot's library on this certificate.
fn acme(python: &std::path::Path, scene: &PlanningContext, certificate: &Certificate) -> Value {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let pem = dir.path().join("certificate.pem");
    std::fs::write(&pem, certificate.pem()).expect("the file is written");
    let printed = run(Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/python/acme_renewal.py"
        ))
        .arg(&scene.directory_url)
        .arg(pem));
    serde_json::from_str(&printed).expect("the script prints JSON")
}

/// Serves the least of a CA that lets clients make an account, with `fragment` merged into its
/// directory; the directory's URL.
async fn serve_ca(fragment: Value) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut directory = json!({
        "newNonce": format!("{base}/new-nonce"),
        "newAccount": format!("{base}/new-account"),
        "newOrder": format!("{base}/new-order"),
        "revokeCert": format!("{base}/revoke-cert"),
        "keyChange": format!("{base}/key-change"),
    });
    let (all, ours) = (directory.as_object_mut(), fragment.as_object());
    all.expect("an object")
        .extend(ours.expect("the fragment is an object").clone());
    let directory_url = format!("{base}/directory");
    let directory = (
        [("content-type", "application/json")],
        directory.to_string(),
    );
    let nonce = [("replay-nonce", "bm9uY2U")];
    let location = [
        ("replay-nonce", "bm9uY2U".to_owned()),
        ("location", format!("{base}/account/1")),
    ];
    let router = Router::new()
        .route("/directory", get(async move || directory))
        .route("/new-nonce", head(async move || nonce))
        .route(
            "/new-account",
            post(async move || (StatusCode::CREATED, location, r#"{"status":"valid"}"#)),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    directory_url
}

/// What carries instant-acme's requests without TLS.
struct PlainHttp(reqwest::Client);

impl HttpClient for PlainHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
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
        })
    }
}

fn other(error: reqwest::Error) -> Error {
    Error::Other(Box::new(error))
}

async fn json_of(response: reqwest::Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    response.json().await.expect("JSON")
}

/// Each answer draws its delay anew, a fifth either way; two of different seconds differ.
fn is_retry_after(seconds: f64) -> bool {
    let base = f64::from(RETRY_AFTER_SECONDS);
    // A client's own clock may count the time that it takes to read the answer.
    (0.8 * base - 1.0..=1.2 * base + 1.0).contains(&seconds)
}

fn unix(time: &Value) -> f64 {
    let time = time.as_str().expect("a time");
    let time = chrono::DateTime::parse_from_rfc3339(time).expect("RFC 3339");
    seconds(time.timestamp())
}

fn seconds(unix: i64) -> f64 {
    f64::from(u32::try_from(unix).expect("between 1970 and 2106"))
}
