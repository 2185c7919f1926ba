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
