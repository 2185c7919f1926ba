//! What certificates alone say of demand: times what stands behind each, and never into hours that fail.

use offpeak::domain::allocation::allocator::{Allocator, Draw};
use offpeak::domain::certificate::Validity;
use offpeak::domain::client::schedule::Schedule;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::{Basis, Profile};
use offpeak::domain::demand::series::Series;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::ranking::{MOST_MOVE, Times, rank};
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use serde_json::Value;

/// 2026-11-16T00:00:00Z, a Monday.
const NOW: Timestamp = Timestamp::from_unix(1_794_787_200);

fn add(series: &mut Series, hours_ago: i64, source: Source, kind: Kind, count: u64) {
    series.add(&Observation {
        seconds: 3_600,
        ..Observation::plain(NOW - hours_ago * HOUR, source, kind, count)
    });
}

fn hour_of(hours_ago: i64) -> i64 {
    (-hours_ago).rem_euclid(24)
}

fn policy() -> CaPolicy {
    CaPolicy::named("example".parse().unwrap())
}

fn ranking(before: Option<&[u8]>, profile: &Profile) -> (Vec<u8>, Value) {
    let octets = rank(before, profile, &policy(), &Times::new(NOW, DAY));
    let value = serde_json::from_slice(&octets).unwrap();
    (octets, value)
}

/// Certificates as a log of Certificate Transparency shows them: 1,000 an hour, of which at one o'clock three
/// of four are refused.
fn seen_by_ct(days: i64) -> Series {
    let mut series = Series::default();
    for ago in 1..=days * 24 {
        let count = if hour_of(ago) == 1 { 250 } else { 1_000 };
        add(&mut series, ago, Source::Ct, Kind::Issued, count);
    }
    series
}

#[test]
fn demand_is_issuance_times_what_another_source_has_shown() {
    let mut series = seen_by_ct(42);
    let alone = Profile::learn(&series, NOW, HOUR, &[]);
    assert_eq!(alone.basis, Some(Basis::Issuance));
    assert!((alone.day[1].coefficient / alone.day[2].coefficient - 0.25).abs() < 0.01);
    // The CA's log was read for two weeks, and ended three weeks ago.
    for ago in 21 * 24 + 1..=35 * 24 {
        let issued = if hour_of(ago) == 1 { 250 } else { 1_000 };
        add(&mut series, ago, Source::Log, Kind::Issued, issued);
        add(&mut series, ago, Source::Log, Kind::Attempt, 1_000);
    }
    let profile = Profile::learn(&series, NOW, HOUR, &[]);
    assert_eq!(profile.basis, Some(Basis::Estimated));
    // Shrunk towards all hours' ratio: two weeks' 500 certificates of an hour of the week are most of it.
    let ratio = profile.day[1].coefficient / profile.day[2].coefficient;
    assert!((0.8..1.05).contains(&ratio), "{ratio}");
    let (_, report) = ranking(None, &profile);
    assert_eq!(report["basis"], "estimated");
    // What is estimated is known less well than what is counted, and better than what nobody told of.
    let relative = |profile: &Profile| {
        let slot = &profile.day[12];
        (slot.high - slot.low) / slot.coefficient
    };
    let mut counted = Series::default();
    for ago in 1..=42 * 24 {
        add(&mut counted, ago, Source::Log, Kind::Attempt, 1_000);
    }
    let counted = Profile::learn(&counted, NOW, HOUR, &[]);
    assert_eq!(counted.basis, Some(Basis::Demand));
    assert!(relative(&counted) < relative(&profile) && relative(&profile) < relative(&alone));
    assert!(relative(&alone) > 0.39, "{}", relative(&alone));
}

#[test]
fn nobody_is_sent_into_an_hour_that_another_source_shows_failing() {
    let mut series = seen_by_ct(28);
    let quiet = Profile::learn(&series, NOW, HOUR, &[]);
    let (before, report) = ranking(None, &quiet);
    assert_eq!(
        (&report["quietest"][0], &report["slots"][1]["rank"]),
        (&"01:00".into(), &1.into())
    );
    for ago in 1..=28 * 24 {
        add(&mut series, ago, Source::Observer, Kind::Attempt, 1_000);
        let failed = if hour_of(ago) == 1 { 800 } else { 5 };
        add(&mut series, ago, Source::Observer, Kind::Failed, failed);
    }
    let profile = Profile::learn(&series, NOW, HOUR, &[]);
    let (_, report) = ranking(None, &profile);
    let slot = &report["slots"][1];
    assert_eq!(slot["weight"], 0.0, "{slot}");
    assert_eq!(
        (&slot["rank"], &slot["failing"]),
        (&24.into(), &true.into())
    );
    assert_ne!(report["quietest"][0], "01:00");
    let all: f64 = report["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| slot["weight"].as_f64().unwrap())
        .sum();
    assert!((all - 1.0).abs() < 1e-9);
    // One who says that an hour fails moves weights no faster than one who says that it is busy.
    let weight = |value: &Value| value["slots"][1]["weight"].as_f64().unwrap();
    let (mut last, mut octets) = (1.0, before);
    for _ in 0..8 {
        let (next, report) = ranking(Some(&octets), &profile);
        let before: Value = serde_json::from_slice(&octets).unwrap();
        for (one, other) in before["slots"]
            .as_array()
            .unwrap()
            .iter()
            .zip(report["slots"].as_array().unwrap())
        {
            let moved = one["weight"].as_f64().unwrap() - other["weight"].as_f64().unwrap();
            assert!(moved.abs() <= MOST_MOVE / 24.0 + 1e-6, "{moved}");
        }
        (last, octets) = (weight(&report), next);
    }
    assert!(last < 1e-12, "{last}");
}

#[test]
fn no_window_lies_in_an_hour_that_fails() {
    let mut series = seen_by_ct(28);
    for ago in 1..=28 * 24 {
        add(&mut series, ago, Source::Observer, Kind::Attempt, 1_000);
        let failed = if hour_of(ago) == 1 { 800 } else { 5 };
        add(&mut series, ago, Source::Observer, Kind::Failed, failed);
    }
    let profile = Profile::learn(&series, NOW, HOUR, &[]);
    let validity = Validity {
        not_before: NOW,
        not_after: NOW + 90 * DAY - 1,
    };
    let mut allocator = Allocator::default();
    let policy = policy();
    let mut hours = [0; 24];
    for number in 0..2_000_u128 {
        let draw = Draw {
            policy: &policy,
            profile: &profile,
            now: NOW,
            schedule: Schedule::Unknown,
            certificates: 1,
        };
        // Two halves, each spread over its range.
        let hash =
            (number << 117) | (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) & u128::from(u64::MAX));
        let drawn = allocator.draw(draw, validity, NOW, hash).unwrap();
        for second in [drawn.window.from, drawn.window.to - 1] {
            hours[usize::try_from(second.second_of_day() / HOUR).unwrap()] += 1;
        }
    }
    assert_eq!(hours[1], 0, "{hours:?}");
    assert!(hours[2] > 0 && hours[0] > 0, "{hours:?}");
    // An hour that is as quiet and does not fail is used, and much.
    let quiet = Profile::learn(&seen_by_ct(28), NOW, HOUR, &[]);
    assert!(!quiet.is_failing(1) && profile.is_failing(1));
    assert_eq!(
        rank(None, &quiet, &policy, &Times::new(NOW, DAY)),
        ranking(None, &quiet).0
    );
}
