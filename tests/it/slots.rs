//! What is told of each slot beside its load: failures against an objective, retries, latency, and how
//! the busiest slot has moved.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::{Basis, Profile};
use offpeak::domain::demand::series::Series;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::ranking::{Times, rank};
use offpeak::domain::status::{Evidence, IsoWeek};
use offpeak::domain::time::{DAY, HOUR, MINUTE, WEEK};
use reqwest::Method;
use serde_json::{Value, json};

use crate::load::{NOW, at, hour_of, hourly, line};
use crate::server::{self, TestServer};

fn ranking(series: &Series, slot_seconds: i64, objective: Option<f64>) -> Value {
    let profile = Profile::learn(series, at(NOW), slot_seconds, &[]);
    let policy = CaPolicy {
        objective,
        ..CaPolicy::named("example".parse().unwrap())
    };
    let bytes = rank(None, &profile, &policy, &Times::new(at(NOW), DAY));
    serde_json::from_slice(&bytes).unwrap()
}

/// Two weeks of 10,000 attempts an hour, of which so many fail as `failed` says of the hour.
fn failing(failed: impl Fn(usize) -> u64) -> Series {
    let mut series = hourly(14, |_| 10_000);
    for hour in -14 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        series.add(&line(from, HOUR, Kind::Failed, failed(hour_of(from))));
    }
    series
}

#[test]
fn a_slot_under_its_objective_is_flagged() {
    // Of every ten new orders at one o'clock one fails.
    let series = failing(|hour| if hour == 1 { 1_000 } else { 20 });
    let report = ranking(&series, HOUR, Some(0.99));
    for (hour, slot) in report["slots"].as_array().unwrap().iter().enumerate() {
        assert_eq!(slot["sloMet"], json!(hour != 1), "{slot}");
    }
    assert_eq!(report["slots"][1]["failureRate"], 0.1);
    let at_ease = ranking(&series, HOUR, Some(0.9));
    assert_eq!(at_ease["slots"][1]["sloMet"], true);
    // Nobody says what is to be reached, or nobody tells of failures.
    assert_eq!(
        ranking(&series, HOUR, None)["slots"][1]["sloMet"],
        Value::Null
    );
    let unknown = ranking(&hourly(14, |_| 10_000), HOUR, Some(0.99));
    assert_eq!(unknown["slots"][1]["sloMet"], Value::Null);
    // One failure of fourteen attempts may be chance.
    let mut few = hourly(14, |from| u64::from(hour_of(from) == 5));
    few.add(&line(at(NOW) - DAY + 5 * HOUR, HOUR, Kind::Failed, 1));
    assert_eq!(ranking(&few, HOUR, Some(0.95))["slots"][5]["sloMet"], true);
}

#[test]
fn timeouts_of_a_quarter_of_an_hour_are_isolated() {
    // Of 1,000 timeouts a day 987 between 01:00 and 01:15, and 13 over the rest of the day.
    let mut series = Series::default();
    for quarter in -14 * 96..0 {
        let from = at(NOW) + quarter * 15 * MINUTE;
        let of_day = from.second_of_day() / (15 * MINUTE);
        let failed = match of_day {
            4 => 987,
            20..=32 => 1,
            _ => 0,
        };
        series.add(&line(from, 15 * MINUTE, Kind::Attempt, 2_000));
        series.add(&line(from, 15 * MINUTE, Kind::Failed, failed));
    }
    let report = ranking(&series, 15 * MINUTE, Some(0.99));
    let slots = report["slots"].as_array().unwrap();
    let missed: Vec<&Value> = slots
        .iter()
        .filter(|slot| slot["sloMet"] == false)
        .collect();
    assert_eq!(missed.len(), 1, "{missed:?}");
    assert_eq!(
        (&missed[0]["start"], &missed[0]["end"]),
        (&json!("01:00"), &json!("01:15"))
    );
    let rate = |slot: &Value| slot["failureRate"].as_f64().unwrap();
    let all: f64 = slots.iter().map(rate).sum();
    assert!(
        (rate(missed[0]) / all - 0.987).abs() < 0.02,
        "{}",
        rate(missed[0]) / all
    );
}

#[test]
fn retries_of_the_next_day_are_told_apart() {
    // A thousand come for the first time at each hour. On three days of seven all of those at one
    // o'clock fail, and come again the next day: of 10,000 attempts in a week 3,000 are retries.
    let fails = |day: i64| matches!(day.rem_euclid(7), 0 | 2 | 4);
    let mut series = Series::default();
    for day in -21..0 {
        for hour in 0..24 {
            let from = at(NOW) + day * DAY + hour * HOUR;
            let again = if hour == 1 && fails(day - 1) {
                1_000
            } else {
                0
            };
            let failed = if hour == 1 && fails(day) { 1_000 } else { 0 };
            series.add(&line(from, HOUR, Kind::Attempt, 1_000 + again));
            series.add(&line(from, HOUR, Kind::Failed, failed));
        }
    }
    let report = ranking(&series, HOUR, None);
    for (hour, slot) in report["slots"].as_array().unwrap().iter().enumerate() {
        let want = if hour == 1 { 0.3 } else { 0.0 };
        let got = slot["retryShare"].as_f64().unwrap();
        assert!((got - want).abs() < 0.02, "{hour}: {got}");
    }
    // Who tells of no failures, tells of no retries.
    let unknown = ranking(&hourly(21, |_| 1_000), HOUR, None);
    assert_eq!(unknown["slots"][1]["retryShare"], Value::Null);
}

