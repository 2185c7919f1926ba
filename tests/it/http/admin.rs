//! The admin listener: tokens, health, metrics.

use offpeak::config::Scope;
use offpeak::domain::time::DAY;
use offpeak::http;
use reqwest::{Method, StatusCode};

use crate::server::{ADMIN, INGEST, NOW, TestServer, json};

const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

#[tokio::test]
async fn every_route_asks_for_its_scope() {
    // Of one server a place is told of ten wrong tokens alone.
    let mut server = TestServer::start().await;
    for (number, route) in http::ADMIN.iter().enumerate() {
        if number % 10 == 0 {
            server = TestServer::start().await;
        }
        let method: Method = route.method.parse().unwrap();
        let path = route.path.replace("{certid}", RFC);
        let ask = |authorization: Option<String>| {
            let request = server.ask_admin(method.clone(), &path);
            match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            }
        };
        let bearer = |token: &str| Some(format!("Bearer {token}"));
        let none = ask(None).send().await.unwrap();
        let Some(scope) = route.scope else {
            assert_ne!(none.status(), StatusCode::UNAUTHORIZED, "{path}");
            continue;
        };
        let wrong = ask(bearer("wrong")).send().await.unwrap();
        for refused in [none, wrong] {
            assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(refused.headers()["www-authenticate"], "Bearer");
            assert_eq!(
                refused.headers()["content-type"],
                "application/problem+json"
            );
        }
        let ingest = ask(bearer(INGEST)).send().await.unwrap();
        let lacking = match scope {
            Scope::Admin => Some(r#"lacks the scope \"admin\""#),
            Scope::Export => Some(r#"lacks the scope \"export\""#),
            Scope::Ingest => None,
        };
        if let Some(lacking) = lacking {
            assert_eq!(ingest.status(), StatusCode::FORBIDDEN, "{path}");
            let detail = json(ingest).await["detail"].to_string();
            assert!(detail.contains(lacking), "{detail}");
        } else {
            assert_ne!(ingest.status(), StatusCode::FORBIDDEN, "{path}");
        }
        let admin = ask(bearer(ADMIN)).send().await.unwrap();
        assert_ne!(admin.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_ne!(admin.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn the_public_listener_has_none_of_it() {
    let server = TestServer::start().await;
    for route in http::ADMIN {
        let path = route.path.replace("{certid}", RFC);
        let answer = server
            .ask(route.method.parse().unwrap(), &path)
            .bearer_auth(ADMIN)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_large_body_without_a_token_is_refused_legibly() {
    let server = TestServer::start().await;
    // More than the sockets' buffers hold, so that the server cannot just swallow it.
    let body = vec![b'x'; 32 << 20];
    let answer = server
        .ask_admin(Method::POST, "/v1/certificates")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(json(answer).await["status"], 401);
}

#[tokio::test]
async fn metrics_name_routes_and_never_certificates() {
    let server = TestServer::start().await;
    // A certificate of this test alone: the process's metrics are shared by all tests.
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.TWV0cmljcw";
    server.register(id, NOW, NOW + (90 * DAY - 1)).await;
    server.get(&format!("/renewal-info/{id}")).await;
    server.get("/renewal-info/TWV0cmljcw/x").await;
    server.get("/TWV0cmljcw").await;
    server
        .ask("TWV0cmljcw".parse().unwrap(), "/directory")
        .send()
        .await
        .unwrap();
    let answer = server.ask_admin(Method::GET, "/metrics").send().await;
    let answer = answer.unwrap();
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text().await.unwrap();
    for (route, method, status) in [
        ("/renewal-info/{certid}", "GET", 200),
        ("/renewal-info/{certid}", "GET", 400),
        ("/v1/certificates", "POST", 200),
        ("none", "GET", 404),
        ("/directory", "other", 405),
    ] {
        let labels = format!(r#"route="{route}",method="{method}",status="{status}""#);
        for name in [
            "offpeak_http_requests_total",
            "offpeak_http_request_duration_seconds_bucket",
        ] {
            let found = text
                .lines()
                .any(|line| line.starts_with(name) && line.contains(&labels));
            assert!(found, "{name} {labels}\n{text}");
        }
    }
    assert!(!text.contains("TWV0cmljcw"), "a client's word in a label");
}

#[tokio::test]
async fn guesses_of_tokens_are_turned_away_and_the_right_one_is_taken() {
    let server = TestServer::start().await;
    let path = "/v1/certificates";
    for guess in 0..12 {
        let request = server.ask_admin(Method::GET, path);
        let answer = request.bearer_auth(format!("guess {guess}")).send().await;
        let answer = answer.unwrap();
        if guess < 10 {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{guess}");
        } else {
            assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{guess}");
            assert_eq!(answer.headers()["retry-after"], "60");
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
        }
        // Whoever has the right one is never kept out by others from the same place.
        let right = server.as_admin(Method::GET, path).send().await.unwrap();
        assert_eq!(right.status(), StatusCode::OK, "{guess}");
    }
    // To send none is no guess.
    let none = server.ask_admin(Method::GET, path).send().await.unwrap();
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
}
