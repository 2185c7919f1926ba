//! `/v1/certificates` and `/v1/observations`.

use offpeak::domain::time::{DAY, Timestamp};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json as value};

use crate::server::{NOW, TestServer, json};

const CERTIFICATES: &str = "/v1/certificates";
const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

async fn post(server: &TestServer, path: &str, content_type: &str, body: &str) -> Response {
    server
        .as_admin(Method::POST, path)
        .header("content-type", content_type)
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
}

/// The CertID with this number as its serial.
fn cert_id(number: u32) -> String {
    use base64::Engine as _;
    let serial = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(number.to_be_bytes());
    format!("aYhba4dGQEHhs3uEe6CuLN4ByNQ.{serial}")
}

fn line(cert_id: &str) -> String {
    let not_after = NOW + (90 * DAY - 1);
    value!({"certId": cert_id, "notBefore": NOW, "notAfter": not_after}).to_string()
}

#[tokio::test]
async fn a_listing_goes_on_where_the_last_one_ended() {
    let server = TestServer::start().await;
    let ids: Vec<String> = (0..1_203).map(cert_id).collect();
    let body: Vec<String> = ids.iter().map(|id| line(id)).collect();
    let report = post(
        &server,
        CERTIFICATES,
        "application/x-ndjson",
        &body.join("\n"),
    )
    .await;
    assert_eq!(json(report).await["accepted"], 1_203);
    let mut listed = Vec::new();
    let mut after = String::new();
    // Two pages of rows and a bit, and then the rest.
    for (limit, want) in [(1_001, 1_001), (1_000, 202), (1_000, 0)] {
        let path = format!("{CERTIFICATES}?limit={limit}{after}");
        let answer = server.as_admin(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let text = answer.text().await.unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), want);
        let Some(last) = lines.last() else { continue };
        after = format!("&after={}", last["certId"].as_str().unwrap());
        listed.extend(lines);
    }
    let listed_ids: Vec<&str> = listed
        .iter()
        .map(|line| line["certId"].as_str().unwrap())
        .collect();
    assert_eq!(listed_ids, ids);
    let answer = server.get(&format!("/renewal-info/{}", ids[7])).await;
    assert_eq!(
        listed[7]["suggestedWindow"],
        json(answer).await["suggestedWindow"]
    );
    assert_eq!(listed[7]["notBefore"], value!(NOW));
    assert_eq!(listed[7]["replacedBy"], Value::Null);
}

#[tokio::test]
async fn renewal_is_due_from_a_day_before_the_window_until_replaced_or_expired() {
    let server = TestServer::start().await;
    server.register(RFC, NOW, NOW + (90 * DAY - 1)).await;
    let path = format!("{CERTIFICATES}/{RFC}");
    let asked = async |at: Timestamp| {
        server.clock.set(at);
        let answer = server.as_admin(Method::GET, &path).send().await.unwrap();
        let explained = json(answer).await;
        (
            explained["windowOpen"] == true,
            explained["renewalDue"] == true,
        )
    };
    let id = RFC.parse().unwrap();
    let window = server.engine.renewal_info(&id).await.unwrap().window;
    let expiry = NOW + (90 * DAY - 1);
    for (at, want) in [
        (window.from - (DAY + 1), (false, false)),
        (window.from - DAY, (false, true)),
        (window.from - 1, (false, true)),
        (window.from, (true, true)),
        (window.to - 1, (true, true)),
        (window.to, (false, true)),
        (expiry, (false, true)),
        (expiry + 1, (false, false)),
    ] {
        assert_eq!(asked(at).await, want, "{at}");
    }
    let by = value!({"by": cert_id(9)});
    let replaced = format!("{path}/replaced");
    let set = server.as_admin(Method::POST, &replaced).json(&by).send();
    assert_eq!(set.await.unwrap().status(), StatusCode::OK);
    assert_eq!(asked(window.from).await, (true, false));
}
