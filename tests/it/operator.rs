//! `/admin` and `/v1/overview`: what an operator would else ask of five commands.

use offpeak::domain::time::{DAY, HOUR, MINUTE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, DARK, FORCED, LIGHT, PHONE};
use crate::server::{ADMIN, INGEST, NOW, TestServer, json};
use crate::tools::tool;

const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/// A server with an hour of load, a certificate and an open incident.
async fn busy() -> TestServer {
    let server = TestServer::start().await;
    server.register(ID, NOW - DAY, NOW + 89 * DAY).await;
    let lines = (1..=60).filter_map(|ago| {
        let line = |kind, count| {
            json!({"at": NOW - ago * MINUTE, "kind": kind, "count": count, "ca": "example",
                "endpoint": "new-order", "latencyMs": 120})
            .to_string()
        };
        // Ten minutes were told by nobody.
        (!(20..30).contains(&ago)).then(|| [line("attempt", 60 + ago), line("failed", 3)])
    });
    let lines: Vec<String> = lines.flatten().collect();
    let told = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"))
        .send()
        .await
        .unwrap();
    assert_eq!(told.status(), StatusCode::OK);
    let draft = json!({"kind": "maintenance", "ca": "example", "name": "new HSM",
        "from": (NOW + HOUR).to_string(), "to": (NOW + 2 * HOUR).to_string()});
    let made = server.as_admin(Method::POST, "/v1/incidents").json(&draft);
    let made = json(made.send().await.unwrap()).await;
    let path = format!("/v1/incidents/{}", made["id"]);
    let open = server.as_admin(Method::PATCH, &path);
    open.json(&json!({"state": "open"})).send().await.unwrap();
    server.engine.catch_up().await.unwrap();
    server.engine.publish().await.unwrap();
    server
}

#[tokio::test]
async fn the_overview_tells_cas_sources_and_the_last_hour_to_the_admin_alone() {
    let server = busy().await;
    let told = server.as_admin(Method::GET, "/v1/overview");
    let told: Value = json(told.send().await.unwrap()).await;
    assert_eq!(
        (&told["ready"], &told["certificates"]),
        (&json!(true), &json!(1))
    );
    let ca = &told["cas"][0];
    assert_eq!(
        (&ca["ca"], &ca["status"]),
        (&json!("example"), &json!("ok"))
    );
    assert_eq!(ca["sources"][0]["source"], "ca");
    let points = ca["lastHour"][0]["points"].as_array().unwrap();
    assert_eq!(points.iter().filter(|point| point.is_null()).count(), 10);
    let without = server.ask_admin(Method::GET, "/v1/overview");
    assert_eq!(
        without.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    let ingest = server
        .ask_admin(Method::GET, "/v1/overview")
        .bearer_auth(INGEST);
    assert_eq!(ingest.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_it_behind_a_token_that_is_typed_in_once() {
    let (Some(chromium), Some(axe)) = (tool("OFFPEAK_TEST_CHROMIUM"), tool("OFFPEAK_TEST_AXE"))
    else {
        return;
    };
    let server = busy().await;
    let page = server
        .ask_admin(Method::GET, "/admin")
        .send()
        .await
        .unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"));
    let mut browser = Browser::start(&chromium);
    let url = format!("{}/admin", server.admin);
    let enter = |browser: &mut Browser, token: &str| {
        browser.evaluate(&format!(
            "document.querySelector('#token').value = {token:?};
             document.querySelector('#entry').requestSubmit(); true"
        ));
    };
    browser.open(&url);
    enter(&mut browser, "wrong");
    browser.until("document.querySelector('#message').textContent !== ''");
    let hidden = "document.querySelector('#shown').hidden";
    assert_eq!(browser.evaluate(hidden), true);
    enter(&mut browser, ADMIN);
    let shown = "!document.querySelector('#shown').hidden";
    browser.until(shown);
    for (selector, want) in [
        ("#state", "Ready, as of 10:00:00 UTC"),
        ("#cas", "example (production)"),
        ("#cas", "ok"),
        ("#incidents", "maintenance: new HSM"),
        ("#sources", "2026-11-21 10:00:00 UTC"),
        ("#hour", "120 ms"),
        ("#process", "Certificates in memory\n1"),
    ] {
        let text = browser.text(selector);
        assert!(text.contains(want), "{selector}: {text}");
    }
    browser.evaluate("document.querySelector('#count').click(); true");
    browser.until("!document.querySelector('#windows').hidden");
    assert!(
        browser.text("#windows").contains("example\t1\t0"),
        "{}",
        browser.text("#windows")
    );
    // The token is known until the tab is closed.
    for look in [LIGHT, DARK, FORCED, PHONE] {
        browser.look(look);
        browser.open(&url);
        browser.until(shown);
        browser.picture(&format!("admin-{}", look.name));
        let found = browser.accessibility(&axe);
        assert_eq!(found, [""; 0], "{}: {}", look.name, found.join("\n"));
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64().unwrap() <= look.width.into(),
            "{}: {wide}",
            look.name
        );
    }
    browser.evaluate("document.querySelector('#forget').click(); true");
    assert_eq!(browser.evaluate(hidden), true);
    assert_eq!(browser.evaluate("sessionStorage.length"), 0);
}
