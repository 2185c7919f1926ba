//! What is told says until when it holds, so that nobody keeps it for longer.

use offpeak::domain::time::{DAY, Timestamp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::server::{NOW, TestServer, json};

/// The RFC's certificate.
const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

#[tokio::test]
async fn an_answer_says_until_when_it_is_valid() {
    let server = TestServer::start().await;
    server.register(ID, NOW - DAY, NOW + 89 * DAY).await;
    server.engine.publish().await.unwrap();

    // What is published, and what is drawn from it, holds for as long as that.
    let ranking = json(server.get("/ranking.json").await).await;
    let until = instant(&ranking["validUntil"]);
    assert!(NOW < instant(&ranking["nextUpdate"]) && instant(&ranking["nextUpdate"]) <= until);
    let best_time = json(server.get("/v1/best-time").await).await;
    assert_eq!(instant(&best_time["validUntil"]), until);
    let plan = server.as_admin(Method::POST, "/v1/plan");
    let plan = json(plan.json(&json!({"count": 3})).send().await.unwrap()).await;
    // A server plans over the forecast of this minute.
    assert_eq!(instant(&plan["generatedAt"]), NOW);

    // What is made anew all the time says how often, and each answer for how long it may be kept.
    let forecast = json(server.get("/v1/forecast").await).await;
    assert_eq!(forecast["revisedEverySeconds"], 60);
    for path in [
        "/ranking.json",
        "/",
        "/v1/forecast",
        "/v1/live",
        "/v1/status",
        "/feed.atom",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(kept_seconds(&answer) > 0, "{path}: {:?}", answer.headers());
    }
    let drawn = server.get("/v1/best-time").await;
    assert!(
        header(&drawn, "cache-control").contains("no-store"),
        "another draw for everybody"
    );

    // A window ends, and says when to ask again.
    let window = server.get(&format!("/renewal-info/{ID}")).await;
    assert!(kept_seconds(&window) > 0);
    assert!(header(&window, "retry-after").parse::<u32>().unwrap() > 0);
    let window = json(window).await;
    assert!(instant(&window["suggestedWindow"]["end"]) <= NOW + 89 * DAY);
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

/// For how many seconds whoever asked may keep the answer.
fn kept_seconds(answer: &Response) -> u32 {
    let control = header(answer, "cache-control");
    let age = control
        .split(", ")
        .find_map(|part| part.strip_prefix("max-age="));
    age.unwrap_or("0").parse().unwrap()
}
