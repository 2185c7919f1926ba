//! Problem documents: what every one of them tells.

use reqwest::{Method, RequestBuilder, StatusCode};

use crate::server::{TestServer, json};

const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/// "your software should surface error details": the limit, the current value, and what to do.
#[tokio::test]
async fn problems_name_the_limit_the_value_and_what_to_do() {
    let server = TestServer::start().await;
    let replaced = format!("/v1/certificates/{RFC}/replaced");
    let post = |path: &str| server.as_admin(Method::POST, path);
    let ndjson = "application/x-ndjson";
    let requests: Vec<(RequestBuilder, u16, u64, u64, &str)> = vec![
        // A body.
        (
            post(&replaced)
                .header("content-type", "application/json")
                .body(" ".repeat(70_000)),
            413,
            65_536,
            70_000,
            "send one JSON object",
        ),
        // A part of a body.
        (
            post(&replaced).json(&serde_json::json!({"order": "x".repeat(2_001)})),
            400,
            2_000,
            2_001,
            "give the order's URL",
        ),
        // A batch.
        (
            server.as_admin(Method::GET, "/v1/certificates?limit=20000"),
            400,
            10_000,
            20_000,
            "ask for fewer",
        ),
        // A header.
        (
            post("/v1/observations")
                .header("content-type", ndjson)
                .header("idempotency-key", "k".repeat(300)),
            400,
            255,
            300,
            "send a UUID",
        ),
    ];
    for (request, status, limit, current, remedy) in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{remedy}");
        let problem = json(answer).await;
        assert_eq!(problem["limit"], limit, "{problem}");
        assert_eq!(problem["current"], current, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        for part in [remedy, &limit.to_string(), &current.to_string()] {
            assert!(detail.contains(part), "{detail}");
        }
    }
    // A line of a bulk body is bounded too; it is rejected by the report, and the rest is taken.
    let long = format!("{{\"certId\":\"{}\"}}\n", "x".repeat(4 << 20));
    let answer = post("/v1/certificates")
        .header("content-type", ndjson)
        .body(long)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let report = json(answer).await;
    assert_eq!(report["rejected"], 1);
    let detail = report["errors"][0]["detail"].as_str().unwrap();
    assert!(
        detail.chars().any(|letter| letter.is_ascii_digit()),
        "{detail}"
    );
}

/// "clients should always reveal the details of a problem document": so there is always one to
/// reveal, written for people, under a type that stays.
#[tokio::test]
async fn every_error_has_a_stable_type_and_words_for_people() {
    let server = TestServer::start().await;
    let malformed = "urn:ietf:params:acme:error:malformed";
    let requests: Vec<(RequestBuilder, u16, &str)> = vec![
        (server.ask(Method::GET, "/renewal-info/x"), 400, malformed),
        (
            server.ask(Method::GET, &format!("/renewal-info/{RFC}")),
            404,
            malformed,
        ),
        (
            server.ask(Method::PUT, &format!("/renewal-info/{RFC}")),
            405,
            malformed,
        ),
        (
            server.ask(Method::GET, &format!("/renewal-info/{}", "A".repeat(999))),
            414,
            malformed,
        ),
        (server.ask(Method::GET, "/nowhere"), 404, "about:blank"),
        (server.ask(Method::POST, "/directory"), 405, "about:blank"),
        (server.ask(Method::GET, "/ranking.json"), 404, "about:blank"),
        (
            server.ask_admin(Method::POST, "/v1/publish"),
            401,
            "about:blank",
        ),
        (
            server
                .ask_admin(Method::POST, "/v1/publish")
                .bearer_auth(crate::server::INGEST),
            403,
            "about:blank",
        ),
        (
            server.as_admin(Method::GET, "/v1/certificates/x"),
            400,
            "about:blank",
        ),
        (
            server.as_admin(Method::GET, "/v1/certificates?what=7"),
            400,
            "about:blank",
        ),
        (
            server.as_admin(Method::GET, &format!("/v1/certificates/{RFC}")),
            404,
            "about:blank",
        ),
        (
            server.as_admin(Method::PUT, "/v1/certificates"),
            405,
            "about:blank",
        ),
        (
            server.as_admin(Method::POST, "/v1/observations").body("x"),
            415,
            "about:blank",
        ),
    ];
    for (request, status, r#type) in requests {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let problem = json(answer).await;
        assert_eq!(problem["type"], r#type, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        let words = detail.split_whitespace().count();
        assert!(words >= 4, "{detail:?} is hardly for people");
    }
}
