//! The demand profile on made load.

use offpeak::domain::demand::observation::{Kind, Source};
use offpeak::domain::demand::profile::{Evidence, Profile};
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, WEEK};
use proptest::prelude::*;

use crate::load::{NOW, at, hour_of, hourly, line, one_oclock, weekday_of};

mod years;

fn learn(series: &Series) -> Profile {
    Profile::learn(series, at(NOW), HOUR, &[])
}

fn close(got: f64, want: f64, within: f64) {
    assert!((got - want).abs() < within, "{got} is not {want}");
}

#[test]
fn a_peak_at_one_is_found() {
    let profile = learn(&hourly(28, one_oclock));
    for (hour, slot) in profile.day.iter().enumerate() {
        close(
            slot.coefficient,
            if hour == 1 { 2.37 } else { 0.940_4 },
            1e-3,
        );
        assert!(slot.low <= slot.coefficient && slot.coefficient <= slot.high);
        assert_eq!((slot.samples, slot.evidence), (28, Evidence::Sufficient));
        close(slot.coverage, 1.0, 1e-9);
    }
    assert_eq!(profile.week.len(), 168);
    close(
        profile.week.iter().map(|s| s.coefficient).sum(),
        168.0,
        1e-6,
    );
    close(profile.mean_per_hour(), 40_000.0, 1.0);
    close(
        profile.coefficient_at(at("2026-12-09T01:59:59Z")),
        2.37,
        1e-3,
    );
    close(
        profile.coefficient_at(at("2026-12-09T02:00:00Z")),
        0.940_4,
        1e-3,
    );
    assert_eq!(
        profile.data,
        Some(Span {
            from: at(NOW) - 28 * DAY,
            to: at(NOW)
        })
    );
}

#[test]
fn a_slot_of_the_week_has_its_own_coefficient() {
    let series = hourly(42, |from| match (weekday_of(from), hour_of(from)) {
        (6, 0) => 3_000,
        _ => 1_000,
    });
    let profile = learn(&series);
    let sunday = at("2026-11-22T00:30:00Z");
    // Of six weeks that agree, half a week's doubt remains: 4.6 of equal weight, 2^−4.6 of the way.
    close(profile.coefficient_at(sunday), 3.0 / (170.0 / 168.0), 0.1);
    close(profile.coefficient_at(sunday - DAY), 1.0, 0.05);
}

#[test]
fn an_hour_with_no_source_alive_does_not_become_quiet() {
    let mut gap = Series::default();
    for hour in -28 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        if !(3..6).contains(&hour_of(from)) {
            gap.add(&line(from, HOUR, Kind::Attempt, one_oclock(from)));
        }
    }
    let profile = learn(&gap);
    for hour in 3..6 {
        let slot = &profile.day[hour];
        close(slot.coefficient, 1.0, 1e-9);
        assert_eq!((slot.samples, slot.evidence), (0, Evidence::Insufficient));
        close(slot.coverage, 0.0, 1e-9);
    }
    close(
        profile.coefficient_at(at("2026-11-18T04:00:00Z")),
        1.0,
        1e-9,
    );
    assert_eq!(profile.day[1].evidence, Evidence::Sufficient);
    // What is known keeps its proportions.
    close(
        profile.day[1].coefficient / profile.day[12].coefficient,
        2.52,
        1e-3,
    );
    // Zeros that were told are quiet.
    let zeros = hourly(28, |from| if hour_of(from) == 4 { 0 } else { 1_000 });
    close(learn(&zeros).day[4].coefficient, 0.0, 1e-9);
}

#[test]
fn a_gap_of_one_week_changes_nothing() {
    let mut gap = Series::default();
    for hour in -28 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        // Growing load, and the newest week's nights are missing.
        let grown = one_oclock(from) * u64::try_from(1_000 + hour + 28 * 24).unwrap() / 1_000;
        if hour < -7 * 24 || hour_of(from) > 5 {
            gap.add(&line(from, HOUR, Kind::Attempt, grown));
        }
    }
    let profile = learn(&gap);
    close(profile.day[1].coefficient, 2.37, 0.05);
    close(profile.day[3].coefficient, 0.94, 0.03);
}

#[test]
fn a_wild_week_does_not_move_it() {
    let calm = learn(&hourly(28, one_oclock));
    for end in [0, 2, 4, 7, 12, 21] {
        let wild = Span {
            from: at(NOW) - WEEK - end * DAY,
            to: at(NOW) - end * DAY,
        };
        let scenes: [&dyn Fn(usize) -> u64; 3] = [
            // Ten times the load, ten times the load by day, an outage by day.
            &|_| 10,
            &|hour| if (8..16).contains(&hour) { 10 } else { 1 },
            &|hour| u64::from(!(8..16).contains(&hour)),
        ];
        for factor in scenes {
            let profile = learn(&hourly(28, |from| {
                let times = if wild.contains(from) {
                    factor(hour_of(from))
                } else {
                    1
                };
                one_oclock(from) * times
            }));
            for (slot, calm) in profile.week.iter().zip(&calm.week) {
                close(slot.coefficient, calm.coefficient, 0.02);
            }
        }
    }
}

