//! `offpeak gateway check`.

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use super::acme::{Front, as_json};
use super::pebble::Pebble;
use crate::process::offpeak;
use crate::tools::output_text;

fn check(front: &Front, more: &[&str]) -> std::process::Output {
    let mut command = offpeak();
    command.args(["gateway", "check", &front.directory, "--roots"]);
    command
        .arg(front.certificate())
        .args(more)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_takes_the_host_as_it_comes_sends_clients_back_through_the_gateway() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let output = check(&front, &["--json"]);
    assert!(output.status.success(), "{}", output_text(&output));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let urls = all[0]["urls"].as_array().unwrap();
    assert!(
        urls.len() >= 6 && urls.iter().all(|url| url["through"] == true),
        "{all}"
    );
    assert_eq!(all[0]["remedy"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_that_names_itself_is_reported_with_the_setting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let directory = json!({
        "newNonce": format!("{base}/n"), "newAccount": format!("{base}/a"),
        "newOrder": format!("{base}/o"),
    });
    let router = Router::new().route(
        "/v1/pki/acme/directory",
        get(async move || as_json(&directory)),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let front = Front::before(&format!("{base}/v1/pki/acme/directory"), "", None);
    let output = check(&front, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", output_text(&output));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.matches("PAST").count(), 3, "{text}");
    assert_eq!(text.matches("through ").count(), 1, "{text}");
    assert!(text.contains("config/cluster"), "{text}");
}
