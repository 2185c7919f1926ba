use super::*;
use crate::demand::observation::{Kind, Observation, Source};
use crate::demand::series::Series;
use crate::time::{DAY, MINUTE};

#[test]
fn weeks_begin_on_monday_and_years_with_their_first_thursday() {
    for (at, week) in [
        ("2026-11-23T00:00:00Z", "2026-W48"),
        ("2026-11-22T23:59:59Z", "2026-W47"),
        ("2026-12-31T12:00:00Z", "2026-W53"),
        ("2027-01-03T23:59:59Z", "2026-W53"),
        ("2027-01-04T00:00:00Z", "2027-W01"),
    ] {
        let at: Timestamp = at.parse().unwrap();
        let of = IsoWeek::of(at);
        assert_eq!(of.to_string(), week);
        assert_eq!(week.parse(), Ok(of));
        assert!(of.span().from <= at && at < of.span().to);
    }
    let first: IsoWeek = "2027-W01".parse().unwrap();
    assert_eq!(first.before().to_string(), "2026-W53");
    for text in [
        "2026-W54", "2027-W53", "2026-W00", "2026-48", "26-W48", "2026-W5", "+026-W48",
    ] {
        assert!(text.parse::<IsoWeek>().is_err(), "{text}");
    }
}

#[test]
fn a_week_has_its_peak_its_gaps_and_its_change() {
    let week: IsoWeek = "2026-W47".parse().unwrap();
    let from = week.span().from;
    let mut series = Series::default();
    for hour in -168..168 {
        let at = from + hour * HOUR;
        // There is no data for Tuesday.
        if at.slot(DAY) == (from + DAY).slot(DAY) {
            continue;
        }
        let count = match hour {
            ..0 => 600,
            49 => 3_600,
            _ => 1_200,
        };
        for (kind, count) in [(Kind::Attempt, count), (Kind::Failed, count / 100)] {
            for five in 0..12 {
                let at = at + five * 5 * MINUTE;
                let line = Observation::plain(at, Source::Log, kind, count / 12);
                series.add(&Observation {
                    seconds: 300,
                    ..line
                });
            }
        }
    }
    let evidence = Evidence {
        series: &series,
        incidents: &[],
        now: from + 8 * DAY,
    };
    let weekly = evidence.weekly(week);
    assert!(weekly.is_over);
    assert_eq!(weekly.peak.map(|(hour, _)| hour), Some(49));
    assert!(
        (weekly.coverage - 6.0 / 7.0).abs() < 1e-9,
        "{}",
        weekly.coverage
    );
    assert_eq!(
        weekly
            .hours
            .iter()
            .filter(|hour| hour.load.is_none())
            .count(),
        24
    );
    assert!(weekly.hours[24].load.is_none() && weekly.hours[48].load.is_some());
    // 143 hours with 1,200 and one with 3,600, compared with 144 with 600.
    let change = weekly.change.unwrap();
    assert!(
        (change - (143.0 * 2.0 + 6.0) / 144.0).abs() < 1e-9,
        "{change}"
    );
    assert!(weekly.failure_rate.unwrap() < 0.011);
    let of = |status| {
        weekly
            .seconds
            .iter()
            .find(|(of, _)| *of == status)
            .unwrap()
            .1
    };
    // Silence makes the status unknown only when the whole evaluated time is silent.
    assert_eq!(of(Status::Unknown), DAY - 10 * MINUTE);
    assert_eq!(
        weekly
            .seconds
            .iter()
            .map(|(_, seconds)| seconds)
            .sum::<i64>(),
        WEEK
    );
    let begun = Evidence {
        now: from + DAY,
        ..evidence
    }
    .weekly(week);
    assert!(!begun.is_over && (begun.coverage - 1.0).abs() < 1e-9);
}

#[test]
fn a_week_that_is_counted_by_the_hour_is_no_silence() {
    let week: IsoWeek = "2026-W47".parse().unwrap();
    let from = week.span().from;
    let mut series = Series::default();
    for hour in 0..168 {
        // There is no data for Tuesday.
        if hour / 24 == 1 {
            continue;
        }
        let count = if hour == 49 { 3_600 } else { 1_200 };
        for (kind, count) in [(Kind::Attempt, count), (Kind::Failed, count / 100)] {
            let line = Observation::plain(from + hour * HOUR, Source::Log, kind, count);
            series.add(&Observation {
                seconds: 3_600,
                ..line
            });
        }
    }
    let weekly = Evidence {
        series: &series,
        incidents: &[],
        now: from + 8 * DAY,
    }
    .weekly(week);
    assert_eq!(weekly.peak.map(|(hour, _)| hour), Some(49));
    assert!(
        (weekly.coverage - 6.0 / 7.0).abs() < 1e-9,
        "{}",
        weekly.coverage
    );
    assert!((weekly.failure_rate.unwrap() - 0.01).abs() < 1e-9);
    assert!(weekly.hours[24].load.is_none() && weekly.hours[48].load.is_some());
}

#[test]
fn an_hour_with_reports_of_a_part_is_not_quiet() {
    let week: IsoWeek = "2026-W47".parse().unwrap();
    let from = week.span().from;
    let series_of = |minutes_of: fn(i64) -> i64, source| {
        let mut series = Series::default();
        for hour in 0..168 {
            for minute in 0..minutes_of(hour) {
                let at = from + hour * HOUR + minute * MINUTE;
                series.add(&Observation::plain(at, source, Kind::Issued, 20));
            }
        }
        let weekly = Evidence {
            series: &series,
            incidents: &[],
            now: from + 8 * DAY,
        }
        .weekly(week);
        weekly.hours[50..53]
            .iter()
            .map(|hour| hour.load)
            .collect::<Vec<_>>()
    };
    // One hour has 45 minutes of data, the next 10, all others 60, with the same number in each
    // minute.
    let minutes = |hour| match hour {
        50 => 45,
        51 => 10,
        _ => 60,
    };
    let near = |load: Option<f64>| load.is_some_and(|load| (load - 1.0).abs() < 1e-9);
    let loads = series_of(minutes, Source::Log);
    assert!(
        near(loads[0]) && loads[1].is_none() && near(loads[2]),
        "{loads:?}"
    );
    // A registry does not report silence: what it has of an hour counts as everything.
    let loads = series_of(minutes, Source::Registrations);
    assert!(loads[1].is_some_and(|load| load < 0.2), "{loads:?}");
}
