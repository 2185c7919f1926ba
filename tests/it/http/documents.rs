//! The published documents, the page and the contract.

use std::sync::Arc;

use offpeak::domain::time::{DAY, Timestamp};
use reqwest::{Method, Response, StatusCode};

use crate::server::{NOW, TestServer, config, json, sha256_hex};

const CHANGING: &str =
    "public, max-age=300, s-maxage=3600, stale-while-revalidate=86400, stale-if-error=604800";

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .unwrap_or_else(|| panic!("no {name}: {answer:?}"))
        .to_str()
        .unwrap()
}

async fn published() -> TestServer {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    server
}

#[tokio::test]
async fn a_document_is_the_publications_bytes_with_its_caching() {
    let server = published().await;
    for (name, content_type) in [
        ("ranking.json", "application/json"),
        ("ca/example/ranking.json", "application/json"),
        ("schema/ranking-1.json", "application/schema+json"),
    ] {
        let answer = server.get(&format!("/{name}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}");
        assert_eq!(header(&answer, "cache-control"), CHANGING);
        assert_eq!(header(&answer, "content-type"), content_type);
        assert_eq!(header(&answer, "vary"), "Accept-Encoding");
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
        assert_eq!(
            header(&answer, "last-modified"),
            "Sat, 21 Nov 2026 10:00:00 GMT"
        );
        assert!(header(&answer, "server").starts_with("offpeak/"));
        let publication = server.engine.publication().unwrap();
        let (_, bytes) = publication
            .documents
            .iter()
            .find(|(path, _)| path == name)
            .unwrap();
        assert_eq!(answer.bytes().await.unwrap()[..], bytes[..]);
    }
}

#[tokio::test]
async fn a_copy_under_its_hash_never_changes() {
    let server = published().await;
    let bytes = server.get("/ranking.json").await.bytes().await.unwrap();
    let hash = sha256_hex(&bytes);
    let copy = server.get(&format!("/r/{hash}/ranking.json")).await;
    assert_eq!(
        header(&copy, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(copy.bytes().await.unwrap(), bytes);
    // Nor does it go when another publication comes.
    server.clock.set(NOW + 86_400);
    server.engine.publish().await.unwrap();
    let newer = server.get("/ranking.json").await.bytes().await.unwrap();
    assert_ne!(newer, bytes);
    let copy = server.get(&format!("/r/{hash}/ranking.json")).await;
    assert_eq!(copy.status(), StatusCode::OK);
    assert_eq!(copy.bytes().await.unwrap(), bytes);
    let unheard_of = format!("/r/{}/ranking.json", "0".repeat(64));
    assert_eq!(
        server.get(&unheard_of).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_document_that_the_client_has_is_not_sent_again() {
    let server = published().await;
    let first = server.get("/ranking.json").await;
    let etag = header(&first, "etag").to_owned();
    let date = header(&first, "last-modified").to_owned();
    let past = "Sat, 21 Nov 2026 09:59:59 GMT";
    for (tag, since, want) in [
        (Some(etag.as_str()), None, StatusCode::NOT_MODIFIED),
        (Some(etag.as_str()), Some(past), StatusCode::NOT_MODIFIED),
        (Some("\"other\""), Some(date.as_str()), StatusCode::OK),
        (None, Some(date.as_str()), StatusCode::NOT_MODIFIED),
        (None, Some(past), StatusCode::OK),
    ] {
        let mut request = server.ask(Method::GET, "/ranking.json");
        if let Some(tag) = tag {
            request = request.header("if-none-match", tag);
        }
        if let Some(since) = since {
            request = request.header("if-modified-since", since);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), want, "{tag:?} {since:?}");
        assert_eq!(header(&answer, "etag"), etag);
        assert_eq!(header(&answer, "cache-control"), CHANGING);
    }
    let head = server
        .ask(Method::HEAD, "/ranking.json")
        .send()
        .await
        .unwrap();
    assert_eq!(
        header(&head, "content-length"),
        header(&first, "content-length")
    );
}

#[tokio::test]
async fn until_the_next_update_bytes_and_etag_stay_as_they_are() {
    let server = published().await;
    let first = server.get("/ranking.json").await;
    let etag = header(&first, "etag").to_owned();
    let bytes = first.bytes().await.unwrap();
    let ranking: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let next: Timestamp = ranking["nextUpdate"].as_str().unwrap().parse().unwrap();
    assert_eq!(next, NOW + DAY);
    for later in [NOW + 1, NOW + DAY / 2, next - 1] {
        server.clock.set(later);
        server.engine.learn();
        server.engine.publish_if_due().await.unwrap();
        let again = server.get("/ranking.json").await;
        assert_eq!(header(&again, "etag"), etag, "{later}");
        assert_eq!(again.bytes().await.unwrap(), bytes, "{later}");
    }
    server.clock.set(next);
    server.engine.publish_if_due().await.unwrap();
    let after = server.get("/ranking.json").await;
    assert_ne!(header(&after, "etag"), etag);
    assert_eq!(json(after).await["generatedAt"], next.to_string());
}

#[tokio::test]
async fn a_new_publication_is_served_at_once() {
    let server = published().await;
    let first = server.get("/ranking.json").await;
    server.clock.set(NOW + 3_600);
    let made = server.as_admin(Method::POST, "/v1/publish").send().await;
    let made = made.unwrap();
    assert_eq!(made.status(), StatusCode::OK);
    let made = json(made).await;
    assert_eq!(made["generatedAt"], "2026-11-21T11:00:00Z");
    let paths = made["documents"].as_array().unwrap();
    assert!(paths.contains(&"ranking.json".into()), "{made}");
    let second = server.get("/ranking.json").await;
    assert_ne!(header(&second, "etag"), header(&first, "etag"));
    assert_eq!(json(second).await["generatedAt"], "2026-11-21T11:00:00Z");
}

#[tokio::test]
async fn what_is_not_published_is_a_problem() {
    let server = TestServer::start().await;
    let early = server.get("/ranking.json").await;
    assert_eq!(early.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(&early, "cache-control"), "no-store");
    let early = json(early).await;
    assert!(early["detail"].as_str().unwrap().contains("published yet"));
    server.engine.publish().await.unwrap();
    for path in [
        "/ca/nobody/ranking.json",
        "/ca/..%2F..%2Fetc/ranking.json",
        "/ca/%ff/ranking.json",
        "/r/00/ranking.json",
        "/v1/nothing",
        "/favicon.ico",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert_eq!(json(answer).await["type"], "about:blank");
    }
}

/// The page links to its own service and loads nothing at all: its policy forbids it.
#[tokio::test]
async fn the_page_asks_no_other_host() {
    let server = published().await;
    for path in ["/", "/ca/example/"] {
        let page = server.get(path).await;
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        assert_eq!(header(&page, "cache-control"), CHANGING);
        assert_eq!(header(&page, "referrer-policy"), "no-referrer");
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        let policy = header(&page, "content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(
            policy.contains("; connect-src 'self'; frame-ancestors 'none'"),
            "{policy}"
        );
        let text = page.text().await.unwrap();
        assert!(!text.contains("src=\""), "{path}");
        let here = reqwest::Url::parse(&format!("{}{path}", server.public)).unwrap();
        let mut linked = 0;
        for after in text.split(" href=\"").skip(1) {
            let target = after.split('"').next().unwrap();
            if target == "data:," {
                continue;
            }
            let target = here.join(target).unwrap();
            assert_eq!(target.host_str(), here.host_str(), "{target}");
            let answer = server.get(target.path()).await;
            assert_eq!(answer.status(), StatusCode::OK, "{target}");
            linked += 1;
        }
        assert!(linked >= 5, "{linked}");
    }
}

#[tokio::test]
async fn the_page_of_a_ca_is_found_without_its_slash() {
    let server = published().await;
    let there = server.get("/ca/example").await;
    assert_eq!(there.status(), StatusCode::OK);
    assert_eq!(there.url().path(), "/ca/example/");
    for (path, status) in [("/ca/Example", 404), ("/ca/nobody/", 404), ("/ca/%ff", 404)] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
    }
}

#[tokio::test]
async fn the_contract_is_served_and_not_sent_again() {
    let server = TestServer::start().await;
    let answer = server.get("/openapi.yaml").await;
    assert_eq!(header(&answer, "content-type"), "application/yaml");
    let etag = header(&answer, "etag").to_owned();
    let again = server
        .ask(Method::GET, "/openapi.yaml")
        .header("if-none-match", etag);
    assert_eq!(
        again.send().await.unwrap().status(),
        StatusCode::NOT_MODIFIED
    );
}

#[tokio::test]
async fn the_directory_names_the_base_url_and_never_the_host_header() {
    let server = TestServer::start().await;
    let answer = server
        .ask(Method::GET, "/directory")
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    let want = format!("{}/renewal-info", server.public);
    assert_eq!(json(answer).await, serde_json::json!({"renewalInfo": want}));
    let configured = offpeak::config::Config {
        base_url: Some("https://ari.example.com".to_owned()),
        ..config()
    };
    Arc::clone(&server.engine)
        .reconfigure(configured)
        .await
        .unwrap();
    let answer = server.get("/directory").await;
    assert_eq!(
        answer.text().await.unwrap(),
        r#"{"renewalInfo":"https://ari.example.com/renewal-info"}"#
    );
}
