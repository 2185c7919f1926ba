//! Copies of a log beside it, files that nobody can read, and a log that falls silent.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::demand::observation::Kind;
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::status::LiveSeries;
use offpeak::engine::clock::ManualClock;
use offpeak::engine::{Engine, SourceState};
use offpeak::source::read_once;
use offpeak::store::{Migrations, connect};

use super::log::{Case, observed};
use super::log_odd::{known_minutes, order};
use crate::support::fresh_sqlite;

/// Orders of an hour, one a second.
fn orders(count: u32) -> String {
    let line = |number| {
        let time = format!("12:{:02}:{:02}", number / 60, number % 60);
        order("-", 28, &time)
    };
    (0..count).map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_not_whole_yet_is_no_other_log() {
    let mut case = Case::new("nginx-combined").await;
    let text = orders(1_000);
    case.append("acme.log", &text);
    case.read().await.unwrap();
    // As `copytruncate` copies for a while: half, all with some lines more, and only then the log is empty.
    fs::write(case.path("acme.log.1"), &text[..text.len() / 2]).unwrap();
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_000, "half a copy");
    case.append("acme.log", &order("-", 28, "12:50:00"));
    fs::copy(case.path("acme.log"), case.path("acme.log.1")).unwrap();
    fs::write(case.path("acme.log"), "").unwrap();
    case.append("acme.log", &order("-", 28, "12:51:00"));
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_002, "a whole copy");
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_002);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_next_to_the_log_is_not_counted_again() {
    let mut case = Case::new("nginx-combined").await;
    case.append("acme.log", &orders(1_000));
    case.read().await.unwrap();
    fs::copy(case.path("acme.log"), case.path("acme.log.bak")).unwrap();
    for number in 1..4 {
        case.append("acme.log", &order("-", 28, "12:50:00"));
        case.read().await.unwrap();
        case.restart().await;
        case.read().await.unwrap();
        assert_eq!(case.count(Kind::Attempt).await, 1_000 + number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_file_that_nobody_can_read_stops_no_log() {
    let mut case = Case::new("nginx-combined").await;
    case.clock.set("2026-11-20T12:00:30Z".parse().unwrap());
    case.append("acme.log", &order("-", 20, "12:00:00"));
    case.read().await.unwrap();
    fs::remove_file(case.path("acme.log")).unwrap();
    fs::write(case.path("acme.log.1.gz"), "packed onto a full disk").unwrap();
    case.append("acme.log", &order("-", 21, "06:00:00"));
    case.clock.set("2026-11-21T06:00:30Z".parse().unwrap());
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 2);
    assert_eq!(case.engine.source_reports()[0].state, SourceState::Reading);
    // What it said is unknown.
    assert_eq!(known_minutes(&case, "2026-11-20T13:00:00Z", 16).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotated_files_may_be_packed_with_zstandard() {
    let mut case = Case::new("nginx-combined").await;
    let text = orders(1_000);
    let pack = |text: &str| zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    // One that was there before, of two frames.
    let (early, late) = text.split_at(text.len() / 2 / 100 * 100);
    fs::write(
        case.path("acme.log.2.zst"),
        [pack(early), pack(late)].concat(),
    )
    .unwrap();
    case.append("acme.log", &order("-", 28, "12:50:00"));
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_001);
    // Rotated and packed amid a line that was not read: as it is being written, and then whole.
    case.append("acme.log", &order("-", 28, "12:51:00"));
    let rotated = fs::read_to_string(case.path("acme.log")).unwrap();
    fs::write(case.path("acme.log"), "").unwrap();
    let packed = pack(&rotated);
    fs::write(case.path("acme.log.1.zst"), &packed[..packed.len() / 2]).unwrap();
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_001);
    fs::write(case.path("acme.log.1.zst"), &packed).unwrap();
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_002);
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1_002);
}

