//! Another's ranking as a start: a real one that another server published.

use std::fs;
use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::source::read_once;
use offpeak::store::{Migrations, connect};
use serde_json::Value;

use super::csv::{counted, engine};
use crate::process::{Server, offpeak};
use crate::support::fresh_sqlite;

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;

async fn published(engine: &Engine) -> Value {
    engine.publish().await.unwrap();
    let publication = engine.publication().unwrap();
    let (_, octets) = publication
        .documents
        .iter()
        .find(|(path, _)| path == "ranking.json")
        .unwrap();
    serde_json::from_slice(octets).unwrap()
}

/// Twelve weeks of hours at another CA, busiest at one o'clock, as that one publishes it.
async fn of_another(folder: &std::path::Path) -> String {
    let (other, _database) = engine("", NOON).await;
    let mut rows = Vec::new();
    for hour in 0..28 * 24 {
        let at = Timestamp::from_unix(NOON - (hour + 1) * 3_600);
        let count = if at.second_of_day() / 3_600 == 1 {
            900
        } else {
            300
        };
        rows.push(offpeak::domain::demand::observation::Observation {
            seconds: 3_600,
            ..offpeak::domain::demand::observation::Observation::plain(
                at,
                offpeak::domain::demand::observation::Source::Ca,
                offpeak::domain::demand::observation::Kind::Issued,
                count,
            )
        });
    }
    let store = other.store();
    let batch = store.open_batch(other.now()).await.unwrap();
    store.append_batch(batch, &rows).await.unwrap();
    let closed = offpeak::store::ClosedBatch {
        sha256: [0; 32],
        report: "{}".to_owned(),
    };
    store
        .close_batch(batch, None, &closed, other.now())
        .await
        .unwrap();
    other.catch_up().await.unwrap();
    other.learn();
    let path = folder.join("ranking.json");
    fs::write(&path, published(&other).await.to_string()).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_s_ranking_is_published_as_such_until_there_is_load_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_another(folder.path()).await;
    let text = format!(
        "[[source]]\nname = \"start\"\nca = \"default\"\nkind = \"ranking\"\nranking = \"{path}\"\n"
    );
    let (engine, _database) = engine(&text, NOON + 60).await;
    let source = engine.config().sources[0].clone();
    let before = published(&engine).await;
    assert_eq!(before["peak"], Value::Null);
    read_once(&engine, &source).await.unwrap();
    let after = published(&engine).await;
    assert_eq!(after["peak"]["start"], "01:00");
    assert!(
        after["modelVersion"]
            .as_str()
            .unwrap()
            .starts_with("prior-"),
        "{after}"
    );
    assert_eq!(after["dataFrom"], Value::Null);
    let note = after["notes"][0]["text"].as_str().unwrap();
    assert!(note.contains("No load of this CA is known yet"), "{note}");
    let weight = |slot: usize| after["slots"][slot]["weight"].as_f64().unwrap();
    assert!(weight(1) < weight(2) / 2.0, "{after}");
    // It is no load: nothing was counted.
    assert_eq!(counted(&engine).await.len(), 0);
    // A source that is taken out takes it with it.
    engine.end_source("start");
    engine.learn();
    assert_eq!(published(&engine).await["peak"], Value::Null);
    // One that is out of date, or none at all.
    for (content, want) in [
        (
            before.to_string(),
            "it knows the demand of fewer than half of its slots",
        ),
        (
            "<html>".to_owned(),
            "this is no ranking.json of schema version 1",
        ),
        (
            after
                .to_string()
                .replace("\"validUntil\":\"2026", "\"validUntil\":\"2025"),
            "it was valid until 2025",
        ),
    ] {
        fs::write(&path, content).unwrap();
        let error = read_once(&engine, &source).await.unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_s_ranking_is_used_as_long_as_it_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let path = of_another(folder.path()).await;
    let text = format!(
        "[[source]]\nname = \"start\"\nca = \"default\"\nkind = \"ranking\"\nranking = \"{path}\"\n"
    );
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(NOON + 36 * 3_600)));
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let config = Config::parse(&text).unwrap();
    let engine = Engine::open(store, config, Arc::clone(&clock) as _);
    let engine = engine.await.unwrap();
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    let before = published(&engine).await;
    assert_eq!(before["peak"]["start"], "01:00");
    // Two days after it was made, not two days after it was taken.
    let until = Timestamp::from_unix(NOON + 48 * 3_600);
    assert_eq!(before["validUntil"], until.to_string());
    assert_eq!(before["notes"][0]["to"], until.to_string());
    // Who published it has gone; what was taken is told to be used on, and then not.
    fs::remove_file(&path).unwrap();
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(error.contains(&format!("is used until {until}")), "{error}");
    engine.learn();
    assert_eq!(published(&engine).await["peak"]["start"], "01:00");
    clock.set(until + 1);
    engine.learn();
    let after = published(&engine).await;
    assert_eq!(after["peak"], Value::Null);
    assert_eq!(after["notes"].as_array().map_or(0, Vec::len), 0, "{after}");
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!(
            "was valid until {until} only, and is not used any more"
        )),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_takes_another_server_s_ranking_by_its_url() {
    let database = fresh_sqlite();
    let other = Server::on(&database.url());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("offpeak.toml");
    let text = format!(
        "[[source]]\nname = \"start\"\nca = \"default\"\nkind = \"ranking\"\nranking = \"{}/ranking.json\"\n",
        other.api.public
    );
    fs::write(&config, text).unwrap();
    let own = fresh_sqlite();
    let mut command = offpeak();
    command
        .args(["serve", "--database", &own.url(), "--config"])
        .arg(&config);
    let server = Server::start(&mut command);
    // The other knows nothing itself: that is said, and harms nobody.
    let said = server.logged("source_failing");
    assert!(
        said.contains("it knows the demand of fewer than half of its slots"),
        "{said}"
    );
    assert_eq!(server.api.get("/ranking.json").await.status(), 200);
}