#[test]
fn a_peak_that_moved_from_midnight_to_one_is_reported_once() {
    let moved_at = at(NOW) - 35 * DAY;
    let series = hourly(70, |from| {
        let peak = usize::from(from >= moved_at);
        // What chance makes of it, too.
        let noise = (from.unix() / HOUR).unsigned_abs() * 7_919 % 100;
        if hour_of(from) == peak {
            3_000 + noise
        } else {
            1_000 + noise
        }
    });
    let report = ranking(&series, HOUR, None);
    assert_eq!(report["peak"]["start"], "01:00");
    assert_eq!(report["slots"][1]["rank"], 24);
    let history = report["peakHistory"].as_array().unwrap();
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!(
        (&history[0]["from"], &history[0]["to"]),
        (&json!("00:00"), &json!("01:00"))
    );
    let seen: i64 = at(history[0]["at"].as_str().unwrap()) - moved_at;
    assert!((0..=8 * DAY).contains(&seen), "{seen}");
    assert_eq!(
        ranking(
            &hourly(70, |from| 1_000 + 500 * u64::from(hour_of(from) == 3)),
            HOUR,
            None
        )["peakHistory"],
        json!([])
    );
}

#[test]
fn what_is_issued_is_not_called_demand() {
    let of = |source: Source, kind: Kind| {
        let mut series = Series::default();
        for hour in -14 * 24..0 {
            series.add(&Observation {
                seconds: 3_600,
                ..Observation::plain(at(NOW) + hour * HOUR, source, kind, 500)
            });
        }
        ranking(&series, HOUR, None)["basis"].clone()
    };
    assert_eq!(of(Source::Ca, Kind::Attempt), "demand");
    assert_eq!(of(Source::Ct, Kind::Issued), "issuance");
    assert_eq!(of(Source::Observer, Kind::Attempt), Value::Null);
    let both = Profile::learn(&hourly(14, |_| 10), at(NOW), HOUR, &[]);
    assert_eq!(Profile::combine(&[&both, &both]).basis, Some(Basis::Demand));
}

#[test]
fn minutes_sum_to_hours_and_hours_to_the_week() {
    let mut series = Series::default();
    let mut hours = vec![0_u64; 168];
    for minute in 0..WEEK / MINUTE {
        let count = (minute * 7_919 % 83).unsigned_abs();
        hours[usize::try_from(minute / 60).unwrap()] += count;
        series.add(&line(
            at(NOW) - WEEK + minute * MINUTE,
            MINUTE,
            Kind::Attempt,
            count,
        ));
    }
    let evidence = Evidence {
        series: &series,
        incidents: &[],
        now: at(NOW),
    };
    let week = evidence.weekly(IsoWeek::of(at(NOW) - 1));
    assert_eq!(week, evidence.weekly(IsoWeek::of(at(NOW) - 1)));
    let all: u64 = hours.iter().sum();
    let real = |count: u64| f64::from(u32::try_from(count).unwrap());
    let mean = real(all) / 168.0;
    let mut sum = 0.0;
    for (hour, want) in week.hours.iter().zip(&hours) {
        let load = hour.load.unwrap() * mean;
        assert!((load - real(*want)).abs() < 1e-6, "{load} {want}");
        sum += load;
    }
    assert!((sum - real(all)).abs() < 1e-6);
    let profile = Profile::learn(&series, at(NOW), HOUR, &[]);
    assert!((profile.mean_per_hour() - mean).abs() < 1e-6 * mean);
}

