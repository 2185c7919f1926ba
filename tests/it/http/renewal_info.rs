//! `/renewal-info/{certid}`: RFC 9773 and the contract, over the wire.

use offpeak::domain::time::{DAY, HOUR, Timestamp};
use reqwest::{Method, Response, StatusCode};

use crate::server::{NOW, TestServer, config, json};

const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
/// The same certificate as clients spell it that drop the sign octet.
const RFC_WITHOUT_SIGN: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ";

async fn with_one() -> TestServer {
    let server = TestServer::start().await;
    server.register(RFC, NOW, NOW + (90 * DAY - 1)).await;
    server
}

fn path(cert_id: &str) -> String {
    format!("/renewal-info/{cert_id}")
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
        .to_str()
        .unwrap()
}

/// What every answer here has, whatever it says.
fn assert_equipped(answer: &Response) {
    let retry_after: u32 = header(answer, "retry-after").parse().unwrap();
    assert!((60..=86_400).contains(&retry_after), "{retry_after}");
    assert_eq!(header(answer, "access-control-allow-origin"), "*");
    assert_eq!(
        header(answer, "access-control-expose-headers"),
        "ETag, Retry-After"
    );
    assert!(header(answer, "server").starts_with("offpeak/"));
}

#[tokio::test]
async fn a_registered_certificate_has_its_window_at_once() {
    let server = with_one().await;
    let answer = server.get(&path(RFC)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_equipped(&answer);
    assert_eq!(header(&answer, "content-type"), "application/json");
    let retry_after: u32 = header(&answer, "retry-after").parse().unwrap();
    assert_eq!(
        header(&answer, "cache-control"),
        format!("public, max-age={}", (retry_after / 10).min(300))
    );
    let version = server.engine.version();
    assert_eq!(header(&answer, "server"), format!("offpeak/{version}"));
    let text = answer.text().await.unwrap();
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["suggestedWindow"]);
    let window = &body["suggestedWindow"];
    let time = |name: &str| -> Timestamp { window[name].as_str().unwrap().parse().unwrap() };
    assert!(NOW < time("start") && time("start") < time("end"));
    assert!(time("end") < NOW + 90 * DAY);
    assert_eq!(
        text,
        format!(
            r#"{{"suggestedWindow":{{"start":"{}","end":"{}"}}}}"#,
            time("start"),
            time("end")
        )
    );
}

#[tokio::test]
async fn the_answer_is_the_same_under_both_spellings_and_any_query_string() {
    let server = with_one().await;
    let body = server.get(&path(RFC)).await.text().await.unwrap();
    for other in [
        path(RFC_WITHOUT_SIGN),
        format!("{}?", path(RFC)),
        format!("{}?after=7&%zz", path(RFC)),
    ] {
        let answer = server.get(&other).await;
        assert_eq!(answer.status(), StatusCode::OK, "{other}");
        assert_eq!(answer.text().await.unwrap(), body, "{other}");
    }
}

