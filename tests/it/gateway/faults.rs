//! The upstream dead, hanging, speaking HTML; the store away.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{NewOrder, RevocationRequest};
use reqwest::Response;
use serde_json::{Value, json};

use super::acme::{Front, as_json, dns, first_der, issue};
use super::pebble::Pebble;
use super::watching::until;
use crate::database_server::DatabaseServer;
use crate::wire::Wire;

/// Clients rely on these bytes.
pub(super) const BUSY: &str =
    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#;

/// An ACME server that fails in every way, at a path each.
async fn failing() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let directory = json!({
        "newNonce": format!("{base}/new-nonce"), "newAccount": format!("{base}/new-account"),
        "newOrder": format!("{base}/502"),
    });
    let problem = |status: StatusCode| {
        let body = r#"{"type":"urn:ietf:params:acme:error:serverInternal","detail":"x"}"#;
        (status, [("content-type", "application/problem+json")], body).into_response()
    };
    let html = |status: StatusCode| {
        (status, [("content-type", "text/html")], "<h1>oh</h1>").into_response()
    };
    let router = Router::new()
        .route("/directory", get(async move || as_json(&directory)))
        .route(
            "/500-html",
            any(async move || html(StatusCode::INTERNAL_SERVER_ERROR)),
        )
        .route(
            "/500-problem",
            any(async move || problem(StatusCode::INTERNAL_SERVER_ERROR)),
        )
        .route("/502", any(async move || problem(StatusCode::BAD_GATEWAY)))
        .route(
            "/503-html",
            any(async move || html(StatusCode::SERVICE_UNAVAILABLE)),
        )
        .route("/504", any(async move || html(StatusCode::GATEWAY_TIMEOUT)))
        .route("/200-html", any(async move || html(StatusCode::OK)))
        .route(
            "/hang",
            any(async || std::future::pending::<StatusCode>().await),
        )
        .route(
            "/half",
            any(async || {
                let headers = [
                    ("content-type", "application/json"),
                    ("content-length", "100"),
                ];
                (headers, "{")
            }),
        )
        .route(
            "/headers",
            any(async |headers: HeaderMap| {
                let text = |name: &str| {
                    headers
                        .get(name)
                        .map(|value| value.to_str().unwrap().to_owned())
                };
                as_json(&json!({
                    "host": text("host"), "proto": text("x-forwarded-proto"),
                    "for": text("x-forwarded-for"), "encoding": text("accept-encoding"),
                    "own": text("x-own"),
                }))
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("{base}/directory")
}

/// A request as a client signs it, with a signature that nobody has to believe.
pub(super) fn signed(url: &str) -> String {
    let payload = json!({ "identifiers": [{ "type": "dns", "value": "a.example" }] });
    signed_with(url, &payload.to_string())
}

fn signed_with(url: &str, payload: &str) -> String {
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = json!({ "alg": "ES256", "kid": "https://ca/1", "nonce": "own-nonce", "url": url });
    json!({
        "protected": encoded(&header.to_string()), "payload": encoded(payload),
        "signature": encoded("s"),
    })
    .to_string()
}

pub(super) async fn post(front: &Front, path: &str) -> Response {
    let body = signed(&front.url(path));
    post_as(front, path, "application/jose+json", body).await
}

pub(super) async fn post_as(front: &Front, path: &str, kind: &str, body: String) -> Response {
    let request = front
        .http
        .post(front.url(path))
        .header("content-type", kind);
    request.body(body).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_fails_is_busy_with_the_request_s_own_nonce() {
    let upstream = failing().await;
    let front = Front::before(&upstream, "upstream_timeout = \"1s\"\n", None);
    for path in [
        "/500-html",
        // What is sent orders something.
        "/500-problem",
        "/502",
        "/503-html",
        "/504",
        "/200-html",
        "/hang",
        "/half",
    ] {
        let answer = post(&front, path).await;
        assert_eq!(answer.status(), 503, "{path}");
        let headers = answer.headers().clone();
        assert_eq!(
            headers["content-type"], "application/problem+json",
            "{path}"
        );
        assert_eq!(headers["replay-nonce"], "own-nonce", "{path}");
        let after: u32 = headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((60..=600).contains(&after), "{path}: {after}");
        assert_eq!(answer.text().await.unwrap(), BUSY, "{path}");
    }
    // One that says what is wrong, of something else and with nothing else wrong, is handed on.
    let asking = signed_with(&front.url("/500-problem"), "");
    let answer = post_as(&front, "/500-problem", "application/jose+json", asking).await;
    assert_eq!(answer.status(), 500);
    // Pages for people go through.
    let answer = front.http.get(front.url("/200-html")).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "<h1>oh</h1>");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstream_sees_the_host_that_the_client_named() {
    let upstream = failing().await;
    let front = Front::before(&upstream, "", None);
    let answer = front
        .http
        .get(front.url("/headers"))
        .header("x-forwarded-for", "203.0.113.9")
        .header("connection", "x-own")
        .header("x-own", "1")
        .send()
        .await
        .unwrap();
    let seen: Value = answer.json().await.unwrap();
    let host = front.url("").trim_start_matches("https://").to_owned();
    assert_eq!(seen["host"], host);
    assert_eq!(seen["proto"], "https");
    assert_eq!(seen["for"], "127.0.0.1");
    assert_eq!(seen["encoding"], Value::Null);
    assert_eq!(seen["own"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_upstream_is_busy_and_one_that_comes_back_is_used() {
    let Some(mut pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    front.account().await;
    pebble.kill();
    let answer = post(&front, "/order-plz").await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["replay-nonce"], "own-nonce");
    assert_eq!(answer.text().await.unwrap(), BUSY);
    pebble.revive();
    let back = front.http.get(&front.directory).send().await.unwrap();
    assert_eq!(back.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_of_the_upstream_s_is_refused() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let Some(other) = Pebble::start() else {
        return;
    };
    let roots = format!("upstream_roots = '{}'\n", other.certificate.display());
    let front = Front::before(&pebble.directory, &roots, None);
    let answer = front.http.get(&front.directory).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    let log = front.server.logged("upstream_failed");
    assert!(log.contains("cannot be reached"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_store_away_the_chain_passes_and_its_window_is_known_at_once() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let mut front = Front::of(&pebble, "");
    let account = front.account().await;
    // Another writer that does not let go: to the store this is a database that does not answer.
    let database = front.folder.path().join("offpeak.db");
    let lock = hold(&database).await;
    let (_, id) = issue(&account, &NewOrder::new(&dns(&["a.example"]))).await;
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    assert_eq!(waiting(&front), 1);
    // As a power failure: nothing but the spool knows of it.
    front.server.kill();
    drop(lock);
    front.restart();
    registered(&front).await;
    let explained = front.explained(&id).await;
    assert_eq!(explained["certId"], id, "{explained}");
    assert_eq!(front.renewal_info(&id).await.0, 200);
}

/// A database that swallows what it is asked: each request waits for it once, and not for long.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_silent_store_orders_go_on_and_are_registered_when_it_is_back() {
    let (Some(pebble), Some(database)) = (Pebble::start(), DatabaseServer::start().await) else {
        return;
    };
    let wire = Wire::to(&database.socket()).await;
    let roots = format!("upstream_roots = '{}'\n", pebble.certificate.display());
    let front = Front::before(&pebble.directory, &roots, Some(&wire.url()));
    let account = front.account().await;
    let names = dns(&["a.example"]);
    let (_, before) = issue(&account, &NewOrder::new(&names)).await;
    // On a busy machine it may have to wait as well.
    registered(&front).await;
    wire.swallow();
    let (chain, id) = issue(&account, &NewOrder::new(&names)).await;
    assert_eq!(front.renewal_info(&id).await.0, 200);
    assert_eq!(front.renewal_info(&before).await.0, 200);
    assert_eq!(waiting(&front), 1);
    wire.heal();
    registered(&front).await;
    assert_eq!(front.explained(&id).await["certId"], id);
    // So is a revocation that comes while it is silent.
    wire.swallow();
    let request = RevocationRequest {
        certificate: &first_der(&chain),
        reason: None,
    };
    account.revoke(&request).await.expect("it is revoked");
    front.server.logged("revocation_waits");
    wire.heal();
    until(async || (front.explained(&id).await["renewalDue"] == true).then_some(())).await;
}

/// Certificates that wait in the spool.
fn waiting(front: &Front) -> usize {
    let spool = front.folder.path().join("spool");
    std::fs::read_dir(spool).unwrap().count()
}

/// Waits until none does: they are registered by themselves.
async fn registered(front: &Front) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while waiting(front) > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "it stays in the spool"
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Holds the write lock of an SQLite database until it is dropped.
async fn hold(database: &std::path::Path) -> sqlx::SqliteConnection {
    use sqlx::Connection as _;
    let url = format!("sqlite:{}", database.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}
