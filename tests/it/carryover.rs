//! What failed and comes again, of made load.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::retries::{RetryBacklog, Returning};
use offpeak::domain::demand::series::Series;
use offpeak::domain::math::number::whole;
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

/// `days` days of a thousand attempts an hour, and what fails of them by day and hour; what
/// failed comes back as `returning` says.
fn series(days: i64, returning: Returning, failing: impl Fn(i64, i64) -> f64) -> Series {
    let mut series = Series::default();
    let mut failed: Vec<f64> = Vec::new();
    for hour in 0..days * 24 {
        let ago = |hours: i64| {
            usize::try_from(hour - hours)
                .ok()
                .map_or(0.0, |at| failed[at])
        };
        let back = returning.next_day * ago(24) + returning.next_hour * ago(1);
        let tried = 1_000.0 + back;
        failed.push(tried * failing(hour / 24, hour % 24));
        for (kind, count) in [
            (Kind::Attempt, tried),
            (Kind::Failed, failed[failed.len() - 1]),
        ] {
            let at = NOW - days * DAY + hour * HOUR;
            let count = u64::try_from(whole(count.round())).unwrap();
            series.add(&Observation {
                seconds: 3_600,
                ..Observation::plain(at, Source::Ca, kind, count)
            });
        }
    }
    series
}

fn hour(number: i64) -> Span {
    Span {
        from: NOW + number * HOUR,
        to: NOW + (number + 1) * HOUR,
    }
}

#[test]
fn what_fails_every_day_is_not_carried() {
    let steady = RetryBacklog::learn(
        &series(
            10,
            Returning::default(),
            |_, hour| if hour == 1 { 0.4 } else { 0.02 },
        ),
        NOW,
        &[],
    );
    assert!(steady.carried(hour(1)) < 1.0, "{steady:?}");
}

#[test]
fn without_reports_no_retries_are_expected() {
    for series in [Series::default(), {
        let mut series = Series::default();
        series.add(&Observation::plain(NOW - HOUR, Source::Ca, Kind::Issued, 9));
        series
    }] {
        let nothing = RetryBacklog::learn(&series, NOW, &[]);
        assert_eq!(nothing, RetryBacklog::default());
        assert!(nothing.carried(hour(1)).abs() < 1e-12);
    }
}

#[test]
fn the_shares_are_learned_where_there_is_enough() {
    let real = Returning {
        next_day: 0.5,
        next_hour: 0.3,
    };
    // Every fifth day three hours of it fail.
    let report = series(15, real, |day, hour| {
        if day % 5 == 2 && (4..7).contains(&hour) {
            0.5
        } else {
            0.0
        }
    });
    let learned = RetryBacklog::learn(&report, NOW, &[]).returning;
    assert!((learned.next_day - 0.5).abs() < 0.05, "{learned:?}");
    assert!((learned.next_hour - 0.3).abs() < 0.05, "{learned:?}");
    // One such day is not enough.
    let once = series(
        15,
        real,
        |day, hour| if day == 9 && hour == 4 { 0.5 } else { 0.0 },
    );
    assert_eq!(
        RetryBacklog::learn(&once, NOW, &[]).returning,
        Returning::default()
    );
}

#[test]
fn a_part_of_an_hour_brings_its_part() {
    let carry = RetryBacklog::learn(
        &series(8, Returning::default(), |day, hour| {
            if day == 7 && hour == 1 { 0.4 } else { 0.0 }
        }),
        NOW,
        &[],
    );
    let whole = carry.carried(hour(1));
    assert!((whole - 320.0).abs() < 1.0, "{whole}");
    let quarter = Span {
        from: NOW + HOUR + 900,
        to: NOW + HOUR + 1_800,
    };
    assert!((carry.carried(quarter) - whole / 4.0).abs() < 1e-9);
    let both = Span {
        from: NOW,
        to: NOW + 30 * HOUR,
    };
    assert!((carry.carried(both) - whole).abs() < 1e-9);
}

#[test]
fn what_fails_in_an_incident_is_left_to_its_plan() {
    let series = series(8, Returning::default(), |day, hour| {
        if day == 7 && (1..3).contains(&hour) {
            0.4
        } else {
            0.0
        }
    });
    let outage = Span {
        from: NOW - DAY + HOUR + 600,
        to: NOW - DAY + 2 * HOUR,
    };
    let carry = RetryBacklog::learn(&series, NOW, &[outage]);
    assert!(carry.carried(hour(1)).abs() < 1e-9);
    assert!(carry.carried(hour(2)) > 300.0);
}

#[test]
fn a_growing_stampede_shows_and_a_calm_series_does_not() {
    let calm = RetryBacklog::learn(&series(10, Returning::default(), |_, _| 0.02), NOW, &[]);
    let calm = calm.storm.unwrap();
    assert!(calm.ratio < 0.03, "{calm:?}");
    assert!((calm.growth - 1.0).abs() < 0.05, "{calm:?}");
    // Many always fail, and no more than yesterday: high, and not growing.
    let chronic = RetryBacklog::learn(&series(15, Returning::default(), |_, _| 0.3), NOW, &[]);
    let chronic = chronic.storm.unwrap();
    assert!((chronic.ratio - 0.3 / 0.7).abs() < 0.05, "{chronic:?}");
    assert!((chronic.growth - 1.0).abs() < 0.05, "{chronic:?}");
    // Each day fails half as much again.
    let growing = series(10, Returning::default(), |day, _| {
        (0.02 * 1.5_f64.powi(i32::try_from(day).unwrap())).min(0.9)
    });
    let growing = RetryBacklog::learn(&growing, NOW, &[]).storm.unwrap();
    assert!(growing.ratio > 0.2, "{growing:?}");
    assert!(growing.growth > 1.2, "{growing:?}");
}
