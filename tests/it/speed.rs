//! `./bench`: its generator against the real server, and its document. The modules carry tests of
//! their own.

use reqwest::Method;
use serde_json::Value;

use crate::server::{NOW, TestServer, json};

#[path = "../../benches/speed/program/mod.rs"]
mod program;

/// What it prints with these arguments, or its error.
fn printed(arguments: &[&str]) -> Result<String, String> {
    let mut out = Vec::new();
    let arguments = arguments.iter().map(|&argument| argument.to_owned());
    program::run(arguments, &mut out).map_err(|error| format!("{error:#}"))?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn every_row_of_the_comparison_is_explained_in_the_document() {
    let document = std::fs::read_to_string("docs/performance.md").unwrap();
    let rows = printed(&["--list"]).unwrap();
    assert!(rows.lines().count() > 30, "{rows}");
    for line in rows.lines() {
        let name = line.split_whitespace().nth(1).unwrap();
        assert!(
            document.contains(&format!("`{name}`")),
            "{name} is not explained"
        );
    }
    // Between these the tables are written, at the end of a long run.
    let begin = document
        .find("<!-- tables: written by ./bench -->")
        .unwrap();
    let end = document.find("<!-- end of tables -->").unwrap();
    assert!(begin < end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_generator_takes_what_the_server_answers_and_nothing_else() {
    const ROWS: u64 = 200;
    let server = TestServer::start().await;
    server.engine.publish_if_due().await.unwrap();
    let csv = printed(&["csv", &ROWS.to_string(), &NOW.unix().to_string()]).unwrap();
    let answer = server
        .as_admin(Method::POST, "/v1/certificates")
        .header("content-type", "text/csv")
        .body(csv)
        .send()
        .await
        .unwrap();
    let report = json(answer).await;
    assert_eq!(report["accepted"], ROWS, "{report}");
    let address = server.public.strip_prefix("http://").unwrap().to_owned();
    let ask = |rows: u64| {
        let address = address.clone();
        tokio::task::spawn_blocking(move || printed(&["ask", &address, &rows.to_string(), "0.2"]))
    };
    let outcome: Value = serde_json::from_str(&ask(ROWS).await.unwrap().unwrap()).unwrap();
    for stream in outcome["streams"].as_array().unwrap() {
        assert!(stream["answers"].as_u64().unwrap() > 0, "{outcome}");
        assert_eq!(stream["wrong"], 0, "{outcome}");
    }
    // Half of these are not registered.
    let error = ask(2 * ROWS).await.unwrap().unwrap_err();
    assert!(error.contains("wrong answers, the first: 404"), "{error}");
}
