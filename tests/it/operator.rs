//! `/admin` and `/v1/overview`: what an operator would else ask of five commands.

use offpeak::domain::time::{DAY, HOUR, MINUTE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, DARK, FORCED, LIGHT, PHONE};
use crate::server::{ADMIN, INGEST, NOW, TestServer, config, json};
use crate::support::fresh_postgres;
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
    let report = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"))
        .send()
        .await
        .unwrap();
    assert_eq!(report.status(), StatusCode::OK);
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
async fn the_overview_shows_cas_sources_and_the_last_hour_to_the_admin_only() {
    let server = busy().await;
    server.engine.begin_source("front", "log", None);
    server.engine.source_failed("front", "no such file");
    let report = server.as_admin(Method::GET, "/v1/overview");
    let report: Value = json(report.send().await.unwrap()).await;
    assert_eq!(
        report["configuredSources"],
        json!([{"name": "front", "kind": "log", "ca": null, "state": "failing", "dataThrough": null,
            "since": "2026-11-21T10:00:00Z", "reason": "no such file"}])
    );
    assert_eq!(
        (&report["ready"], &report["certificates"]),
        (&json!(true), &json!(1))
    );
    let ca = &report["cas"][0];
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
async fn each_replica_is_listed_with_its_last_report_and_feed_position() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    let one = TestServer::on(&database.url(), config()).await;
    let other = TestServer::on(&database.url(), config()).await;
    let introduced = [(&one, "one.example"), (&other, "other.example")];
    for (server, name) in introduced {
        let address = format!("http://{name}:8081");
        server.engine.introduce(name.to_owned(), address);
    }
    let overview = async || -> Value {
        let report = one.as_admin(Method::GET, "/v1/overview");
        json(report.send().await.unwrap()).await
    };
    // The other reads the feed, and then does so no more for 20 s.
    other.engine.catch_up().await.unwrap();
    other.clock.set(NOW + 20);
    other.engine.note_replica().await.unwrap();
    one.clock.set(NOW + MINUTE);
    one.engine.catch_up().await.unwrap();
    one.engine.note_replica().await.unwrap();
    let of = |name: &str, this_one, heard_at: &str, behind| {
        json!({"name": name, "address": format!("http://{name}:8081"), "thisOne": this_one,
            "software": env!("CARGO_PKG_VERSION"), "startedAt": "2026-11-21T10:00:00Z",
            "heardAt": heard_at, "feedBehindSeconds": behind})
    };
    let report = overview().await;
    assert_eq!(report["sharedStore"], true);
    assert_eq!(
        report["replicas"],
        json!([
            of("one.example", true, "2026-11-21T10:01:00Z", 0),
            of("other.example", false, "2026-11-21T10:00:20Z", 20),
        ])
    );
    if let Some(chromium) = tool("OFFPEAK_TEST_CHROMIUM") {
        let mut browser = Browser::start(&chromium);
        let text = shown(&mut browser, &one);
        for want in [
            "one.example (this one)\thttp://one.example:8081",
            "now\tread to its end",
            "40 s ago\t20 s behind",
        ] {
            assert!(text.contains(want), "{want}: {text}");
        }
    }
    // It is told to stop, and the first hears of it.
    other.engine.leave().await.unwrap();
    one.engine.note_replica().await.unwrap();
    assert_eq!(overview().await["replicas"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_process_of_a_file_says_that_it_is_the_only_one() {
    let server = TestServer::start().await;
    let (name, address) = ("one.example".to_owned(), server.admin.clone());
    server.engine.introduce(name, address);
    server.engine.note_replica().await.unwrap();
    let report = server.as_admin(Method::GET, "/v1/overview");
    let report: Value = json(report.send().await.unwrap()).await;
    assert_eq!(report["sharedStore"], false);
    let replicas = report["replicas"].as_array().unwrap();
    assert_eq!((replicas.len(), &replicas[0]["thisOne"]), (1, &json!(true)));
    if let Some(chromium) = tool("OFFPEAK_TEST_CHROMIUM") {
        let mut browser = Browser::start(&chromium);
        let text = shown(&mut browser, &server);
        assert!(text.contains("one.example (this one)"), "{text}");
        let said = browser.text("#sharing");
        assert!(
            said.contains("One process: the database is an SQLite file"),
            "{said}"
        );
    }
}

/// What the operator's page says of replicas.
fn shown(browser: &mut Browser, server: &TestServer) -> String {
    browser.open(&format!("{}/admin", server.admin));
    browser.evaluate(&format!(
        "document.querySelector('#token').value = {ADMIN:?};
         document.querySelector('#entry').requestSubmit(); true"
    ));
    browser.until("!document.querySelector('#shown').hidden");
    browser.text("#replicas")
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
    server.engine.begin_source("front", "log", None);
    server.engine.source_failed("front", "no such file");
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
        ("#configured", "failing since 2026-11-21 10:00:00 UTC"),
        ("#configured", "no such file"),
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
    // Until somebody polls, nothing was seen of windows that are kept; and what is ahead is announced.
    for (expression, want) in [
        ("kept(0, 0.98)", "unknown"),
        ("kept(undefined, undefined)", "unknown"),
        ("kept(0.5, 0.98)", "98.0 %"),
    ] {
        let report = browser.evaluate(&format!("{expression}.textContent"));
        assert_eq!(report, want, "{expression}");
    }
    let stage =
        browser.evaluate("document.querySelector('#incidents tbody tr').cells[3].textContent");
    assert_eq!(stage, "announced");
    browser.evaluate("document.querySelector('#forget').click(); true");
    assert_eq!(browser.evaluate(hidden), true);
    assert_eq!(browser.evaluate("sessionStorage.length"), 0);
}
