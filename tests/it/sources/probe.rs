//! Asking a CA from outside, and telling an outage by what several observers say.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::moves::incident::{Incident, State};
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::clock::ManualClock;
use offpeak::engine::{Engine, SourceState};
use offpeak::source::probe::watch;
use offpeak::source::read_once;
use offpeak::store::{ClosedBatch, Migrations, connect};

use crate::support::{FreshSqlite, fresh_sqlite};
use crate::tools::real_data;

async fn engine(text: &str, at: Timestamp) -> (Arc<Engine>, Arc<ManualClock>, FreshSqlite) {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(at));
    let engine = Engine::open(store, Config::parse(text).unwrap(), Arc::clone(&clock) as _).await;
    (engine.unwrap(), clock, database)
}

async fn store_rows(engine: &Engine, rows: &[Observation]) {
    let store = engine.store();
    let batch = store.open_batch(engine.now()).await.unwrap();
    store.append_batch(batch, rows).await.unwrap();
    let closed = ClosedBatch {
        sha256: [0; 32],
        report: "{}".to_owned(),
    };
    store
        .close_batch(batch, None, &closed, engine.now())
        .await
        .unwrap();
}

async fn outages(engine: &Engine) -> Vec<Incident> {
    engine.store().incidents().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_is_asked_for_its_directory_and_a_nonce() {
    let well = Arc::new(AtomicBool::new(true));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (result, nonce) = (
        Arc::clone(&well),
        format!("{{\"newNonce\":\"{url}/nonce\"}}"),
    );
    let directory = move || async move {
        if result.load(Ordering::SeqCst) {
            (StatusCode::OK, nonce)
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    };
    let router = Router::new()
        .route("/directory", get(directory))
        .route("/nonce", get(async || StatusCode::NO_CONTENT));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "[[source]]\nname = \"oslo\"\nca = \"default\"\nkind = \"probe\"\nurl = \"{url}/directory\"\n\
         contact = \"mailto:ops@example.org\"\n"
    );
    let now: Timestamp = "2026-11-28T12:00:10Z".parse().unwrap();
    let (engine, clock, _database) = engine(&text, now).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    well.store(false, Ordering::SeqCst);
    clock.set(now + 60);
    read_once(&engine, &source).await.unwrap();
    clock.set(now + 120);
    engine.catch_up().await.unwrap();
    let live = engine.live(&CaName::default()).unwrap();
    let rates = |endpoint: &str| -> Vec<Option<f64>> {
        let of =
            |one: &&offpeak::domain::status::LiveSeries| one.endpoint.as_deref() == Some(endpoint);
        let series = live.iter().find(of).unwrap();
        assert_eq!(
            (series.source, series.vantage.as_deref()),
            (Source::Observer, Some("oslo"))
        );
        let minutes = series.points.iter().rev().take(2).rev();
        minutes
            .map(|point| point.and_then(|point| point.failure_rate))
            .collect()
    };
    assert_eq!(rates("directory"), [Some(0.0), Some(1.0)]);
    assert_eq!(rates("new-nonce"), [Some(0.0), None]);
}

/// In an outage a CA, or what stands before it, says when to come again; what is asked then is what tells when it
/// is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_says_when_to_come_again_is_asked_on() {
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counted = Arc::clone(&asked);
    let directory = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "3600")])
    };
    let router = Router::new().route("/directory", get(directory));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let text = format!(
        "[[source]]\nname = \"oslo\"\nca = \"default\"\nkind = \"probe\"\nurl = \"{url}/directory\"\n\
         contact = \"mailto:ops@example.org\"\nevery = \"5s\"\n"
    );
    let now: Timestamp = "2026-11-28T12:00:10Z".parse().unwrap();
    let (engine, _clock, _database) = engine(&text, now).await;
    let following = tokio::spawn(offpeak::source::follow(Arc::clone(&engine)));
    let twice = async {
        while asked.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let twice = tokio::time::timeout(Duration::from_mins(1), twice).await;
    following.abort();
    twice.expect("it is not asked again");
    let report = &engine.source_reports()[0];
    assert_eq!(report.state, SourceState::Reading);
}