#[test]
fn a_wild_hour_of_the_newest_of_two_weeks_does_not_move_it() {
    let wild = at(NOW) - 4 * DAY + 14 * HOUR;
    let profile = learn(&hourly(14, |from| {
        one_oclock(from) * if from == wild { 20 } else { 1 }
    }));
    close(profile.coefficient_at(wild + WEEK), 0.94, 0.05);
}

#[test]
fn a_peak_that_moves_is_followed_within_three_weeks() {
    for weeks in [1, 3] {
        let profile = learn(&hourly(70, |from| {
            let peak = usize::from(from >= at(NOW) - weeks * WEEK);
            if hour_of(from) == peak {
                94_800
            } else {
                37_617
            }
        }));
        let peak = usize::from(profile.day[1].coefficient > profile.day[0].coefficient);
        assert_eq!(peak, usize::from(weeks == 3), "after {weeks} weeks");
    }
}

#[test]
fn incidents_teach_nothing() {
    let outage = Span {
        from: at(NOW) - 3 * WEEK,
        to: at(NOW) - 3 * WEEK + 2 * WEEK,
    };
    let series = hourly(28, |from| {
        if outage.contains(from) {
            0
        } else {
            one_oclock(from)
        }
    });
    let profile = Profile::learn(&series, at(NOW), HOUR, &[outage]);
    close(profile.day[1].coefficient, 2.37, 1e-3);
    assert_eq!(profile.day[1].samples, 14);
    close(profile.mean_per_hour(), 40_000.0, 1.0);
}

#[test]
fn too_little_is_insufficient() {
    let days = |n| learn(&hourly(n, one_oclock));
    assert!(!days(4).knows_anything());
    assert!(days(5).knows_anything());
    // Five days know the hours of the day, but no slot of the week: its product stands in.
    let five = days(5);
    assert!(
        five.week
            .iter()
            .all(|s| s.evidence == Evidence::Insufficient)
    );
    close(five.coefficient_at(at("2026-11-18T01:00:00Z")), 2.37, 1e-3);
    let two_weeks = days(14);
    assert!(
        two_weeks
            .week
            .iter()
            .all(|s| s.evidence == Evidence::Sufficient)
    );
    let rare = learn(&hourly(28, |from| u64::from(weekday_of(from) == 0)));
    assert!(!rare.knows_anything(), "4 events in a slot of the day");
    let nothing = learn(&Series::default());
    assert!(
        nothing
            .day
            .iter()
            .all(|s| s.evidence == Evidence::Insufficient)
    );
    close(nothing.coefficient_at(at(NOW)), 1.0, 1e-12);
    assert_eq!((nothing.data, nothing.volume), (None, None));
}

#[test]
fn a_long_line_informs_only_the_day() {
    let mut series = Series::default();
    for day in -28..0 {
        let from = at(NOW) + day * DAY;
        let count = if weekday_of(from) >= 5 {
            12_000
        } else {
            24_000
        };
        series.add(&line(from, DAY, Kind::Issued, count));
    }
    let profile = learn(&series);
    assert!(!profile.knows_anything());
    close(profile.weekdays[0].unwrap(), 7.0 / 6.0, 1e-6);
    close(profile.weekdays[6].unwrap(), 3.5 / 6.0, 1e-6);
    close(
        profile.coefficient_at(at("2026-11-22T12:00:00Z")),
        3.5 / 6.0,
        1e-6,
    );
    close(profile.mean_per_hour(), 144_000.0 / 168.0, 1e-6);
    // Half an hour tells about hours, not about quarters.
    let mut halves = Series::default();
    for half in -28 * 48..0 {
        let from = at(NOW) + half * 1_800;
        halves.add(&line(from, 1_800, Kind::Attempt, 1_000));
    }
    assert!(Profile::learn(&halves, at(NOW), HOUR, &[]).knows_anything());
    assert!(!Profile::learn(&halves, at(NOW), 900, &[]).knows_anything());
}

