//! Replicas that share a real PostgreSQL, while it or one of them is stopped, killed, cut off and
//! exchanged; and SQLite on a disk that fails.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offpeak::engine::clock::{Clock as _, SystemClock};
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use crate::database_server::DatabaseServer;
use crate::process::{Api, Server, offpeak};
use crate::tools::run;
use crate::wire::Wire;

mod database;
mod disk;
mod duties;
mod hints;
mod many;
mod replicas;
mod resolver;
mod servers;
mod starts;
mod upgrades;

/// A step that takes longer than this hangs: the slowest, a write that a frozen database has
/// swallowed, is given up after some seconds.
const HANGS_AFTER: Duration = Duration::from_secs(90);
const LIFE_SECONDS: i64 = 90 * 86_400;

/// A CertID of one issuer.
fn cert_id(n: u32) -> String {
    let serial = [&[0x11], n.to_be_bytes().as_slice()].concat();
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode([0xb7; 20]),
        URL_SAFE_NO_PAD.encode(serial)
    )
}

/// The certificates as a body, issued at `now`.
fn body(numbers: impl IntoIterator<Item = u32>, now: i64) -> String {
    numbers.into_iter().fold(String::new(), |text, n| {
        let line = json!({
            "certId": cert_id(n), "notBefore": now, "notAfter": now + LIFE_SECONDS - 1,
        });
        format!("{text}{line}\n")
    })
}

fn now() -> i64 {
    SystemClock.now().unix()
}

/// Registers these; all have to be new.
async fn register(api: &Api, numbers: std::ops::Range<u32>) {
    let many = numbers.len();
    let report = api
        .post_ndjson("/v1/certificates", body(numbers, now()))
        .await
        .unwrap();
    assert_eq!(report["accepted"], many, "{report}");
}

/// The answer for a certificate, which has to be there: its `ETag` and its bytes.
async fn answer(api: &Api, n: u32) -> (String, String) {
    let answer = within(api.get(&format!("/renewal-info/{}", cert_id(n)))).await;
    assert_eq!(answer.status(), 200, "certificate {n}");
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    (tag, answer.text().await.unwrap())
}

/// What `/readyz` says: its status, and what is degraded.
async fn readiness(api: &Api) -> (u16, Vec<Value>) {
    let answer = within(api.admin_get("/readyz")).await;
    let status = answer.status().as_u16();
    let said: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (status, said["degraded"].as_array().unwrap().clone())
}

/// Waits for this, and fails where it hangs.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS_AFTER, work)
        .await
        .expect("it hangs")
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + HANGS_AFTER;
    while !is_so().await {
        assert!(Instant::now() < deadline, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
