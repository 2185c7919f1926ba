//! Which source's word counts, minute by minute, and registrations as a source.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::{Evidence, Profile};
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

use crate::load::{NOW, at, hour_of, hourly, line, one_oclock};

fn learn(series: &Series) -> Profile {
    Profile::learn(series, at(NOW), HOUR, &[])
}

/// Adds 14 days of lines of an hour.
fn add(series: &mut Series, change: impl Fn(Timestamp, &mut Observation)) {
    for hour in -14 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        let mut line = line(from, HOUR, Kind::Attempt, 600);
        change(from, &mut line);
        series.add(&line);
    }
}

fn per_hour(series: &Series) -> f64 {
    learn(series).mean_per_hour()
}

fn is(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-6, "{got} is not {want}");
}

#[test]
fn the_best_source_alive_counts_and_never_the_sum() {
    let order = [
        Source::Ca,
        Source::Log,
        Source::Metrics,
        Source::Registrations,
        Source::Ct,
    ];
    // What is registered is a part of what is logged in public: nearly all of it here.
    let counts: [u64; 5] = [100, 104, 108, 112, 116];
    for (better, source) in order.iter().enumerate() {
        let mut series = Series::default();
        for (rank, source) in order.iter().enumerate().skip(better) {
            add(&mut series, |_, line| {
                line.source = *source;
                line.kind = Kind::Issued;
                line.count = counts[rank];
            });
        }
        is(
            per_hour(&series),
            f64::from(u32::try_from(counts[better]).unwrap()),
        );
        assert_eq!(learn(&series).day[0].samples, 14, "{source}");
    }
    for no_volume in [Source::Import, Source::Observer] {
        let mut series = Series::default();
        add(&mut series, |_, line| line.source = no_volume);
        assert_eq!(learn(&series).volume, None, "{no_volume}");
    }
}

#[test]
fn what_is_registered_is_a_part_of_what_is_logged_and_counts_once() {
    let both = |registered, logged| {
        let mut series = Series::default();
        for (source, count) in [(Source::Registrations, registered), (Source::Ct, logged)] {
            add(&mut series, |_, line| {
                line.source = source;
                line.kind = Kind::Issued;
                line.count = count;
            });
        }
        per_hour(&series)
    };
    // The registry holds a tenth of what the CA issues: it does not tell how much that is.
    is(both(60, 600), 600.0);
    // All of it: then it is the registry that says so, which knows what was steered.
    is(both(600, 610), 600.0);
    // What no log shows is there all the same.
    is(both(600, 60), 600.0);
}

#[test]
fn who_begins_to_register_waits_as_any_other_source() {
    let registered_since = |days: i64| {
        let mut series = Series::default();
        add(&mut series, |_, line| {
            line.source = Source::Ct;
            line.kind = Kind::Issued;
            line.count = 50;
        });
        for hour in -14 * 24..0 {
            for minute in 0..60 {
                let issued = at(NOW) + hour * HOUR + minute * MINUTE;
                series.add_registration(issued, true, false);
            }
        }
        series.note_registered(at(NOW) - days * DAY);
        per_hour(&series)
    };
    is(registered_since(6), 50.0);
    is(registered_since(8), 60.0);
}

#[test]
fn failures_alone_show_no_volume() {
    let mut series = Series::default();
    add(&mut series, |_, line| {
        line.source = Source::Ct;
        line.kind = Kind::Issued;
    });
    let before = learn(&series);
    // A better source, which counts what failed and nothing else.
    add(&mut series, |_, line| {
        line.source = Source::Metrics;
        line.kind = Kind::Failed;
        line.count = 3;
    });
    let after = learn(&series);
    is(after.mean_per_hour(), before.mean_per_hour());
    assert_eq!(
        after.day[3].coefficient.to_bits(),
        before.day[3].coefficient.to_bits()
    );
    let mut alone = Series::default();
    add(&mut alone, |_, line| line.kind = Kind::Failed);
    assert_eq!(learn(&alone).volume, None);
}

