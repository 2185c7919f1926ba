//! `/v1/planned`: events that the forecast expects.

use offpeak::domain::ledger::forecast::Outlook;
use offpeak::domain::time::{HOUR, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{NOW, TestServer, config, json};
use crate::support::fresh_sqlite;

async fn announced(server: &TestServer, event: &Value) -> (StatusCode, Value) {
    let request = server.as_admin(Method::POST, "/v1/planned").json(event);
    let answer = request.send().await.unwrap();
    (answer.status(), json(answer).await)
}

/// What is expected in the hour that begins then, in certificates.
async fn expected(server: &TestServer, hour: Timestamp) -> f64 {
    let outlook = server
        .engine
        .outlook(&"example".parse().unwrap())
        .await
        .unwrap();
    let outlook: &Outlook = &outlook.unwrap();
    let slot = outlook
        .slots
        .iter()
        .find(|slot| slot.span.from == hour)
        .unwrap();
    slot.load.unsteered
}

#[tokio::test]
async fn an_event_is_expected_by_every_process_until_it_is_withdrawn() {
    let database = fresh_sqlite();
    let one = TestServer::on(&database.url(), config()).await;
    let other = TestServer::on(&database.url(), config()).await;
    let at_two = NOW + 16 * HOUR;
    let before = expected(&one, at_two).await;
    let event = json!({"name": "move to another cloud", "from": at_two.to_string(),
        "to": (at_two + HOUR).to_string(), "certificates": 30_000});
    let (status, stored) = announced(&one, &event).await;
    assert_eq!(status, StatusCode::CREATED, "{stored}");
    assert_eq!(
        (&stored["ca"], &stored["name"]),
        (&json!("example"), &event["name"])
    );
    let close = |load: f64, more: f64| (load - before - more).abs() < 1e-6;
    assert!(close(expected(&one, at_two).await, 30_000.0));
    assert!(close(expected(&one, at_two + HOUR).await, 0.0));
    // What `Engine::run` does each ten seconds.
    other.engine.read_planned().await.unwrap();
    assert!(close(expected(&other, at_two).await, 30_000.0));
    let third = TestServer::on(&database.url(), config()).await;
    assert!(close(expected(&third, at_two).await, 30_000.0));
    let listed = other
        .as_admin(Method::GET, "/v1/planned")
        .send()
        .await
        .unwrap();
    assert_eq!(json(listed).await, json!({"planned": [stored]}));
    let path = format!("/v1/planned/{}", stored["id"]);
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        let answer = one.as_admin(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert!(close(expected(&one, at_two).await, 0.0));
}

#[tokio::test]
async fn an_event_that_cannot_be_is_refused_by_its_field() {
    let server = TestServer::start().await;
    let event = json!({"from": (NOW + HOUR).to_string(), "to": (NOW + 2 * HOUR).to_string(),
        "certificates": 1});
    for (field, value, status, detail) in [
        (
            "to",
            json!((NOW + HOUR).to_string()),
            400,
            "to: it is not after from",
        ),
        ("from", json!("soon"), 400, "from: \"soon\" is no time"),
        (
            "certificates",
            json!(0),
            400,
            "certificates: it is not more than 0",
        ),
        (
            "name",
            json!("x".repeat(201)),
            400,
            "name: it has more than 200",
        ),
        ("count", json!(1), 400, "unknown field `count`"),
        ("ca", json!("nobody"), 404, "no CA is named"),
    ] {
        let mut wrong = event.clone();
        wrong[field] = value;
        let (got, problem) = announced(&server, &wrong).await;
        let said = problem["detail"].as_str().unwrap();
        assert!(
            got.as_u16() == status && said.contains(detail),
            "{field}: {problem}"
        );
    }
    let over = json!({"from": 1, "to": 2, "certificates": 1});
    let (status, problem) = announced(&server, &over).await;
    assert!(
        status == 400
            && problem["detail"]
                .as_str()
                .unwrap()
                .contains("next 400 days")
    );
}
