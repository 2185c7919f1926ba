//! The page as a browser shows it.

use std::process::Command;
use std::time::{Duration, Instant};

use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::process::Server;
use crate::support::fresh_sqlite;
use crate::tools::{run, tool};

const HOUR_SECONDS: i64 = 3_600;
/// Four weeks, so that every hour of the day is known.
const HOURS: i64 = 4 * 7 * 24;
/// Each process follows what was stored within a second or so.
const LEARNED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_browser_shows_the_24_hours_with_the_numbers_of_the_ranking() {
    let Some(chromium) = tool("OFFPEAK_TEST_CHROMIUM") else {
        return;
    };
    let database = fresh_sqlite();
    let server = Server::on(&database.url());
    observe_four_weeks(&server).await;
    let ranking = published(&server).await;

    let page = rendered(&chromium, &server.api.public);

    let rows = rows_of(&page);
    let slots = ranking["slots"].as_array().expect("slots");
    assert_eq!(slots.len(), 24);
    for slot in slots {
        let start = slot["start"].as_str().expect("a start");
        let row: Vec<&Vec<String>> = rows
            .iter()
            .filter(|row| row[0].starts_with(start))
            .collect();
        assert_eq!(row.len(), 1, "{start}: {page}");
        for number in ["rank", "coefficient", "weight"] {
            let shown = slot[number].as_f64().expect("a number");
            assert!(
                row[0].iter().any(|cell| is_number(cell, shown)),
                "{start} shows no {number} {shown}: {:?}",
                row[0]
            );
        }
    }
}

/// A load of its own for each hour of the day, so that no two rows are alike.
async fn observe_four_weeks(server: &Server) {
    let this_hour = SystemClock.now().slot(HOUR_SECONDS);
    let lines: Vec<String> = (this_hour - HOURS..this_hour)
        .map(|hour| {
            let count = 1_000 + 37 * hour.rem_euclid(24);
            let at = hour * HOUR_SECONDS;
            json!({ "at": at, "seconds": HOUR_SECONDS, "kind": "issued", "count": count })
                .to_string()
        })
        .collect();
    let api = &server.api;
    let report = api.post_ndjson("/v1/observations", lines.join("\n")).await;
    assert_eq!(report.expect("a report")["accepted"], HOURS);
}

/// A ranking made anew, once the model has heard of what was observed.
async fn published(server: &Server) -> Value {
    let deadline = Instant::now() + LEARNED_WITHIN;
    loop {
        let made = server.api.post_ndjson("/v1/publish", String::new()).await;
        made.expect("a publication");
        let ranking = server.api.get("/ranking.json").await;
        let ranking: Value = ranking.json().await.expect("JSON");
        if !ranking["dataThrough"].is_null() {
            return ranking;
        }
        assert!(Instant::now() < deadline, "nothing is learned: {ranking}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What stands in the document once the page has finished.
fn rendered(chromium: &std::path::Path, url: &str) -> String {
    let profile = tempfile::tempdir().expect("a temporary directory");
    run(Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            // A second of the page's own time: all of its requests end within it.
            "--virtual-time-budget=1000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url))
}

/// The texts of the cells of each table row.
fn rows_of(page: &str) -> Vec<Vec<String>> {
    page.split("<tr")
        .skip(1)
        .map(|row| {
            let row = row.split("</tr>").next().unwrap_or_default();
            row.split("</t")
                .map(|cell| text_of(cell).trim().to_owned())
                .collect()
        })
        .collect()
}

/// What is outside of tags; the text begins inside of one.
fn text_of(html: &str) -> String {
    html.split('>')
        .skip(1)
        .map(|piece| piece.split('<').next().unwrap_or_default())
        .collect()
}

/// Whether a cell shows this number, to the digits that it shows.
fn is_number(cell: &str, number: f64) -> bool {
    cell.split_whitespace()
        .any(|word| word.parse() == Ok(number))
}
