//! Since when a source is heard: by our own clock, whatever times its counts have.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::series::trust::QUARANTINE_SECONDS;
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::store::{ClosedBatch, Migrations, SourceStep, connect};

use crate::support::fresh_sqlite;

/// 2026-12-14T00:00:00Z, a Monday.
const NOW: Timestamp = Timestamp::from_unix(1_797_206_400);

/// An engine of its own on a database: a process of several, or the next one.
async fn process(url: &str, clock: &Arc<ManualClock>) -> Arc<Engine> {
    let store = connect(url, Migrations::Apply).await.unwrap();
    let engine = Engine::open(store, Config::default(), Arc::clone(clock) as _).await;
    engine.unwrap()
}

/// Four weeks of hours before now.
fn weeks(source: Source, count: u64) -> Vec<Observation> {
    let hour = |ago: i64| Observation {
        seconds: 3_600,
        ..Observation::plain(NOW - ago * HOUR, source, Kind::Attempt, count)
    };
    (1..=28 * 24).map(hour).collect()
}

/// Hands rows in, at the clock's instant.
async fn hand_in(engine: &Engine, rows: &[Observation]) {
    let store = engine.store();
    let batch = store.open_batch(engine.now()).await.unwrap();
    store.append_batch(batch, rows).await.unwrap();
    let closed = ClosedBatch {
        sha256: [0; 32],
        report: "{}".to_owned(),
    };
    let now = engine.now();
    store.close_batch(batch, None, &closed, now).await.unwrap();
}

/// What an hour is expected to have, and until when the sources wait.
async fn result(engine: &Engine) -> (f64, Vec<(Source, Option<Timestamp>)>) {
    engine.catch_up().await.unwrap();
    let model = engine.model(&"default".parse().unwrap(), 0).unwrap();
    let waits =
        |one: &offpeak::domain::status::ReportingSource| (one.source, one.quarantined_until);
    (
        model.profile.mean_per_hour(),
        model.sources.iter().map(waits).collect(),
    )
}

fn is(got: f64, want: f64) {
    assert!((got - want).abs() < want / 100.0, "{got} is not {want}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_fill_waits_as_long_as_what_is_new() {
    let database = fresh_sqlite();
    let url = database.url();
    let clock = Arc::new(ManualClock::at(NOW - 10 * DAY));
    let first = process(&url, &clock).await;
    let second = process(&url, &clock).await;
    hand_in(&first, &weeks(Source::Metrics, 600)).await;
    result(&second).await;
    // Counts of four weeks past, by who is heard for the first time: by a request, and by a configured source.
    clock.set(NOW);
    hand_in(&first, &weeks(Source::Ca, 60_000)).await;
    let step = SourceStep {
        source: "log",
        from: None,
        to: "{}",
        observations: &weeks(Source::Log, 50_000),
        counted: &[],
    };
    assert!(first.store().advance_source(step, NOW).await.unwrap());
    let waiting = Some(NOW + QUARANTINE_SECONDS);
    let restarted = process(&url, &clock).await;
    for engine in [&first, &second, &restarted] {
        let (per_hour, sources) = result(engine).await;
        is(per_hour, 600.0);
        let want = [
            (Source::Ca, waiting),
            (Source::Log, waiting),
            (Source::Metrics, None),
        ];
        assert_eq!(sources, want);
    }
    // A week later they are believed, by every process and the next one: as far as three that differ are.
    clock.set(NOW + QUARANTINE_SECONDS + 1);
    for engine in [&first, &second, &process(&url, &clock).await] {
        let (per_hour, sources) = result(engine).await;
        assert!(
            sources.iter().all(|(_, until)| until.is_none()),
            "{sources:?}"
        );
        is(per_hour, 50_000.0 * 1.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_are_new_the_better_kind_counts_at_once() {
    let database = fresh_sqlite();
    let clock = Arc::new(ManualClock::at(NOW - 10 * DAY));
    let engine = process(&database.url(), &clock).await;
    // Who is known and tells failures alone has no say in how much there is.
    let mut failures = weeks(Source::Ct, 9);
    for one in &mut failures {
        one.kind = Kind::Failed;
    }
    hand_in(&engine, &failures).await;
    clock.set(NOW);
    hand_in(&engine, &weeks(Source::Metrics, 600)).await;
    hand_in(&engine, &weeks(Source::Ca, 900)).await;
    is(result(&engine).await.0, 900.0);
    // Three of them, none of them known: who is far from the others moves nothing far.
    hand_in(&engine, &weeks(Source::Log, 650)).await;
    is(result(&engine).await.0, 650.0 * 1.1);
}
