//! `[[crl]]`: what a CA's list says is revoked has its window now.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use offpeak::config::{Config, CrlConfig, CrlPlace};
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use offpeak::notices::revocations::Lists;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use serde_json::Value;

use crate::server::{NOW, TestServer, config, json};
use crate::support::fresh_sqlite;

/// A CA that signs lists.
struct ListingCa {
    issuer: Issuer<'static, KeyPair>,
    key_identifier: String,
    method: KeyIdMethod,
    /// In PEM.
    certificate: String,
}

impl ListingCa {
    fn new(seed: u8) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let method = KeyIdMethod::PreSpecified(vec![seed; 20]);
        params.key_identifier_method = method.clone();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            key_identifier: base64_url(&[seed; 20]),
            method,
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn list(&self, serials: &[u64]) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 11, 20),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 11, 20),
            next_update: date_time_ymd(2026, 11, 27),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: self.method.clone(),
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    fn config(&self, at: CrlPlace) -> Config {
        let mut config = config();
        config.cas[0]
            .issuers
            .push(self.key_identifier.parse().unwrap());
        config.crls = vec![CrlConfig {
            ca: "example".parse().unwrap(),
            at,
            issuer: None,
            explanation_url: Some("https://ca.example/why".to_owned()),
        }];
        config
    }
}

fn base64_url(octets: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

async fn asked(server: &TestServer, id: &str) -> Value {
    json(server.get(&format!("/renewal-info/{id}")).await).await
}

fn start(info: &Value) -> Timestamp {
    let start = info["suggestedWindow"]["start"].as_str().unwrap();
    start.parse().unwrap()
}

#[tokio::test]
async fn what_a_file_lists_is_urgent_and_stays_as_it_is_given() {
    let ca = ListingCa::new(1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("crl.der");
    std::fs::write(&file, ca.list(&[7, 9_999])).unwrap();
    let database = fresh_sqlite();
    let config = ca.config(CrlPlace::File(file));
    let server = TestServer::on(&database.url(), config).await;
    let (good, revoked) = (
        format!("{}.Bg", ca.key_identifier),
        format!("{}.Bw", ca.key_identifier),
    );
    for id in [&good, &revoked] {
        server.register(id, NOW - DAY, NOW + 89 * DAY).await;
    }
    let before = asked(&server, &good).await;
    Lists::default().look(&server.engine).await;
    let info = asked(&server, &revoked).await;
    assert_eq!(info["explanationURL"], "https://ca.example/why");
    assert!(start(&info) >= NOW - HOUR && start(&info) < NOW, "{info}");
    assert_eq!(asked(&server, &good).await, before);
    // Another start reads the list again, and nothing changes: one incident, one window.
    Lists::default().look(&server.engine).await;
    let incidents = server.engine.store().incidents().await.unwrap();
    assert_eq!(incidents.len(), 1);
    server.clock.set(NOW + DAY);
    Lists::default().look(&server.engine).await;
    assert_eq!(server.engine.store().incidents().await.unwrap().len(), 1);
    let would_be_urgent = server.engine.would_be_urgent();
    assert!(!would_be_urgent(&revoked.parse().unwrap()));
    assert!(would_be_urgent(&good.parse().unwrap()));
    assert!(!would_be_urgent(
        &format!("{}.CQ", ca.key_identifier).parse().unwrap()
    ));
    assert_eq!(start(&asked(&server, &revoked).await), start(&info));
}

#[tokio::test]
async fn with_its_issuer_named_only_a_list_that_it_signed_counts() {
    let ca = ListingCa::new(1);
    let folder = tempfile::tempdir().unwrap();
    let [list, issuer] = ["crl.der", "ca.pem"].map(|name| folder.path().join(name));
    std::fs::write(&issuer, &ca.certificate).unwrap();
    // It calls itself the same, and has another key.
    std::fs::write(&list, ListingCa::new(1).list(&[7])).unwrap();
    let mut config = ca.config(CrlPlace::File(list.clone()));
    config.crls[0].issuer = Some(issuer);
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config).await;
    let revoked = format!("{}.Bw", ca.key_identifier);
    server.register(&revoked, NOW - DAY, NOW + 89 * DAY).await;
    let before = asked(&server, &revoked).await;
    Lists::default().look(&server.engine).await;
    assert_eq!(asked(&server, &revoked).await, before);
    std::fs::write(&list, ca.list(&[7])).unwrap();
    Lists::default().look(&server.engine).await;
    assert!(start(&asked(&server, &revoked).await) < NOW);
}

#[tokio::test]
async fn a_url_is_asked_on_condition_and_another_ca_s_list_counts_for_nothing() {
    let ca = ListingCa::new(1);
    let other = ListingCa::new(2);
    let body = Arc::new(Mutex::new(other.list(&[7])));
    let conditional = Arc::new(AtomicUsize::new(0));
    let (current, seen) = (Arc::clone(&body), Arc::clone(&conditional));
    let answer = get(async move |headers: HeaderMap| {
        let octets = current.lock().unwrap().clone();
        let tag = format!("\"{}\"", octets.len());
        if headers
            .get("if-none-match")
            .is_some_and(|known| *known == *tag)
        {
            seen.fetch_add(1, Ordering::Relaxed);
            return StatusCode::NOT_MODIFIED.into_response();
        }
        ([("etag", tag)], octets).into_response()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/crl", listener.local_addr().unwrap());
    let router = Router::new().route("/crl", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let database = fresh_sqlite();
    let config = ca.config(CrlPlace::Url(url));
    let server = TestServer::on(&database.url(), config).await;
    let revoked = format!("{}.Bw", ca.key_identifier);
    server.register(&revoked, NOW - DAY, NOW + 89 * DAY).await;
    let before = asked(&server, &revoked).await;
    let mut lists = Lists::default();
    lists.look(&server.engine).await;
    assert_eq!(asked(&server, &revoked).await, before);
    assert_eq!(server.engine.store().incidents().await.unwrap(), []);
    // It is not due again until a minute later.
    *body.lock().unwrap() = ca.list(&[7, 8, 9]);
    lists.look(&server.engine).await;
    assert_eq!(asked(&server, &revoked).await, before);
    later(Duration::from_secs(61)).await;
    lists.look(&server.engine).await;
    assert!(start(&asked(&server, &revoked).await) < NOW);
    assert_eq!(conditional.load(Ordering::Relaxed), 0);
    // What is as it was is not sent again.
    later(Duration::from_hours(1)).await;
    lists.look(&server.engine).await;
    assert_eq!(conditional.load(Ordering::Relaxed), 1);
}

/// Moves the time by which requests are due, which is not the clock's.
async fn later(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}
