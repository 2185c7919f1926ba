//! `/renewal-info/{certid}`: RFC 9773 and the contract, over the wire.

use offpeak::domain::time::DAY;
use reqwest::{Method, Response, StatusCode};

use crate::server::{NOW, TestServer, config};

const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

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
