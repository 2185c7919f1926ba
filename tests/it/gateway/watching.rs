//! Revocations and outages that the gateway sees.

use instant_acme::{NewOrder, RevocationRequest};
use serde_json::Value;
use std::time::{Duration, Instant};

use super::acme::{Front, dns, first_der, issue};
use super::pebble::Pebble;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_the_upstream_accepted_makes_the_window_urgent() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let account = front.account().await;
    let (chain, id) = issue(&account, &NewOrder::new(&dns(&["a.example"]))).await;
    let before = front.explained(&id).await;
    assert_eq!(before["renewalDue"], false, "{before}");
    let certificate = first_der(&chain);
    let request = RevocationRequest {
        certificate: &certificate,
        reason: None,
    };
    account.revoke(&request).await.expect("it is revoked");
    let urgent = until(async || {
        let explained = front.explained(&id).await;
        (explained["cause"]["event"] == "incident").then_some(explained)
    })
    .await;
    assert_eq!(urgent["renewalDue"], true, "{urgent}");
    assert_eq!(urgent["cause"]["kind"], "revocation", "{urgent}");
    assert!(text(&urgent["suggestedWindow"]["start"]) < text(&before["suggestedWindow"]["start"]));
    // It stays as it was given, and a second revocation is told of once more without harm.
    let path = format!("/v1/certificates/{id}/revoked");
    let again = front
        .server
        .api
        .send(&path, "application/json", "{}".to_owned())
        .await
        .unwrap();
    assert_eq!(again.status(), 200);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["suggestedWindow"], urgent["suggestedWindow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_opened_and_closed_by_itself() {
    let Some(mut pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "outage_after = \"1s\"\n");
    let ask = async || {
        front
            .http
            .get(&front.directory)
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(ask().await, 200);
    pebble.kill();
    let outage = async |state: &'static str| {
        until(async || {
            ask().await;
            let answer = front.server.api.admin_get("/v1/incidents").await;
            let all: Value = answer.json().await.unwrap();
            let all = all
                .as_array()
                .or_else(|| all["incidents"].as_array())?
                .clone();
            all.into_iter()
                .find(|incident| incident["kind"] == "outage" && incident["state"] == state)
        })
        .await
    };
    let open = outage("open").await;
    assert_eq!(open["name"], "outage seen by the gateway acme", "{open}");
    pebble.revive();
    let closed = outage("closed").await;
    assert_eq!(closed["id"], open["id"]);
}

pub(super) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a time")
}
