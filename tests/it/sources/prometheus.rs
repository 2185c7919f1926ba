//! The answers of a Prometheus, with a reset and a gap in them.

use std::sync::Arc;

use axum::Router;
use axum::extract::RawQuery;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Observation, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::source::prometheus::read_once;
use offpeak::store::{Change, Load, Migrations, connect};

use crate::support::fresh_sqlite;

/// 2026-11-28T12:00:00Z.
const START: i64 = 1_795_867_200;

fn parameter(query: &str, name: &str) -> i64 {
    let of = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    query.split('&').find_map(of).unwrap()
}

/// A counter that grows by 5 a minute, began again at 12:30, and was not scraped at 12:40.
fn value(at: i64) -> Option<i64> {
    let minute = (at - START) / 60;
    (minute != 40).then_some(if minute < 30 {
        1_000 + minute * 5
    } else {
        (minute - 30) * 5
    })
}

async fn answer(RawQuery(query): RawQuery) -> String {
    let query = query.unwrap();
    assert!(query.contains("query=sum%28new_certificates%29"), "{query}");
    let (start, end) = (parameter(&query, "start"), parameter(&query, "end"));
    let values: Vec<String> = (start..=end)
        .step_by(60)
        .filter_map(|at| Some(format!("[{at},\"{}\"]", value(at)?)))
        .collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{}]}}]}}}}"#,
        values.join(",")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counter_is_back_filled_and_followed_and_what_is_not_known_is_not_zero() {
    let router = Router::new().route("/api/v1/query_range", axum::routing::get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "[[source]]\nname = \"m\"\nca = \"default\"\nkind = \"prometheus\"\nbackfill = \"58m\"\n\
         url = \"http://{address}\"\nquery = \"sum(new_certificates)\"\n"
    );
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    // Samples of the last two minutes may be missing still.
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(START + 60 * 60)));
    let engine = Engine::open(
        store,
        Config::parse(&text).unwrap(),
        Arc::clone(&clock) as _,
    )
    .await;
    let engine = engine.unwrap();
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    // 58 minutes, less the reset, the one that was not scraped and the one after it.
    assert_eq!(observed(&engine).await, (55, 275));
    clock.set(Timestamp::from_unix(START + 70 * 60));
    read_once(&engine, &source).await.unwrap();
    assert_eq!(observed(&engine).await, (65, 325));
}

async fn observed(engine: &Engine) -> (usize, u64) {
    let mut found: Vec<Observation> = Vec::new();
    let mut tell = |change| {
        if let Change::Observed { observation, .. } = change {
            found.push(observation);
        }
    };
    let from = Timestamp::from_unix(0);
    let load = engine
        .store()
        .load(Load::BesideCertificates, from, &mut tell);
    load.await.unwrap();
    assert!(
        found
            .iter()
            .all(|one| one.source == Source::Metrics && one.seconds == 60)
    );
    (found.len(), found.iter().map(|one| one.count).sum())
}
