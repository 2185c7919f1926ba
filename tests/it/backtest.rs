//! The back-test, and the level that the forecast goes by, on made load.

use offpeak::domain::demand::backtest::BackTest;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, Timestamp, WEEK};

use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::load::{NOW, at, hourly, line, one_oclock};
use crate::process::offpeak;
use crate::support::fresh_sqlite;

/// A reproducible share, −1 to 1, of an hour.
fn noise(from: Timestamp) -> f64 {
    // The finisher of SplitMix64.
    let mut mixed = (from.unix() / HOUR)
        .unsigned_abs()
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    f64::from(u32::try_from(mixed >> 40).unwrap()) / f64::from(1_u32 << 23) - 1.0
}

fn count(load: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    let count = load.round().max(0.0) as u64;
    count
}

fn usual(from: Timestamp) -> f64 {
    f64::from(u32::try_from(one_oclock(from)).unwrap())
}

#[test]
fn noise_is_forecast_better_than_by_the_week_before() {
    let series = hourly(84, |from| count(usual(from) * (1.0 + 0.2 * noise(from))));
    let test = BackTest::of(&series, at(NOW), &[], 6);
    assert_eq!((test.weeks, test.hours.count), (6, 6 * 168), "{test:?}");
    // The error of a mean of many against that of a difference of two: for even noise 3/4.
    assert!(test.hours.ratio().unwrap() < 0.85, "{test:?}");
    assert!((test.hours.mean - 40_000.0).abs() < 1_000.0);
}

#[test]
fn a_growing_or_stepping_load_is_forecast_no_worse_than_by_the_week_before() {
    let weeks = |from: Timestamp| {
        f64::from(i32::try_from(at(NOW) - from).unwrap()) / f64::from(i32::try_from(WEEK).unwrap())
    };
    let growing = hourly(84, |from| {
        count(usual(from) * 1.1_f64.powf(-weeks(from)) * (1.0 + 0.1 * noise(from)))
    });
    let stepped = hourly(84, |from| {
        let step = if weeks(from) < 3.0 { 1.6 } else { 1.0 };
        count(usual(from) * step * (1.0 + 0.1 * noise(from)))
    });
    for series in [growing, stepped] {
        let test = BackTest::of(&series, at(NOW), &[], 6);
        assert!(test.hours.ratio().unwrap() < 1.0, "{test:?}");
    }
}

#[test]
fn the_level_follows_days_and_no_single_one() {
    let doubled = hourly(56, |from| {
        one_oclock(from) * if from >= at(NOW) - 4 * DAY { 2 } else { 1 }
    });
    let profile = Profile::learn(&doubled, at(NOW), HOUR, &[]);
    let forecast = profile.forecast_per_hour(at(NOW) + 12 * HOUR);
    assert!((60_000.0..76_000.0).contains(&forecast), "{forecast}");
    let wild = hourly(56, |from| {
        one_oclock(from) * if from >= at(NOW) - DAY { 20 } else { 1 }
    });
    let profile = Profile::learn(&wild, at(NOW), HOUR, &[]);
    let forecast = profile.forecast_per_hour(at(NOW) + 12 * HOUR);
    assert!((36_000.0..56_000.0).contains(&forecast), "{forecast}");
    // At the level of late it is the same profile, and a second time changes nothing.
    let at_level = profile.at_level();
    assert_eq!(at_level.at_level(), at_level);
    assert_eq!(at_level.week, profile.week);
}

#[test]
fn hours_without_reports_are_not_compared() {
    let series = hourly(84, one_oclock);
    let gap = offpeak::domain::time::Span {
        from: at(NOW) - WEEK,
        to: at(NOW) - WEEK + DAY,
    };
    let test = BackTest::of(&series, at(NOW), &[gap], 1);
    assert_eq!(test.hours.count, 168 - 24, "{test:?}");
    assert_eq!(
        BackTest::of(&hourly(5, one_oclock), at(NOW), &[], 8)
            .hours
            .count,
        0
    );
}

#[test]
fn the_model_is_printed_with_its_evidence_and_its_back_test() {
    let database = fresh_sqlite();
    let now = SystemClock.now();
    let hour = Timestamp::from_unix(now.slot(HOUR) * HOUR);
    let lines: Vec<String> = (1..=42 * 24)
        .map(|ago| {
            let from = hour - ago * HOUR;
            // Chance, which is another in each week.
            let chance = ((from.unix() / HOUR * 2_654_435_761) >> 16).unsigned_abs() % 7;
            let count = one_oclock(from) / 100 + chance;
            json!({"at": from, "kind": "attempt", "count": count, "seconds": 3_600,
                "endpoint": "new-order", "latencyP95Ms": 250})
            .to_string()
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n")).unwrap();
    let run = |arguments: &[&str]| {
        let output = offpeak()
            .args(arguments)
            .args(["--database", &database.url()])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let path = file.path().to_str().unwrap();
    run(&["import", "observations", "--format", "ndjson", path]);
    let report: Value = serde_json::from_str(&run(&["model", "--json", "--weeks", "3"])).unwrap();
    assert_eq!(report["basis"], "demand");
    assert_eq!(report["slots"].as_array().unwrap().len(), 24);
    assert!(
        (report["slots"][1]["coefficient"].as_f64().unwrap() - 2.37).abs() < 0.05,
        "{report}"
    );
    assert_eq!(report["sources"][0]["source"], "ca");
    assert_eq!(report["endpoints"]["new-order"][1]["latencyP95Ms"], 250.0);
    assert_eq!(
        (&report["backTest"]["weeks"], &report["backTest"]["days"]),
        (&json!(3), &Value::Null)
    );
    let ratio = report["backTest"]["hours"]["ratio"].as_f64().unwrap();
    assert!(ratio < 1.0, "{report}");
    let words = run(&["model"]);
    for part in [
        "of demand from ",
        "back-test of ",
        " 01:00 ",
        "source ca, up to ",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

/// A source whose past was brought in at once is known of it, though nobody had heard of it then.
#[test]
fn who_is_believed_now_is_believed_of_the_weeks_before() {
    let mut series = Series::default();
    for hour in -56 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        let load = count(600.0 * (1.0 + 0.2 * noise(from)));
        for (source, factor, heard) in [(Source::Metrics, 1, 56), (Source::Ca, 100, 8)] {
            let line = Observation {
                source,
                ..line(from, HOUR, Kind::Attempt, factor * load)
            };
            series.add_stored(&line, Some(at(NOW) - heard * DAY));
        }
    }
    let test = BackTest::of(&series, at(NOW), &[], 4);
    assert!((test.hours.mean - 60_000.0).abs() < 2_000.0, "{test:?}");
    assert!(test.hours.ratio().unwrap() < 0.85, "{test:?}");
}