#[test]
fn the_first_of_the_month_is_apart() {
    let series = hourly(120, |from| {
        let is_first = ["2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01"]
            .iter()
            .any(|day| at(&format!("{day}T00:00:00Z")).slot(DAY) == from.slot(DAY));
        one_oclock(from) * if is_first { 13 } else { 10 }
    });
    let profile = learn(&series);
    let factor = profile.first_of_month.unwrap();
    close(factor.value, 1.3, 0.01);
    assert!(factor.stands_out() && factor.samples == 4);
    let first = at("2026-12-01T12:00:00Z");
    close(profile.coefficient_at(first), 1.3 * 0.940_4, 0.01);
    close(profile.coefficient_at(first + DAY), 0.940_4, 0.01);
    close(profile.weekdays[6].unwrap(), 1.0, 0.01);
}

#[test]
fn minutes_of_the_hour_are_learned_from_lines_of_a_minute() {
    let mut series = Series::default();
    for minute in -14 * 1_440..0 {
        let from = at(NOW) + minute * MINUTE;
        let count = match minute.rem_euclid(60) {
            0 => 93,
            30 => 42,
            _ => 10,
        };
        series.add(&line(from, MINUTE, Kind::Attempt, count));
    }
    let minutes = learn(&series).minutes.unwrap();
    let mean = f64::from(93 + 42 + 58 * 10) / 60.0;
    close(minutes[0], 93.0 / mean, 1e-6);
    close(minutes[30], 42.0 / mean, 1e-6);
    close(minutes[59], 10.0 / mean, 1e-6);
    assert_eq!(learn(&hourly(28, one_oclock)).minutes, None);
}

#[test]
fn failures_and_latency_are_known_by_slot() {
    let mut series = hourly(28, |_| 1_000);
    for hour in -28 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        let failed = if hour_of(from) == 1 { 800 } else { 8 };
        series.add(&line(from, HOUR, Kind::Failed, failed));
        let mut probe = line(from, MINUTE, Kind::Attempt, 2);
        probe.source = Source::Observer;
        probe.latency_ms = Some(if hour_of(from) == 1 { 4_000.0 } else { 250.0 });
        probe.latency_p95_ms = Some(9_000.0);
        series.add(&probe);
    }
    let profile = learn(&series);
    let one = &profile.day[1];
    let rate = one.failures.unwrap();
    close(rate.share, 0.8, 1e-6);
    assert!(rate.low > 0.79 && rate.high < 0.81 && rate.low < 0.8);
    close(profile.day[2].failures.unwrap().share, 0.008, 1e-6);
    close(one.latency_ms.unwrap(), 4_000.0, 1e-6);
    close(profile.day[2].latency_ms.unwrap(), 250.0, 1e-6);
    close(one.latency_p95_ms.unwrap(), 9_000.0, 1e-6);
    // Outside monitors never tell volume.
    close(profile.mean_per_hour(), 1_000.0, 1e-6);
    assert_eq!(learn(&hourly(28, |_| 1_000)).day[1].failures, None);
}

#[test]
fn the_same_load_gives_the_same_profile_in_any_order() {
    let lines: Vec<_> = (-28 * 24..0)
        .map(|hour| {
            let from = at(NOW) + hour * HOUR;
            line(
                from,
                HOUR,
                Kind::Attempt,
                one_oclock(from) + hour.unsigned_abs() % 7,
            )
        })
        .collect();
    let (mut forth, mut back) = (Series::default(), Series::default());
    for (line, other) in lines.iter().zip(lines.iter().rev()) {
        forth.add(line);
        back.add(other);
    }
    let profile = learn(&forth);
    assert_eq!(profile, learn(&back));
    assert_eq!(profile.version.len(), 18);
    assert!(profile.version.starts_with("1."));
    assert_ne!(profile.version, learn(&hourly(28, |_| 1_000)).version);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn coefficients_have_the_mean_one(
        hours in prop::collection::vec((0..5_000_u64, prop::bool::weighted(0.9)), 24 * 21),
        slot_seconds in prop::sample::select(vec![900_i64, 1_800, 3_600]),
    ) {
        let mut series = Series::default();
        for (hour, (count, is_alive)) in (1_i64..).zip(&hours) {
            if *is_alive {
                for part in 0..HOUR / slot_seconds {
                    let from = at(NOW) - hour * HOUR + part * slot_seconds;
                    series.add(&line(from, slot_seconds, Kind::Attempt, *count));
                }
            }
        }
        let profile = Profile::learn(&series, at(NOW), slot_seconds, &[]);
        let n = f64::from(u32::try_from(profile.week.len()).unwrap());
        let sum: f64 = profile.week.iter().map(|s| s.coefficient).sum();
        prop_assert!((sum / n - 1.0).abs() < 1e-9);
        for slot in &profile.day {
            prop_assert!(slot.coefficient >= 0.0 && slot.coefficient.is_finite());
            prop_assert!(slot.low <= slot.coefficient && slot.coefficient <= slot.high);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&slot.coverage));
        }
    }
}
