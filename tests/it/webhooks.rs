//! `[[webhook]]`: signed messages, one for each breach, whoever sees it.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use offpeak::config::{Topic, WebhookConfig};
use offpeak::domain::time::MINUTE;
use offpeak::engine::clock::{Clock as _, SystemClock};
use offpeak::webhook::Notifier;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::process::{Server, offpeak};
use crate::server::{NOW, TestServer, config};
use crate::support::{fresh_postgres, fresh_sqlite};
use crate::tools::run;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Far longer than it takes; only a hang waits for it.
const LONG: Duration = Duration::from_mins(1);

type Messages = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// Takes what is posted; the first answer is 500.
async fn receive(State(messages): State<Messages>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut messages = messages.lock().unwrap();
    messages.push((headers, body));
    if messages.len() == 1 {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::NO_CONTENT
    }
}

/// Takes what is posted.
async fn take(State(messages): State<Messages>, headers: HeaderMap, body: Bytes) -> StatusCode {
    messages.lock().unwrap().push((headers, body));
    StatusCode::NO_CONTENT
}

async fn receiver(hook: MethodRouter<Messages>) -> (String, Messages) {
    let messages = Messages::default();
    let router = Router::new().route("/hook", hook);
    let router = router.with_state(Arc::clone(&messages));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, messages)
}

fn hook(url: &str, folder: &Path) -> WebhookConfig {
    let secret_file = folder.join("secret");
    std::fs::write(&secret_file, format!("{SECRET}\n")).unwrap();
    WebhookConfig {
        url: url.to_owned(),
        on: vec![Topic::FailureRate, Topic::Incident, Topic::Outage],
        secret_file,
        failure_rate: 0.5,
        ca: None,
    }
}

async fn post_counts(server: &TestServer, failed: u64) {
    let lines = (1..=30).flat_map(|ago| {
        let line = |kind, count| {
            json!({"at": NOW - ago * MINUTE, "kind": kind, "count": count, "ca": "example"})
        };
        [line("attempt", 60), line("failed", failed)]
    });
    let lines: Vec<String> = lines.map(|line: Value| line.to_string()).collect();
    let report = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"))
        .send()
        .await
        .unwrap();
    assert!(report.status().is_success());
}

async fn received(messages: &Messages, count: usize) -> Vec<(HeaderMap, Value)> {
    let waited = async {
        while messages.lock().unwrap().len() < count {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, waited).await.is_ok();
    let taken = messages.lock().unwrap().clone();
    assert!(in_time, "{taken:?}");
    let read = |(headers, body): (HeaderMap, Bytes)| {
        assert_signed(&headers, &body);
        (headers, serde_json::from_slice(&body).unwrap())
    };
    taken.into_iter().map(read).collect()
}

/// By another implementation of HMAC than ours.
fn assert_signed(headers: &HeaderMap, body: &[u8]) {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let script = "import base64, hashlib, hmac, sys\n\
        secret, id, at, body = sys.argv[1:]\n\
        key = base64.b64decode(secret.removeprefix('whsec_'))\n\
        mac = hmac.new(key, f'{id}.{at}.{body}'.encode(), hashlib.sha256)\n\
        print('v1,' + base64.b64encode(mac.digest()).decode())";
    let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
    let text = str::from_utf8(body).unwrap();
    let signature = run(Command::new("python3").args(["-c", script, SECRET, &id, &at, text]));
    assert_eq!(header("webhook-signature"), signature.trim());
    assert_eq!(header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_delivered_once_signed_and_tried_again() {
    let (url, messages) = receiver(post(receive)).await;
    let folder = tempfile::tempdir().unwrap();
    let database = fresh_sqlite();
    let mut config = config();
    config.webhooks = vec![hook(&url, folder.path())];
    let one = TestServer::on(&database.url(), config.clone()).await;
    // 40 of 60 fail: a breach, and no outage.
    post_counts(&one, 40).await;
    let other = TestServer::on(&database.url(), config).await;
    let mut notifier = Notifier::default();
    one.engine.catch_up().await.unwrap();
    notifier.look(&one.engine);
    let report = received(&messages, 2).await;
    let [(first, message), (again, same)] = &report[..] else {
        panic!("{report:?}");
    };
    // The first attempt was answered 500: the same message came again.
    assert_eq!(
        (first["webhook-id"].clone(), message),
        (again["webhook-id"].clone(), same)
    );
    assert_eq!(message["type"], "ca.failure_rate");
    assert_eq!(message["data"]["ca"], "example");
    assert!(
        message["data"]["failureRate"].as_f64().unwrap() > 0.6,
        "{message}"
    );
    // Somebody opens an incident: the next message is of that, and none is of the breach.
    let draft = json!({"kind": "maintenance", "ca": "example", "name": "new HSM",
        "from": (NOW + 60 * MINUTE).to_string(), "to": (NOW + 90 * MINUTE).to_string()});
    let made = one.as_admin(Method::POST, "/v1/incidents").json(&draft);
    let made: Value = crate::server::json(made.send().await.unwrap()).await;
    let path = format!("/v1/incidents/{}", made["id"]);
    let open = one.as_admin(Method::PATCH, &path);
    let open = open.json(&json!({"state": "open"})).send().await.unwrap();
    assert!(open.status().is_success());
    notifier.delivered().await;
    notifier.look(&one.engine);
    notifier.delivered().await;
    let report = received(&messages, 3).await;
    assert_eq!(report[2].1["type"], "incident.updated");
    assert_eq!(report[2].1["data"]["name"], "new HSM");
    // Another process sees both too, as one does that has just started, and finds them told.
    other.engine.catch_up().await.unwrap();
    for engine in [&other.engine, &one.engine] {
        let mut notifier = Notifier::default();
        notifier.look(engine);
        notifier.delivered().await;
    }
    assert_eq!(messages.lock().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_on_one_postgresql_only_one_sends() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    let (url, messages) = receiver(post(take)).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let file = folder.path().join("offpeak.toml");
    let text = format!(
        "[[webhook]]\nurl = {url:?}\non = [\"failure-rate\"]\nfailure_rate = 0.5\n\
         secret_file = '{}'\n",
        secret.display()
    );
    std::fs::write(&file, text).unwrap();
    let start = || {
        let mut command = offpeak();
        command.args(["serve", "--database", &database.url(), "--config"]);
        command.arg(&file).env("OFFPEAK_LOG", "offpeak=debug");
        Server::start(&mut command)
    };
    let servers = [start(), start()];
    let now = SystemClock.now();
    let lines = (1..=30).flat_map(|ago| {
        let line = |kind, count| json!({"at": now - ago * MINUTE, "kind": kind, "count": count});
        [line("attempt", 60), line("failed", 40)]
    });
    let lines: Vec<String> = lines.map(|line: Value| line.to_string()).collect();
    let report = servers[0]
        .api
        .post_ndjson("/v1/observations", lines.join("\n"));
    report.await.unwrap();
    let both = async {
        loop {
            let has = |at: usize, event: &str| {
                let event = format!("\"event\":\"{event}\"");
                servers[at].log().contains(&event)
            };
            let (report, left) = ("webhook_delivered", "webhook_left_to_another");
            if has(0, report) && has(1, left) || has(1, report) && has(0, left) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, both).await.is_ok();
    let logs = || format!("{}\n{}", servers[0].log(), servers[1].log());
    assert!(in_time, "{}", logs());
    let report = received(&messages, 1).await;
    assert_eq!(report.len(), 1, "{}", logs());
    assert_eq!(report[0].1["type"], "ca.failure_rate");
}