#[test]
fn a_dimension_is_reported_by_slot_and_moves_no_volume() {
    let plain = hourly(14, |_| 1_000);
    let mut series = plain.clone();
    for hour in -14 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        for (dimension, failed) in [("secondary", 300), ("dns:example", 10)] {
            for (kind, count) in [(Kind::Attempt, 1_000), (Kind::Failed, failed)] {
                let busy = hour_of(from) == 1;
                series.add(&Observation {
                    dimension: Some(dimension.to_owned()),
                    latency_p95_ms: Some(if busy { 4_000.0 } else { 300.0 }),
                    ..line(
                        from,
                        HOUR,
                        kind,
                        if busy || kind == Kind::Attempt {
                            count
                        } else {
                            1
                        },
                    )
                });
            }
        }
    }
    let (with, without) = (ranking(&series, HOUR, None), ranking(&plain, HOUR, None));
    assert_eq!(with["modelVersion"], without["modelVersion"]);
    assert_eq!(
        with["slots"][1]["dimensions"],
        json!([
            {"name": "dns:example", "failureRate": 0.01, "latencyP95Ms": 4_000.0},
            {"name": "secondary", "failureRate": 0.3, "latencyP95Ms": 4_000.0},
        ])
    );
    assert_eq!(with["slots"][2]["dimensions"][1]["failureRate"], 0.001);
    for slot in 0..24 {
        for key in ["coefficient", "weight", "failureRate", "coverage"] {
            assert_eq!(
                with["slots"][slot][key], without["slots"][slot][key],
                "{slot} {key}"
            );
        }
    }
    assert_eq!(without["slots"][1]["dimensions"], Value::Null);
}

#[test]
fn errors_are_counted_by_their_urn_and_latency_by_endpoint() {
    let mut series = Series::default();
    let dns = "urn:ietf:params:acme:error:dns";
    let other = "urn:ietf:params:acme:error:connection";
    for minute in -24 * 60..0 {
        let from = at(NOW) + minute * MINUTE;
        let busy = hour_of(from) == 1;
        for (endpoint, latency) in [("new-order", 900.0), ("finalize", 5_000.0)] {
            series.add(&Observation {
                endpoint: Some(endpoint.to_owned()),
                latency_p95_ms: Some(if busy { 2.0 * latency } else { latency }),
                ..line(from, MINUTE, Kind::Attempt, 10)
            });
        }
        for (urn, count) in [(dns, 8), (other, u64::from(minute == -23 * 60))] {
            series.add(&Observation {
                error_type: Some(urn.to_owned()),
                ..line(from, MINUTE, Kind::Failed, if busy { count } else { 0 })
            });
        }
    }
    // Of all failures those of this one day, at midnight a day old: half of a fourteenth of a half-life.
    let parts = Profile::learn(&series, at(NOW), HOUR, &[]).parts;
    let failed_at = |urn: &str, hour: usize| parts.error_types[urn][hour].failed;
    let failed = |urn: &str| failed_at(urn, 1);
    assert!(
        (failed(dns) / failed(other) - 480.0).abs() < 1e-6,
        "{}",
        failed(dns)
    );
    assert!(failed_at(dns, 2).abs() < 1e-9);
    let p95 = |endpoint: &str, hour: usize| parts.endpoints[endpoint][hour].latency_p95_ms;
    assert_eq!(
        (p95("new-order", 1), p95("new-order", 2)),
        (Some(1_800.0), Some(900.0))
    );
    assert_eq!(
        (p95("finalize", 1), p95("finalize", 2)),
        (Some(10_000.0), Some(5_000.0))
    );
}

#[test]
fn the_first_half_minute_of_an_hour_has_an_index() {
    let mut series = Series::default();
    for minute in -24 * 60..0 {
        let from = at(NOW) + minute * MINUTE;
        if minute % 60 == 0 {
            series.add(&line(from, 30, Kind::Attempt, 4_130));
            series.add(&line(from + 30, 30, Kind::Attempt, 70));
        } else {
            series.add(&line(from, MINUTE, Kind::Attempt, 70));
        }
    }
    // 4,130 of 4,200 + 59 · 70 = 8,330.
    let report = ranking(&series, HOUR, None);
    assert_eq!(report["syncIndex"], json!(0.496));
    assert_eq!(
        ranking(&hourly(14, |_| 4_200), HOUR, None)["syncIndex"],
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_map_and_the_windows_name_one_model() {
    const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    let server = TestServer::start().await;
    let now = server.engine.now();
    let lines: Vec<String> = (1..=14 * 24)
        .map(|ago| {
            let at = now - ago * HOUR;
            let count = if hour_of(at) == 1 { 3_000 } else { 1_000 };
            json!({"at": at, "ca": "example", "kind": "attempt", "count": count, "seconds": 3_600})
                .to_string()
        })
        .collect();
    let request = server.as_admin(Method::POST, "/v1/observations");
    let request = request.header("content-type", "application/x-ndjson");
    assert_eq!(
        request
            .body(lines.join("\n"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    server.engine.catch_up().await.unwrap();
    server.engine.publish().await.unwrap();
    server.register(ID, now - HOUR, now + 90 * DAY).await;
    let ranking: Value = server::json(server.get("/ca/example/ranking.json").await).await;
    assert_eq!(ranking["peak"]["start"], "01:00");
    let path = format!("/v1/certificates/{ID}");
    let why = server.as_admin(Method::GET, &path).send().await.unwrap();
    assert_eq!(
        server::json(why).await["modelVersion"],
        ranking["modelVersion"]
    );
    let best: Value = server::json(server.get("/v1/best-time?ca=example").await).await;
    assert_eq!(best["modelVersion"], ranking["modelVersion"]);
}
