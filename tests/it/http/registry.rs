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
async fn certificates_come_in_and_the_report_says_what_became_of_each() {
    let server = TestServer::start().await;
    let body = format!("{}\n{{\"certId\":7}}\n\n{}\n", line(RFC), line(RFC));
    let answer = post(&server, CERTIFICATES, "application/x-ndjson", &body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let report = json(answer).await;
    assert_eq!(
        [
            &report["accepted"],
            &report["unchanged"],
            &report["rejected"]
        ],
        [1, 1, 1],
        "{report}"
    );
    assert_eq!(report["errors"][0]["line"], 2);
    assert_eq!(report["errors"][0]["field"], "certId");
    let csv = format!(
        "not_after,cert_id,not_before\n{},{},{NOW}\n",
        NOW + 90 * DAY,
        cert_id(1)
    );
    let report = json(post(&server, CERTIFICATES, "text/csv; charset=utf-8", &csv).await).await;
    assert_eq!(report["accepted"], 1, "{report}");
}

#[tokio::test]
async fn an_unknown_format_is_refused_with_those_that_are_taken() {
    let server = TestServer::start().await;
    for path in [CERTIFICATES, "/v1/observations"] {
        for content_type in ["text/plain", ""] {
            let answer = post(&server, path, content_type, "x").await;
            assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
            let detail = json(answer).await["detail"].to_string();
            assert!(
                detail.contains("application/x-ndjson, text/csv"),
                "{detail}"
            );
        }
    }
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
async fn explain_and_remove_know_both_spellings() {
    let server = TestServer::start().await;
    server.register(RFC, NOW, NOW + (90 * DAY - 1)).await;
    let path = format!("{CERTIFICATES}/aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ");
    let answer = server.as_admin(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let explanation = json(answer).await;
    assert_eq!(explanation["certId"], RFC);
    for (name, want) in [
        ("windowOpen", value!(false)),
        ("renewalDue", value!(false)),
        ("replacedBy", Value::Null),
        ("derivationMatches", value!(true)),
    ] {
        assert_eq!(explanation[name], want, "{name}");
    }
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer = server.as_admin(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    let answer = server.as_admin(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
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

#[tokio::test]
async fn a_successor_is_named_once_and_taken_back() {
    let server = TestServer::start().await;
    server.register(RFC, NOW, NOW + (90 * DAY - 1)).await;
    let path = format!("{CERTIFICATES}/{RFC}/replaced");
    let order = value!({"order": "https://ca.example/order/1"});
    let by = value!({"by": cert_id(9)});
    let set = |body: &Value| server.as_admin(Method::POST, &path).json(body).send();
    for _ in 0..2 {
        let answer = set(&order).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(
            json(answer).await,
            value!({"certId": RFC, "replacedBy": order})
        );
    }
    let other = set(&by).await.unwrap();
    assert_eq!(other.status(), StatusCode::CONFLICT);
    assert_eq!(other.headers()["content-type"], "application/problem+json");
    let problem = json(other).await;
    assert_eq!(
        problem["type"],
        "urn:ietf:params:acme:error:alreadyReplaced"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("replaces") && detail.contains("/order/1"),
        "{detail}"
    );
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer = server.as_admin(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(set(&by).await.unwrap().status(), StatusCode::OK);
    let explained = server
        .as_admin(Method::GET, &format!("{CERTIFICATES}/{RFC}"))
        .send()
        .await
        .unwrap();
    assert_eq!(json(explained).await["replacedBy"], by);
    let unknown = format!("{CERTIFICATES}/{}/replaced", cert_id(1));
    let answer = server.as_admin(Method::POST, &unknown).json(&by).send();
    assert_eq!(answer.await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_request_with_a_key_counts_once() {
    let server = TestServer::start().await;
    let observed = |count: u32| {
        value!({"at": NOW, "kind": "attempt", "count": count, "ca": "example"}).to_string()
    };
    let send = |key: &'static str, body: String| {
        server
            .as_admin(Method::POST, "/v1/observations")
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", key)
            .body(body)
            .send()
    };
    let first = json(send("k1", observed(5)).await.unwrap()).await;
    assert_eq!(first["accepted"], 1, "{first}");
    let again = send("k1", observed(5)).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(json(again).await, first);
    let reused = send("k1", observed(6)).await.unwrap();
    assert_eq!(reused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let detail = json(reused).await["detail"].to_string();
    assert!(detail.contains("Idempotency-Key"), "{detail}");
    let other = value!({"at": NOW, "kind": "attempt", "count": 1, "ca": "nobody"});
    let rejected = json(send("k2", other.to_string()).await.unwrap()).await;
    assert_eq!(rejected["rejected"], 1, "{rejected}");
    assert_eq!(rejected["errors"][0]["field"], "ca");
}