#[tokio::test]
async fn head_says_what_get_would() {
    let server = with_one().await;
    let get = server.get(&path(RFC)).await;
    let head = server.ask(Method::HEAD, &path(RFC)).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_equipped(&head);
    for name in ["content-length", "content-type", "etag"] {
        assert_eq!(header(&head, name), header(&get, name), "{name}");
    }
    assert_ne!(header(&head, "content-length"), "0");
    let unknown = path("aYhba4dGQEHhs3uEe6CuLN4ByNQ.Aw");
    let get = server.get(&unknown).await;
    let head = server.ask(Method::HEAD, &unknown).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert_equipped(&head);
    assert_eq!(
        header(&head, "content-length"),
        header(&get, "content-length")
    );
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let server = with_one().await;
    let first = server.get(&path(RFC)).await;
    let etag = header(&first, "etag").to_owned();
    assert!(etag.starts_with('"'), "{etag} is weak");
    for condition in [etag.clone(), format!("W/{etag}"), "*".to_owned()] {
        let answer = server
            .ask(Method::GET, &path(RFC))
            .header("if-none-match", condition)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
        assert_equipped(&answer);
        assert_eq!(header(&answer, "etag"), etag);
        assert!(header(&answer, "cache-control").starts_with("public, max-age="));
        assert!(answer.text().await.unwrap().is_empty());
    }
    let other = server
        .ask(Method::GET, &path(RFC))
        .header("if-none-match", "\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_preflight_gets_leave() {
    let server = with_one().await;
    let answer = server
        .ask(Method::OPTIONS, &path(RFC))
        .header("origin", "https://example.org")
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "if-none-match")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_equipped(&answer);
    assert_eq!(header(&answer, "allow"), "GET, HEAD, OPTIONS");
    assert_eq!(
        header(&answer, "access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(header(&answer, "access-control-allow-headers"), "*");
    assert_eq!(header(&answer, "access-control-max-age"), "86400");
}

#[tokio::test]
async fn errors_are_problems_with_all_that_a_client_needs() {
    let server = with_one().await;
    let too_long = path(&format!("{}.{}", "A".repeat(86), "A".repeat(44)));
    let huge = path(&"A".repeat(20_000));
    for (method, path, status, detail) in [
        (Method::GET, "/renewal-info", 404, "there is nothing here"),
        (Method::GET, "/renewal-info/", 400, "the CertID is missing"),
        (Method::GET, "/renewal-info/aYhb", 400, "one dot"),
        (Method::GET, "/renewal-info/aYhb.AI.A", 400, "one dot"),
        (
            Method::GET,
            "/renewal-info/a=.AIdlQyE",
            400,
            "the key identifier is not",
        ),
        (
            Method::GET,
            "/renewal-info/aYhb.AIdlQyF",
            400,
            "the serial is not",
        ),
        (Method::GET, "/renewal-info/aYhb.AIdlQyE/", 400, "slash"),
        (Method::GET, "/renewal-info/aYhb/AIdlQyE", 400, "slash"),
        (
            Method::GET,
            "/renewal-info/aYhb%2EAIdlQyE",
            400,
            "percent escape",
        ),
        (Method::GET, "/renewal-info/%ff", 400, "percent escape"),
        (Method::HEAD, "/renewal-info/%ff", 400, ""),
        (Method::GET, &too_long, 414, "131 characters"),
        (Method::GET, &huge, 414, "20000 characters"),
        (
            Method::GET,
            "/renewal-info/aYhb.AIdlQyE",
            404,
            "unknown key identifier aYhb (hex 69885b)",
        ),
        (
            Method::GET,
            "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.Aw",
            404,
            "unknown serial Aw (hex 03): the issuer with key identifier \
             aYhba4dGQEHhs3uEe6CuLN4ByNQ (hex 69885b6b87464041e1b37b847ba0ae2cde01c8d4)",
        ),
        (Method::POST, &path(RFC), 405, "`Allow`"),
        (Method::DELETE, "/renewal-info/aYhb", 405, "`Allow`"),
    ] {
        let answer = server.ask(method.clone(), path).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_equipped(&answer);
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        if status == 405 {
            let allow = header(&answer, "allow");
            for method in ["GET", "HEAD", "OPTIONS"] {
                assert!(allow.contains(method), "{allow}");
            }
        }
        if method == Method::HEAD {
            continue;
        }
        let body = json(answer).await;
        assert_eq!(body["type"], "urn:ietf:params:acme:error:malformed");
        assert_eq!(body["status"], status);
        let text = body["detail"].as_str().unwrap();
        assert!(text.contains(detail), "{method} {path}: {text}");
    }
}

/// Bytes that no client library would send.
#[tokio::test]
async fn odd_requests_are_answered_too() {
    let server = with_one().await;
    for (line, status) in [
        (format!("GET {}{} HTTP/1.1", server.public, path(RFC)), 200),
        ("GET //renewal-info HTTP/1.1".to_owned(), 404),
        ("GET /renewal-info/../directory HTTP/1.1".to_owned(), 400),
        ("OPTIONS * HTTP/1.1".to_owned(), 404),
        ("CONNECT example.org:443 HTTP/1.1".to_owned(), 404),
        (format!("BREW {} HTTP/1.1", path(RFC)), 405),
        (format!("GET {} HTTP/1.0", path(RFC)), 200),
    ] {
        let request = format!("{line}\r\nhost: elsewhere\r\nconnection: close\r\n\r\n");
        let answer = server.raw(&request).await;
        let want = format!(" {status} ");
        assert_eq!(answer.get(8..13), Some(want.as_str()), "{line}: {answer}");
        assert!(answer.contains("server: offpeak/"), "{line}: {answer}");
    }
}

#[tokio::test]
async fn an_expired_or_replaced_certificate_still_has_its_window() {
    let server = with_one().await;
    let before = server.get(&path(RFC)).await.text().await.unwrap();
    let replaced = server
        .as_admin(Method::POST, &format!("/v1/certificates/{RFC}/replaced"))
        .json(&serde_json::json!({"order": "https://ca.example/order/1"}))
        .send()
        .await
        .unwrap();
    assert_eq!(replaced.status(), StatusCode::OK);
    assert_eq!(server.get(&path(RFC)).await.text().await.unwrap(), before);
    server.clock.set(NOW + 90 * DAY + HOUR);
    let expired = server.get(&path(RFC)).await;
    assert_eq!(expired.status(), StatusCode::OK);
    assert_equipped(&expired);
    assert_eq!(expired.text().await.unwrap(), before);
}

#[tokio::test]
async fn a_removed_certificate_is_gone() {
    let server = with_one().await;
    let removed = server
        .as_admin(Method::DELETE, &format!("/v1/certificates/{RFC}"))
        .send()
        .await
        .unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path(RFC)).await.status(), StatusCode::NOT_FOUND);
}

/// With its database gone, what is in memory is served; what is not is "busy", in exact words.
#[tokio::test]
async fn without_its_database_it_answers_what_it_knows() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let server = TestServer::on(&database.url(), config()).await;
    server.register(RFC, NOW, NOW + (90 * DAY - 1)).await;
    drop(database);
    assert_eq!(server.get(&path(RFC)).await.status(), StatusCode::OK);
    let busy = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#;
    let miss = server
        .get("/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.Aw")
        .await;
    assert_eq!(miss.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_equipped(&miss);
    assert_eq!(header(&miss, "content-type"), "application/problem+json");
    assert_eq!(miss.text().await.unwrap(), busy);
    let explain = format!("/v1/certificates/{RFC}");
    let answer = server.as_admin(Method::GET, &explain).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&answer, "retry-after"), "10");
    assert_eq!(answer.text().await.unwrap(), busy);
}
