//! Incidents on real databases, over HTTP and over the command line.

use std::fmt::Write as _;

use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::server::{NOW, TestServer};

mod command;
mod crash;
mod hearing;
mod life;
mod replicas;
mod time_closed;

const URL: &str = "https://ca.example/why";

fn certid(n: u64) -> CertId {
    let issuer: KeyIdentifier = "aYhba4dGQEHhs3uEe6CuLN4ByNQ".parse().unwrap();
    CertId {
        key_identifier: issuer,
        serial: Serial::new(&[&[0x40], n.to_be_bytes().as_slice()].concat()).unwrap(),
    }
}

/// Registers certificates of 90 days that were issued one after the other over the last 50 days.
async fn register(server: &TestServer, numbers: std::ops::Range<u64>) {
    let count = i64::try_from(numbers.end - numbers.start).unwrap();
    let mut body = String::new();
    for (n, at) in numbers.zip(0..) {
        let not_before = NOW - 50 * DAY + at * 50 * DAY / count;
        let line = json!({
            "certId": certid(n), "notBefore": not_before, "notAfter": not_before + (90 * DAY - 1),
        });
        writeln!(body, "{line}").unwrap();
    }
    let report = answer(bulk(server, "/v1/certificates", body).await, 200).await;
    assert_eq!(report["accepted"], count, "{report}");
}

/// Names certificates to an incident, as NDJSON.
async fn load(server: &TestServer, incident: &Value, numbers: std::ops::Range<u64>) -> Value {
    let mut body = String::new();
    for n in numbers {
        writeln!(body, "{}", json!({ "certId": certid(n) })).unwrap();
    }
    let path = format!("/v1/incidents/{}/certificates", incident["id"]);
    answer(bulk(server, &path, body).await, 200).await
}

async fn bulk(server: &TestServer, path: &str, body: String) -> Response {
    server
        .as_admin(Method::POST, path)
        .header("content-type", "application/x-ndjson")
        .body(body)
        .send()
        .await
        .unwrap()
}

/// Drafts an incident of the CA `example`; anything but 201 fails.
async fn draft(server: &TestServer, mut members: Value) -> Value {
    members["ca"] = json!("example");
    members["name"] = json!("a test");
    let drafted = send(server, Method::POST, "/v1/incidents", &members).await;
    answer(drafted, 201).await
}

/// A revocation of these certificates that is drafted and loaded.
async fn revocation(server: &TestServer, numbers: std::ops::Range<u64>) -> Value {
    let members = json!({
        "kind": "revocation", "renewBy": NOW + DAY, "explanationURL": URL,
    });
    let incident = draft(server, members).await;
    let count = numbers.end - numbers.start;
    let report = load(server, &incident, numbers).await;
    assert_eq!(report["accepted"], count, "{report}");
    incident
}

async fn patch(server: &TestServer, incident: &Value, members: Value) -> Response {
    let path = format!("/v1/incidents/{}", incident["id"]);
    send(server, Method::PATCH, &path, &members).await
}

/// Opens an incident; anything but 200 fails.
async fn open(server: &TestServer, incident: &Value) -> Value {
    answer(
        patch(server, incident, json!({ "state": "open" })).await,
        200,
    )
    .await
}

async fn show(server: &TestServer, incident: &Value) -> Value {
    let path = format!("/v1/incidents/{}", incident["id"]);
    let shown = server.as_admin(Method::GET, &path).send().await.unwrap();
    answer(shown, 200).await
}

async fn send(server: &TestServer, method: Method, path: &str, members: &Value) -> Response {
    server
        .as_admin(method, path)
        .header("content-type", "application/json")
        .body(members.to_string())
        .send()
        .await
        .unwrap()
}

async fn answer(response: Response, status: u16) -> Value {
    let got = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn window(server: &TestServer, n: u64) -> Span {
    server.engine.renewal_info(&certid(n)).await.unwrap().window
}

async fn windows(server: &TestServer, numbers: std::ops::Range<u64>) -> Vec<Span> {
    let mut windows = Vec::new();
    for n in numbers {
        windows.push(window(server, n).await);
    }
    windows
}

/// When the windows start, by the hour.
fn starts(windows: &[Span]) -> std::collections::BTreeMap<i64, u64> {
    let mut hours = std::collections::BTreeMap::new();
    for window in windows {
        *hours.entry(window.from.slot(HOUR)).or_default() += 1;
    }
    hours
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}