/// An outage is told by two failing minutes in a row: whoever asks less often would never see one.
#[test]
fn a_probe_that_detects_outages_asks_each_minute() {
    let with = |every: &str| {
        Config::parse(&format!(
            "[[source]]\nname = \"oslo\"\nca = \"default\"\nkind = \"probe\"\n\
             url = \"https://ca.example/directory\"\ncontact = \"mailto:ops@example.org\"\n\
             outage_quorum = 2\nevery = \"{every}\"\n"
        ))
    };
    assert!(with("1m").is_ok());
    let faults = with("5m").unwrap_err();
    assert!(faults[0].to_string().contains("every"), "{faults:?}");
}

/// What four monitors published of an outage: between the instants, each tried every half minute with the
/// same outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outage_of_june_2020_is_seen_and_over_within_two_minutes() {
    let Some(file) = real_data("outage/keychest-2020-06-25.csv") else {
        return;
    };
    let mut published: Vec<(String, Timestamp, bool)> = Vec::new();
    for line in fs::read_to_string(file).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        published.push((
            fields[0].to_owned(),
            fields[1].parse().unwrap(),
            fields[3] == "failed",
        ));
    }
    let failed = published.iter().map(|(_, at, _)| *at).min().unwrap();
    let back = published.iter().find(|(.., failed)| !failed).unwrap().1;
    let outcome = |vantage: &str, at: Timestamp| {
        let before = published
            .iter()
            .filter(|(of, when, _)| of == vantage && *when <= at);
        before
            .max_by_key(|(_, when, _)| *when)
            .is_some_and(|(.., failed)| *failed)
    };
    let begin = failed - 600;
    let begin = begin - begin.second_of_day() % 60;
    let (engine, clock, _database) = engine("retention = \"3650d\"", begin).await;
    let (mut opened, mut closed) = (None, None);
    for step in 0..90 {
        let now = begin + step * 30;
        clock.set(now);
        let mut rows = Vec::new();
        for vantage in ["n-virginia", "frankfurt", "singapore", "mumbai"] {
            let line = |kind, count| Observation {
                vantage: Some(vantage.to_owned()),
                endpoint: Some("new-order".to_owned()),
                ..Observation::plain(
                    now - now.second_of_day() % 60,
                    Source::Observer,
                    kind,
                    count,
                )
            };
            rows.push(line(Kind::Attempt, 1));
            rows.push(line(Kind::Failed, u64::from(outcome(vantage, now))));
        }
        store_rows(&engine, &rows).await;
        watch(&engine, &CaName::default(), 2).await.unwrap();
        match outages(&engine).await.first().map(|one| one.state) {
            Some(State::Closed) => closed = closed.or(Some(now)),
            Some(_) => opened = opened.or(Some(now)),
            None => {}
        }
    }
    let (opened, closed) = (opened.unwrap(), closed.unwrap());
    assert!(
        (0..=120).contains(&(opened - failed)),
        "{} s",
        opened - failed
    );
    assert!((0..=120).contains(&(closed - back)), "{} s", closed - back);
    assert_eq!(outages(&engine).await.len(), 1);
}

/// A week in which each of four observers fails one try in fifty by itself, and one of them for hours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_week_raises_no_alarm() {
    let begin: Timestamp = "2026-11-16T00:00:00Z".parse().unwrap();
    let (engine, clock, _database) = engine("", begin).await;
    let mut state = 7_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 33
    };
    let mut rows = Vec::new();
    for minute in 0..7 * DAY / 60 {
        let at = begin + minute * 60;
        for vantage in 0..4 {
            let away = vantage == 3 && (1_000..1_300).contains(&minute);
            let failed = (0..2).filter(|_| away || random() % 50 == 0).count() as u64;
            let line = |kind, count| Observation {
                vantage: Some(vantage.to_string()),
                endpoint: Some("directory".to_owned()),
                ..Observation::plain(at, Source::Observer, kind, count)
            };
            rows.push(line(Kind::Attempt, 2));
            rows.push(line(Kind::Failed, failed));
        }
        // Looked at every quarter of an hour here, at the minutes in which somebody failed as well.
        if minute % 15 == 14
            || rows
                .iter()
                .rev()
                .take(8)
                .filter(|one| one.kind == Kind::Failed && one.count > 0)
                .count()
                > 1
        {
            clock.set(at + 59);
            store_rows(&engine, &rows).await;
            rows.clear();
            watch(&engine, &CaName::default(), 2).await.unwrap();
        }
    }
    assert!(outages(&engine).await.is_empty());
}
