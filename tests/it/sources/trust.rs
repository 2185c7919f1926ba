//! Who is believed how far.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::demand::series::trust::DISAGREEMENT;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::ranking::{MOST_MOVE, Times, rank};
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

/// The weights, by the slot.
fn weights_of(ranking: &[u8]) -> Vec<f64> {
    let ranking: serde_json::Value = serde_json::from_slice(ranking).unwrap();
    let slots = ranking["slots"].as_array().unwrap();
    slots
        .iter()
        .map(|slot| slot["weight"].as_f64().unwrap())
        .collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever it says it is, whatever it counts, and since whenever.
    #[test]
    fn one_wholly_malicious_source_of_five_moves_no_weight_further_than_the_cap(
        kind in proptest::sample::select(vec![
            Source::Ca, Source::Log, Source::Metrics, Source::Ct, Source::Import, Source::Observer,
        ]),
        counts in proptest::collection::vec(0_u64..1_000_000, 24),
        days in 1..=DAYS,
    ) {
        let now = Timestamp::from_unix(START + DAYS * DAY);
        let policy = CaPolicy::named("example".parse().unwrap());
        let mut series = Series::default();
        let line = |hour: i64, source, vantage: &str, count| Observation {
            seconds: 3_600,
            vantage: Some(vantage.to_owned()),
            ..Observation::plain(Timestamp::from_unix(START + hour * HOUR), source, Kind::Attempt, count)
        };
        for hour in 0..DAYS * 24 {
            for vantage in ["a", "b", "c", "d"] {
                series.add(&line(hour, Source::Metrics, vantage, honest(hour)));
            }
        }
        let times = Times::new(now, DAY);
        let before = rank(None, &Profile::learn(&series, now, HOUR, &[]), &policy, &times);
        for hour in (DAYS - days) * 24..DAYS * 24 {
            let count = counts[usize::try_from(hour % 24).unwrap()];
            series.add(&line(hour, kind, "e", count));
        }
        let profile = Profile::learn(&series, now, HOUR, &[]);
        let after = rank(Some(&before), &profile, &policy, &times);
        let (before, after) = (weights_of(&before), weights_of(&after));
        proptest::prop_assert!((after.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        // It would have to be a better kind, and to have been there for a week.
        let is_heard = matches!(kind, Source::Ca | Source::Log) && days >= 7;
        let cap = if is_heard { MOST_MOVE / 24.0 } else { 0.0 };
        for (before, after) in before.iter().zip(&after) {
            proptest::prop_assert!((before - after).abs() <= cap + 1e-9, "{kind}: {before} {after}");
        }
    }
}

#[test]
fn a_new_source_waits_for_a_week_if_another_reports() {
    let now = Timestamp::from_unix(START + DAYS * DAY);
    let line = |hour: i64, source, count| Observation {
        seconds: 3_600,
        ..Observation::plain(
            Timestamp::from_unix(START + hour * HOUR),
            source,
            Kind::Attempt,
            count,
        )
    };
    let mut series = Series::default();
    for hour in 0..DAYS * 24 {
        series.add(&line(hour, Source::Metrics, honest(hour)));
    }
    let usual = Profile::learn(&series, now, HOUR, &[]);
    for hour in (DAYS - 6) * 24..DAYS * 24 {
        series.add(&line(hour, Source::Ca, malicious(hour)));
    }
    assert_eq!(
        Profile::learn(&series, now, HOUR, &[]).version,
        usual.version
    );
    let heard = series.sources(now);
    assert_eq!(heard[0].quarantined_until, Some(now + DAY));
    assert_eq!(heard[1].quarantined_until, None);
    // A day later it is believed, and where it is alone from the first.
    let later = Profile::learn(&series, now + DAY, HOUR, &[]);
    assert_ne!(
        later.version,
        Profile::learn(&Series::default(), now, HOUR, &[]).version
    );
    assert!(later.mean_per_hour() > 2.0 * usual.mean_per_hour());
    let mut alone = Series::default();
    for hour in (DAYS - 6) * 24..DAYS * 24 {
        alone.add(&line(hour, Source::Ca, honest(hour)));
    }
    assert!(Profile::learn(&alone, now, HOUR, &[]).knows_anything());
}

#[test]
fn sources_that_should_agree_are_compared() {
    let now = Timestamp::from_unix(START + DAYS * DAY);
    let mut series = Series::default();
    for hour in (DAYS - 2) * 24..DAYS * 24 {
        for (vantage, factor) in [("a", 100), ("b", 101), ("c", 200)] {
            series.add(&Observation {
                seconds: 3_600,
                vantage: Some(vantage.to_owned()),
                ..Observation::plain(
                    Timestamp::from_unix(START + hour * HOUR),
                    Source::Log,
                    Kind::Attempt,
                    honest(hour) * factor / 100,
                )
            });
        }
    }
    let result = series.disagreements(now);
    let of = |vantage: &str| {
        let found = result
            .iter()
            .find(|one| one.vantage.as_deref() == Some(vantage));
        found.unwrap().share
    };
    assert!(of("a") < 0.02 && of("b") < 0.02, "{result:?}");
    assert!(
        of("c") > DISAGREEMENT && (of("c") - 0.98).abs() < 0.02,
        "{result:?}"
    );
    // What is alone, or only a part of the load, is not compared.
    let mut alone = Series::default();
    for source in [
        Source::Ca,
        Source::Registrations,
        Source::Ct,
        Source::Observer,
    ] {
        for hour in (DAYS - 2) * 24..DAYS * 24 {
            let at = Timestamp::from_unix(START + hour * HOUR);
            alone.add(&Observation {
                seconds: 3_600,
                ..Observation::plain(at, source, Kind::Issued, 50)
            });
        }
    }
    assert!(alone.disagreements(now).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_can_be_pinned_and_taken_back() {
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), crate::server::config()).await;
    let now = server.engine.now();
    let result = async |from: i64, count: fn(i64) -> u64| {
        let lines: Vec<String> = (from..from + 14 * 24)
            .map(|ago| {
                let at = now - (14 * 24 + from - ago) * HOUR + from * HOUR;
                let count = count(at.unix() / HOUR);
                format!(r#"{{"at":"{at}","ca":"example","kind":"attempt","count":{count},"seconds":3600}}"#)
            })
            .collect();
        let request = server.as_admin(reqwest::Method::POST, "/v1/observations");
        let request = request.header("content-type", "application/x-ndjson");
        let answer = request.body(lines.join("\n")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    };
    let version = async || {
        server.engine.catch_up().await.unwrap();
        server.engine.publish().await.unwrap();
        let ranking = server.get("/ca/example/ranking.json").await;
        let ranking: serde_json::Value = crate::server::json(ranking).await;
        ranking["modelVersion"].as_str().unwrap().to_owned()
    };
    result(0, honest).await;
    let good = version().await;
    server.clock.set(now + 14 * DAY);
    result(14 * 24, malicious).await;
    let bad = version().await;
    assert_ne!(good, bad);
    let mut config = crate::server::config();
    for ca in &mut config.cas {
        ca.learn_until = Some(now);
    }
    server.engine.reconfigure(config).await.unwrap();
    assert_eq!(
        version().await,
        good,
        "as it was then, from all that was known by then"
    );
    server
        .engine
        .reconfigure(crate::server::config())
        .await
        .unwrap();
    assert_eq!(version().await, bad);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_disagree_raise_an_alarm() {
    let server = TestServer::start().await;
    let now = server.engine.now();
    let disagree = async |factor: u64| {
        let lines: Vec<String> = (1..=30)
            .flat_map(|ago| {
                let line = move |vantage: &str, count: u64| {
                    format!(
                        r#"{{"at":"{}","ca":"example","source":"log","vantage":"{vantage}","kind":"attempt","count":{count},"seconds":3600}}"#,
                        now - ago * HOUR
                    )
                };
                [line("a", 100), line("b", 100 * factor)]
            })
            .collect();
        let request = server.as_admin(reqwest::Method::POST, "/v1/observations");
        let request = request.header("content-type", "application/x-ndjson");
        let answer = request.body(lines.join("\n")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        server.engine.catch_up().await.unwrap();
        let status: serde_json::Value =
            crate::server::json(server.get("/v1/status?ca=example").await).await;
        status["cas"][0]["sourcesDisagree"].as_bool().unwrap()
    };
    assert!(!disagree(1).await);
    // 200 beside 100 + 300: a third from the middle.
    assert!(disagree(3).await);
    let overview = server.as_admin(reqwest::Method::GET, "/v1/overview");
    let overview: serde_json::Value = crate::server::json(overview.send().await.unwrap()).await;
    for source in overview["cas"][0]["sources"].as_array().unwrap() {
        assert_eq!(source["disagreement"], 0.333, "{source}");
        assert!(source["quarantinedUntil"].is_string(), "{source}");
    }
}