#[test]
fn what_a_sample_leaves_out_widens_the_intervals() {
    let of = |stands_for: f64| {
        let mut series = Series::default();
        add(&mut series, |_, line| {
            line.source = Source::Ct;
            line.kind = Kind::Issued;
            line.stands_for = stands_for;
        });
        learn(&series)
    };
    let chance = |stands_for: f64| {
        let slot = &of(stands_for).day[3];
        // Beside what certificates say of demand at all.
        let half: f64 = (slot.high - slot.low) / 2.0;
        (half.powi(2) - 0.196_f64.powi(2)).sqrt()
    };
    // 600 certificates an hour that are 24 times 25: chance is five times as wide.
    let ratio = chance(25.0) / chance(1.0);
    assert!((4.5..5.5).contains(&ratio), "{ratio}");
    // Two Mondays of which five certificates each were read say nothing of Mondays.
    let monday = |stands_for: f64| of(stands_for).weekdays[0];
    assert_eq!((monday(25.0).is_some(), monday(3_000.0)), (true, None));
    // And an hour's two of them in two weeks say nothing of it.
    let mut few = Series::default();
    add(&mut few, |_, line| {
        line.source = Source::Ct;
        line.kind = Kind::Issued;
        line.stands_for = 600.0;
    });
    assert_eq!(learn(&few).day[3].evidence, Evidence::Insufficient);
}

#[test]
fn if_the_best_source_is_silent_the_next_counts() {
    let mut series = Series::default();
    add(&mut series, |from, line| {
        if hour_of(from) == 5 {
            line.source = Source::Metrics;
            line.count = 1_200;
        }
    });
    add(&mut series, |_, line| {
        line.source = Source::Ct;
        line.count = 7;
    });
    is(per_hour(&series), (23.0 * 600.0 + 1_200.0) / 24.0);
    is(learn(&series).day[5].coefficient, 1_200.0 / 625.0);
}

#[test]
fn lines_of_one_series_add_up_and_vantages_give_the_median() {
    let mut twice = Series::default();
    add(&mut twice, |_, _| {});
    add(&mut twice, |_, line| {
        line.endpoint = Some("new-order".to_owned());
    });
    is(per_hour(&twice), 1_200.0);
    let mut vantages = Series::default();
    for (name, count) in [("a", 600), ("b", 630), ("c", 9_000)] {
        add(&mut vantages, |_, line| {
            line.vantage = Some(name.to_owned());
            line.count = count;
        });
    }
    is(per_hour(&vantages), 630.0);
}

#[test]
fn attempts_count_where_they_are_known_else_what_was_issued() {
    let mut series = Series::default();
    let change = at(NOW) - 7 * DAY + 12 * HOUR;
    add(&mut series, |_, line| {
        line.kind = Kind::Issued;
        line.count = 500;
    });
    is(per_hour(&series), 500.0);
    add(&mut series, |from, line| {
        line.kind = if from < change {
            Kind::Failed
        } else {
            Kind::Attempt
        };
    });
    // Since then six attempts have stood behind five certificates: so they did before.
    is(per_hour(&series), 600.0);
}

#[test]
fn a_zero_covers_and_silence_does_not() {
    let mut series = Series::default();
    add(&mut series, |from, line| {
        if hour_of(from) == 4 {
            line.count = 0;
        }
        if hour_of(from) == 5 {
            // A minute of the hour only.
            line.seconds = 60;
        }
    });
    let profile = learn(&series);
    assert_eq!(profile.day[4].evidence, Evidence::Sufficient);
    is(profile.day[4].coefficient, 0.0);
    is(profile.day[4].coverage, 1.0);
    assert_eq!(profile.day[5].evidence, Evidence::Insufficient);
    assert!((profile.day[5].coverage - 1.0 / 60.0).abs() < 1e-9);
}

#[test]
fn registrations_teach_and_are_taken_back() {
    let mut series = Series::default();
    let all: Vec<Timestamp> = (-28 * 24..0)
        .flat_map(|hour| {
            let from = at(NOW) + hour * HOUR;
            let count = if hour_of(from) == 1 { 40 } else { 10 };
            (0..count).map(move |n| from + n * 89)
        })
        .collect();
    for issued_at in &all {
        series.add_registration(*issued_at, true, false);
    }
    let profile = learn(&series);
    let mean = (40.0 + 23.0 * 10.0) / 24.0;
    assert!((profile.day[1].coefficient - 40.0 / mean).abs() < 0.02);
    assert!((profile.mean_per_hour() - mean).abs() < 0.01);
    assert!(profile.minutes.is_some());
    for issued_at in &all {
        series.remove_registration(*issued_at, true, false);
    }
    assert_eq!(learn(&series).volume, None);
}

