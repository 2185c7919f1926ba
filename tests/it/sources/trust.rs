//! Who is believed how far.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::permission::Permission;
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::store::{ClosedBatch, Migrations, connect};

use crate::server::TestServer;
use crate::support::fresh_sqlite;

/// 2026-11-16T00:00:00Z, a Monday.
const START: i64 = 1_794_787_200;
const DAYS: i64 = 28;

/// The weights that are published after four weeks in which five sources of a kind tell of the same load,
/// as the fifth tells it.
async fn weights(kind: Source, fifth: fn(i64) -> u64) -> Vec<f64> {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(START + DAYS * DAY)));
    let engine = Engine::open(store, Config::default(), clock).await.unwrap();
    let mut rows = Vec::new();
    for hour in 0..DAYS * 24 {
        let at = Timestamp::from_unix(START + hour * HOUR);
        let line = |source, vantage: &str, count| Observation {
            seconds: 3_600,
            vantage: Some(vantage.to_owned()),
            ..Observation::plain(at, source, Kind::Attempt, count)
        };
        for vantage in ["a", "b", "c", "d"] {
            rows.push(line(Source::Metrics, vantage, honest(hour)));
        }
        rows.push(line(kind, "e", fifth(hour)));
    }
    let store = engine.store();
    let batch = store.open_batch(engine.now()).await.unwrap();
    store.append_batch(batch, &rows).await.unwrap();
    let closed = ClosedBatch {
        sha256: [0; 32],
        report: "{}".to_owned(),
    };
    store
        .close_batch(batch, None, &closed, engine.now())
        .await
        .unwrap();
    engine.catch_up().await.unwrap();
    engine.learn();
    engine.publish().await.unwrap();
    let publication = engine.publication().unwrap();
    let of = |(path, _): &&(String, Arc<[u8]>)| path == "ranking.json";
    let (_, octets) = publication.documents.iter().find(of).unwrap();
    let ranking: serde_json::Value = serde_json::from_slice(octets).unwrap();
    let slots = ranking["slots"].as_array().unwrap();
    slots
        .iter()
        .map(|slot| slot["weight"].as_f64().unwrap())
        .collect()
}

/// Busy by day, and most at one o'clock.
fn honest(hour: i64) -> u64 {
    let of_day = (hour % 24).unsigned_abs();
    if of_day == 1 {
        2_400
    } else {
        600 + of_day * 25
    }
}

/// A thousand times as much at the quietest hour.
fn malicious(hour: i64) -> u64 {
    if hour % 24 == 0 { 600_000 } else { 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_malicious_source_of_five_moves_no_weight() {
    let want = weights(Source::Metrics, honest).await;
    assert!((want.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(want[0] > want[1]);
    // The median of those that overlap.
    assert_eq!(weights(Source::Metrics, malicious).await, want);
    // Observers and imports have no say in the volume at all; nor does a kind below a better one alive.
    for kind in [Source::Observer, Source::Import, Source::Ct] {
        assert_eq!(weights(kind, malicious).await, want, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_speaks_for_its_own_sources_alone() {
    let mut config = crate::server::config();
    for token in &mut config.tokens {
        token.sources = Permission::to(vec!["observer:oslo".parse().unwrap()]);
    }
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config).await;
    let now = server.engine.now();
    let line = |source: &str| {
        format!(r#"{{"at":"{now}","ca":"example","kind":"attempt","count":1{source}}}"#)
    };
    let body = [
        line(r#","source":"observer","vantage":"oslo""#),
        line(r#","source":"observer","vantage":"rome""#),
        line(""),
    ];
    let answer = server
        .as_admin(reqwest::Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(body.join("\n"))
        .send()
        .await
        .unwrap();
    let report: serde_json::Value = crate::server::json(answer).await;
    assert_eq!(
        (&report["accepted"], &report["rejected"]),
        (&1.into(), &2.into()),
        "{report}"
    );
    let errors = report["errors"].as_array().unwrap();
    assert!(
        errors.iter().all(|error| error["field"] == "source"),
        "{report}"
    );
    assert!(
        errors[1]["detail"]
            .as_str()
            .unwrap()
            .contains("only for observer:oslo"),
        "{report}"
    );
}