/// However short slots are: what lies before the first line and behind the last one is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zeros_are_reported_only_for_what_was_read() {
    let case = Case::new("nginx-combined").await;
    case.clock.set("2026-11-28T12:23:00Z".parse().unwrap());
    for time in ["12:07:10", "12:22:30"] {
        case.append("acme.log", &order("-", 28, time));
    }
    // Of a clock that is ahead of ours.
    case.append("acme.log", &order("-", 28, "12:58:00"));
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-28T11:00:00Z", 3).await, 16);
    let observed = case.observed().await;
    let (first, last) = ("2026-11-28T12:07:00Z", "2026-11-28T12:23:00Z");
    let within = observed.iter().all(|one| {
        one.at >= first.parse().unwrap() && one.at + i64::from(one.seconds) <= last.parse().unwrap()
    });
    assert!(within, "{observed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_believed_for_a_day_and_longer_once_it_is_over() {
    let mut case = Case::new("nginx-combined").await;
    case.clock.set("2026-11-14T12:00:30Z".parse().unwrap());
    case.append("acme.log", &order("-", 14, "12:00:00"));
    case.read().await.unwrap();
    case.clock.set("2026-11-15T11:00:00Z".parse().unwrap());
    case.read().await.unwrap();
    assert_eq!(
        known_minutes(&case, "2026-11-14T12:00:00Z", 23).await,
        1_380
    );
    case.clock.set("2026-11-20T00:00:00Z".parse().unwrap());
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-15T13:00:00Z", 107).await, 0);
    case.append("acme.log", &order("-", 20, "00:30:00"));
    case.clock.set("2026-11-20T00:31:00Z".parse().unwrap());
    case.read().await.unwrap();
    assert_eq!(
        known_minutes(&case, "2026-11-15T13:00:00Z", 107).await,
        107 * 60
    );
}

/// Two front ends write what is one CA's load, each its part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_one_vantage_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let source = |name: &str| {
        let path = folder.path().join(name);
        let text: String = (0..6)
            .map(|at| order("-", 28, &format!("12:01:0{at}")))
            .collect();
        fs::write(&path, text).unwrap();
        format!(
            "[[source]]\nname = \"{name}\"\nca = \"default\"\nkind = \"log\"\npath = \"{}\"\n\
             format = \"nginx-combined\"\nvantage = \"fronts\"\n",
            path.display()
        )
    };
    let text = source("f1") + &source("f2");
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at("2026-11-28T12:02:30Z".parse().unwrap()));
    let engine = Engine::open(store, Config::parse(&text).unwrap(), clock);
    let engine = engine.await.unwrap();
    for source in engine.config().sources.clone() {
        read_once(&engine, &source).await.unwrap();
    }
    let all = observed(&engine).await;
    let vantages = all.iter().map(|one| one.vantage.as_deref());
    assert_eq!(
        vantages.collect::<BTreeSet<_>>(),
        BTreeSet::from([Some("fronts")])
    );
    let orders = all.iter().filter(|one| one.kind == Kind::Attempt);
    assert_eq!(orders.map(|one| one.count).sum::<u64>(), 12);
    // One series, as if one had told all of it.
    engine.catch_up().await.unwrap();
    let live = engine.live(&CaName::default()).unwrap();
    let orders = |one: &&LiveSeries| one.endpoint.as_deref() == Some("new-order");
    assert_eq!(live.iter().filter(orders).count(), 1, "{live:?}");
}

/// A registration authority sees no orders: what it does not tell is unknown, and its certificates are the load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_reports_zeros_only_for_what_it_alone_sees() {
    let case = Case::new("boulder-ra").await;
    for minute in [0, 20] {
        let line = format!(
            "2026-11-28T12:{minute:02}:30Z 6 boulder-ra x [AUDIT] Certificate request - successful JSON={{}}\n"
        );
        case.append("acme.log", &line);
    }
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Issued).await, 2);
    let observed = case.observed().await;
    assert!(
        observed
            .iter()
            .any(|one| one.kind == Kind::Issued && one.count == 0)
    );
    assert!(
        observed.iter().all(|one| one.kind != Kind::Attempt),
        "{observed:?}"
    );
}