/// Whoever is steered into an hour does not make it busy in the model, or the hour that we fill
/// would be the hour that we flee.
#[test]
fn steered_renewals_are_not_demand() {
    let mut series = Series::default();
    let steer = |series: &mut Series, change: fn(&mut Series, Timestamp)| {
        for hour in -14 * 24..0 {
            let from = at(NOW) + hour * HOUR;
            for n in 0..if hour_of(from) == 20 { 600 } else { 0 } {
                change(series, from + n * 6);
            }
        }
    };
    // The CA's own count sees both: 600 that come by themselves and 600 that were steered.
    add(&mut series, |from, line| {
        line.count = if hour_of(from) == 20 { 1_200 } else { 600 };
    });
    is(learn(&series).day[20].coefficient, 1_200.0 / 625.0);
    steer(&mut series, |series, at| {
        series.add_registration(at, true, true);
    });
    let profile = learn(&series);
    is(profile.day[20].coefficient, 1.0);
    let volume = profile.volume.unwrap();
    is(volume.per_hour, 625.0);
    is(volume.unsteered_per_hour, 600.0);
    steer(&mut series, |series, at| {
        series.remove_registration(at, true, true);
    });
    is(learn(&series).day[20].coefficient, 1_200.0 / 625.0);
}

#[test]
fn what_purged_certificates_leave_keeps_them_apart() {
    let mut series = Series::default();
    add(&mut series, |_, line| {
        line.source = Source::Registrations;
        line.kind = Kind::Issued;
    });
    add(&mut series, |from, line| {
        line.source = Source::Registrations;
        line.kind = Kind::Issued;
        line.count = if hour_of(from) == 20 { 600 } else { 0 };
        line.steered = true;
    });
    let profile = learn(&series);
    is(profile.day[20].coefficient, 1.0);
    is(profile.volume.unwrap().per_hour, 625.0);
}

#[test]
fn certificates_without_an_hour_inform_the_day_alone() {
    let mut series = Series::default();
    for day in -28..0 {
        for _ in 0..240 {
            series.add_registration(at(NOW) + day * DAY, false, false);
        }
    }
    let profile = learn(&series);
    assert!(!profile.knows_anything());
    is(profile.mean_per_hour(), 10.0);
    assert!(profile.weekdays.iter().all(Option::is_some));
}

/// The registry's own silence: quiet for a night, unknown for a weekend without a feed.
#[test]
fn a_registry_that_is_no_longer_fed_is_not_quiet() {
    let mut series = Series::default();
    let cut = Span {
        from: at(NOW) - 10 * DAY,
        to: at(NOW) - 8 * DAY,
    };
    for hour in -28 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        if (9..17).contains(&hour_of(from)) && !cut.contains(from) {
            for n in 0..60 {
                series.add_registration(from + n * MINUTE, true, false);
            }
        }
    }
    let profile = learn(&series);
    is((profile.day[3].coefficient * 100.0).round(), 0.0);
    // Unknown are the first night, before there was anything, and the three of the silence.
    assert_eq!(profile.day[3].samples, 24);
    is(profile.day[12].coefficient, 3.0);
    assert_eq!(profile.day[12].samples, 26);
}

#[test]
fn what_is_trimmed_is_gone() {
    let mut series = hourly(28, one_oclock);
    series.trim(at(NOW) - 10 * DAY + 1);
    assert_eq!(series.span().unwrap().from, at(NOW) - 10 * DAY);
    assert_eq!(learn(&series).day[1].samples, 10);
    series.trim(at(NOW));
    assert_eq!(series.span(), None);
}

#[test]
fn nothing_is_taken_in_from_before_what_is_kept() {
    let mut series = hourly(28, one_oclock);
    let before = learn(&series);
    let span = series.span();
    series.trim(at(NOW) - 28 * DAY);
    for long_ago in [at(NOW) - 29 * DAY, Timestamp::MIN] {
        series.add_registration(long_ago, true, true);
        series.add_registration(long_ago, false, false);
        series.remove_registration(long_ago, true, false);
        series.add(&line(long_ago, HOUR, Kind::Attempt, 1_000));
    }
    assert_eq!(series.span(), span);
    assert_eq!(learn(&series), before);
}

#[test]
fn the_future_is_not_looked_at() {
    let mut series = hourly(14, one_oclock);
    let now = learn(&series);
    series.add(&line(at(NOW), HOUR, Kind::Attempt, 1_000_000));
    assert_eq!(learn(&series), now);
}

#[test]
fn absurd_lines_do_no_harm() {
    let mut series = hourly(14, one_oclock);
    let before = learn(&series);
    let mut absurd = line(at(NOW) - 5 * DAY, HOUR, Kind::Attempt, u64::MAX);
    absurd.latency_ms = Some(f64::NAN);
    series.add(&absurd);
    let after = learn(&series);
    for (slot, calm) in after.week.iter().zip(&before.week) {
        assert!((slot.coefficient - calm.coefficient).abs() < 0.05);
    }
    assert!(after.mean_per_hour().is_finite());
}
