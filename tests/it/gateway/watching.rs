//! Revocations and outages that the gateway sees.

use instant_acme::{NewOrder, RevocationRequest};
use serde_json::{Value, json};
use sqlx::Connection as _;
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
    // An operator in a hurry sends nothing with it.
    let bare = front.server.api.admin_post(&path).await;
    assert_eq!(bare.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_opened_and_closed_by_itself() {
    let Some(mut pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "outage_after = \"1s\"\n");
    assert_eq!(ask(&front).await, 200);
    pebble.kill();
    let open = outage(&front, "open").await;
    assert_eq!(open["name"], "outage seen by the gateway acme", "{open}");
    pebble.revive();
    let closed = outage(&front, "closed").await;
    assert_eq!(closed["id"], open["id"]);
}

/// Also by the next process, which nobody asks for anything.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_outlasts_the_gateway_is_closed_by_the_next() {
    let Some(mut pebble) = Pebble::start() else {
        return;
    };
    let mut front = Front::of(&pebble, "outage_after = \"1s\"\n");
    assert_eq!(ask(&front).await, 200);
    pebble.kill();
    let open = outage(&front, "open").await;
    front.server.kill();
    front.restart();
    assert_eq!(ask(&front).await, 503);
    assert_eq!(outage(&front, "open").await["id"], open["id"]);
    pebble.revive();
    let closed = until(async || incident(&front, "closed").await).await;
    assert_eq!(closed["id"], open["id"]);
    assert_eq!(incident(&front, "open").await, None);
}

/// Else anybody could make a CA look down.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_signed_is_no_attempt() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let mut front = Front::of(&pebble, "");
    let account = front.account().await;
    let identifiers = json!([{"type": "dns", "value": "a.example"}]);
    for of in ["https://nobody.example/1", account.id()] {
        let payload = json!({ "identifiers": identifiers });
        assert_eq!(front.forged(of, &payload).await.status(), 400, "{of}");
    }
    issue(&account, &NewOrder::new(&dns(&["a.example"]))).await;
    // Whose account it is, counts.
    let names = dns(&["a*.example"]);
    let refused = account.new_order(&NewOrder::new(&names)).await;
    assert!(refused.is_err());
    // A process that ends hands in what it has counted.
    front.server.signal("TERM");
    front.server.ended();
    let database = front.folder.path().join("offpeak.db");
    let url = format!("sqlite:{}", database.display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "SELECT kind, sum(count) FROM observations WHERE kind IN ('attempt', 'failed')
         GROUP BY kind ORDER BY kind",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let want = [("attempt".to_owned(), 2), ("failed".to_owned(), 1)];
    assert_eq!(counted, want);
}

async fn ask(front: &Front) -> reqwest::StatusCode {
    let asked = front.http.get(&front.directory).send().await;
    asked.unwrap().status()
}

/// Waits for an outage in this state, while clients come.
async fn outage(front: &Front, state: &str) -> Value {
    until(async || {
        ask(front).await;
        incident(front, state).await
    })
    .await
}

/// The outage in this state.
async fn incident(front: &Front, state: &str) -> Option<Value> {
    let answer = front.server.api.admin_get("/v1/incidents").await;
    let all: Value = answer.json().await.unwrap();
    let all = all
        .as_array()
        .or_else(|| all["incidents"].as_array())?
        .clone();
    all.into_iter()
        .find(|incident| incident["kind"] == "outage" && incident["state"] == state)
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
