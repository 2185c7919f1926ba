//! Revocations and drills: a deadline, and a budget.

use offpeak::domain::certificate::Validity;
use offpeak::domain::moves::incident::{Incident, Plan, Planner, PlanningContext, Refusal};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

use super::{
    Affected, OPENED, at, closed_between, hash, later, long, ninety_days, planned, policy,
    revocation, scene, seconds, steady,
};

/// The hours of the base population, 00 to 23, mean 1.
const SHAPE: [f64; 24] = [
    1.795, 2.268, 1.417, 1.134, 1.039, 0.945, 0.945, 0.945, 0.992, 0.992, 0.945, 0.898, 1.228,
    0.945, 0.850, 0.850, 0.803, 0.756, 0.709, 0.661, 0.661, 0.661, 0.709, 0.850,
];

/// 40,000 an hour on average, in that shape.
pub(super) fn base_load(span: Span) -> f64 {
    (span.from.slot(HOUR)..=(span.to - 1).slot(HOUR))
        .map(|hour| {
            let from = Timestamp::from_unix(hour * HOUR);
            let part = seconds(Span {
                from: from.max(span.from),
                to: (from + HOUR).min(span.to),
            });
            40_000.0 * SHAPE[usize::try_from(hour.rem_euclid(24)).unwrap()] * part / 3_600.0
        })
        .sum()
}

/// As many certificates as that with windows later on: counted, as a plan would be for millions.
pub(super) fn counted(scene: &PlanningContext<'_>, certificates: u32) -> Result<Plan, Refusal> {
    let (validity, window) = later(0);
    let mut planner = Planner::new();
    for _ in 0..certificates {
        planner.count(scene, validity, window);
    }
    planner.plan(scene)
}

fn highest_hour(plan: &Plan) -> f64 {
    plan.hours()
        .iter()
        .map(|hour| hour.normal + hour.moved)
        .fold(0.0, f64::max)
}

pub(super) fn moved(plan: &Plan) -> f64 {
    plan.hours().iter().map(|hour| hour.moved).sum()
}

#[test]
fn three_percent_of_all_fit_a_day_and_four_times_the_load() {
    // 57.6 million live certificates are 60 days of 40,000 an hour.
    let incident = revocation(24, Some(160_000.0));
    let policy = policy();
    let scene = scene(&incident, &policy, at(OPENED), &base_load);
    let plan = counted(&scene, 1_728_000).unwrap();
    assert!((moved(&plan) - 1_728_000.0).abs() < 1.0);
    let highest = highest_hour(&plan);
    assert!(highest <= 160_000.0, "{highest}");
    // 16.6 hours from the first poll's end to the last window's, and no hour higher than it must.
    let least = (1_728_000.0 + base_load(long(at(OPENED) + 7 * HOUR, 17 * HOUR))) / 17.0;
    assert!(highest < 1.05 * least, "{highest}, {least}");
    for hour in plan.hours() {
        assert!(hour.from >= at(OPENED) + 7 * HOUR && hour.from < at(OPENED) + 24 * HOUR);
        assert_eq!(hour.budget, Some(160_000.0));
    }
}

#[test]
fn thirty_percent_are_refused_with_what_would_do() {
    let incident = revocation(24, Some(16_000.0));
    // A tenth of the base population, for speed.
    let policy = policy();
    let load = |span: Span| base_load(span) / 10.0;
    let scene_of = |incident| scene(incident, &policy, at(OPENED), &load);
    let refusal = counted(&scene_of(&incident), 1_728_000).unwrap_err();
    let times = refusal.smallest_budget_per_hour / 4_000.0;
    assert!((26.0..29.0).contains(&times), "{times}");
    let words = refusal.to_string();
    let budget = format!("{:.0}", refusal.smallest_budget_per_hour.ceil());
    assert!(
        words.contains(&budget) && words.contains(&refusal.earliest_renew_by.to_string()),
        "{words}"
    );
    // Six days: 1.728 million over 12,000 an hour.
    let hours = (refusal.earliest_renew_by - at(OPENED)) / HOUR;
    assert!((145..160).contains(&hours), "{hours}");

    let over = Incident {
        over_budget: true,
        ..incident.clone()
    };
    let plan = counted(&scene_of(&over), 1_728_000).unwrap();
    let highest = highest_hour(&plan);
    assert!(
        highest <= refusal.smallest_budget_per_hour * 1.001,
        "{highest}"
    );
}

#[test]
fn what_a_refusal_names_suffices_and_a_little_less_does_not() {
    let policy = policy();
    let affected: Vec<Affected> = (0..40_000)
        .map(|n| {
            // Some of them have windows before the deadlines that are tried.
            let (validity, window) = later(n);
            let window = if n % 3 == 0 {
                long(at(OPENED) + i64::from(n) * 11, 15 * MINUTE)
            } else {
                window
            };
            (
                if n % 3 == 0 {
                    ninety_days(window)
                } else {
                    validity
                },
                window,
            )
        })
        .collect();
    let tried = |incident: &Incident| {
        let load = |span: Span| base_load(span) / 100.0;
        planned(&scene(incident, &policy, at(OPENED), &load), &affected)
    };
    let tight = revocation(24, Some(1_000.0));
    let refusal = tried(&tight).unwrap_err();
    let budget = |factor: f64| Incident {
        budget_per_hour: Some(refusal.smallest_budget_per_hour * factor),
        ..tight.clone()
    };
    assert!(tried(&budget(1.0)).is_ok());
    assert!(tried(&budget(0.99)).is_err());
    let renew_by = |earlier: i64| Incident {
        renew_by: Some(refusal.earliest_renew_by - earlier),
        ..tight.clone()
    };
    assert!(tried(&renew_by(0)).is_ok());
    assert!(tried(&renew_by(15 * MINUTE)).is_err());
    // Renewals that are due before a later deadline stay, and are not to be counted as moving.
    assert!(
        tried(&renew_by(0)).unwrap().to_move
            < tried(&Incident {
                over_budget: true,
                ..tight.clone()
            })
            .unwrap()
            .to_move
    );
}

#[test]
fn without_a_budget_the_load_is_as_flat_as_it_can_be() {
    let incident = revocation(48, None);
    let policy = policy();
    let plan = counted(
        &scene(&incident, &policy, at(OPENED), &base_load),
        3_000_000,
    )
    .unwrap();
    let inside = |hour: &&offpeak::domain::moves::incident::HourLoad| {
        hour.from >= at(OPENED) + 8 * HOUR && hour.from < at(OPENED) + 47 * HOUR
    };
    let loads: Vec<f64> = plan
        .hours()
        .iter()
        .filter(inside)
        .map(|h| h.normal + h.moved)
        .collect();
    let (low, high) = loads.iter().fold((f64::MAX, 0.0_f64), |(low, high), load| {
        (low.min(*load), high.max(*load))
    });
    // A slot before a fuller hour is filled to that hour's level only.
    assert!(high < 1.12 * low, "{low} to {high}");
    assert!(plan.hours().iter().all(|hour| hour.budget.is_none()));
}

#[test]
fn a_deadline_before_the_next_poll_is_refused_at_any_budget() {
    let policy = policy();
    let refused = |incident: &Incident| {
        counted(&scene(incident, &policy, at(OPENED), &steady(100.0)), 1_000).unwrap_err()
    };
    let refusal = refused(&revocation(6, Some(1e9)));
    assert!(refusal.smallest_budget_per_hour.is_infinite());
    // 7.2 hours, to the next quarter of an hour, one slot, and a window's length.
    assert_eq!(
        refusal.earliest_renew_by,
        at(OPENED) + 7 * HOUR + 40 * MINUTE
    );
    assert!(refusal.to_string().contains("urgent"), "{refusal}");
    let over = Incident {
        over_budget: true,
        ..revocation(6, Some(1.0))
    };
    assert!(refused(&over).smallest_budget_per_hour.is_infinite());
    // The usual load alone fills the budget for ever, and the windows lie beyond all deadlines.
    let window = long(at(OPENED) + 100 * DAY, 15 * MINUTE);
    let poor = revocation(24, Some(99.0));
    let expected = steady(100.0);
    let never = planned(
        &scene(&poor, &policy, at(OPENED), &expected),
        &[(ninety_days(window), window)],
    )
    .unwrap_err();
    assert_eq!(never.earliest_renew_by, Timestamp::MAX);
    assert!(never.to_string().contains("no renewBy"), "{never}");
}

#[test]
fn a_ceiling_and_a_closed_night_hold() {
    let incident = revocation(24, None);
    let night = Span {
        from: at("2026-11-17T22:00:00Z"),
        to: at("2026-11-18T02:00:00Z"),
    };
    let mut policy = policy();
    policy.capacity = vec![closed_between(night.from, night.to)];
    policy
        .capacity
        .push(offpeak::domain::policy::capacity::CapacityRule {
            when: offpeak::domain::policy::capacity::When::Once(long(
                at("2026-11-18T04:00:00Z"),
                HOUR,
            )),
            share: 1.0,
            ceiling_per_hour: Some(50_000.0),
            name: None,
        });
    let plan = counted(
        &scene(&incident, &policy, at(OPENED), &steady(40_000.0)),
        600_000,
    )
    .unwrap();
    for hour in plan.hours() {
        if night.contains(hour.from) {
            assert!(hour.moved == 0.0 && hour.capacity == 0.0, "{hour:?}");
        }
        if hour.from == at("2026-11-18T04:00:00Z") {
            assert!(hour.normal + hour.moved < 50_000.1, "{hour:?}");
        }
    }
    for number in 0..2_000 {
        let (validity, before) = later(0);
        let (window, _) = plan.window(hash(number), validity, before).unwrap();
        assert_eq!(window.overlap_seconds(night), 0, "{window:?}");
    }
}

#[test]
fn everybody_has_a_share_of_the_budget_whatever_the_poll_interval() {
    // Six-day lives look again after 6 h and a fifth, lives of half a day every 36 minutes.
    let policy = policy();
    let incident = revocation(12, None);
    let window = long(at(OPENED) + 13 * HOUR, 30 * MINUTE);
    let short = Validity {
        not_before: at(OPENED) - HOUR,
        not_after: at(OPENED) + 35 * HOUR - 1,
    };
    let affected: Vec<Affected> = (0..20_000)
        .map(|n| {
            (
                if n % 2 == 0 {
                    short
                } else {
                    ninety_days(window)
                },
                window,
            )
        })
        .collect();
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let plan = planned(&scene, &affected).unwrap();
    // 10,000 of each: the long-lived have 4.5 hours, the short-lived the 6 before as well. Level,
    // the former fill theirs with 2,222 an hour, and the latter fill their own with 1,960.
    let mean_start = |validity: Validity| {
        let starts = (0..2_000).map(|n| {
            let (window, _) = plan.window(hash(n), validity, window).unwrap();
            f64::from(i32::try_from(window.from - at(OPENED)).unwrap()) / 3_600.0
        });
        starts.sum::<f64>() / 2_000.0
    };
    let (short, long) = (mean_start(short), mean_start(ninety_days(window)));
    assert!(
        (4.0..5.2).contains(&short) && (9.2..9.9).contains(&long),
        "{short}, {long}"
    );
    let spread: Vec<f64> = plan.hours()[1..plan.hours().len() - 1]
        .iter()
        .map(|h| h.moved)
        .collect();
    assert!(
        spread
            .iter()
            .all(|moved| (1_200.0..2_600.0).contains(moved)),
        "{spread:?}"
    );
}

/// An hour in which a CA refuses looks quiet by its certificates.
#[test]
fn no_window_moves_into_an_hour_that_fails_while_there_are_others() {
    let incident = revocation(24, None);
    let policy = policy();
    let mut failing = [false; 24];
    failing[20] = true;
    let quiet_then = |span: Span| {
        let hour = span.from.second_of_day() / HOUR;
        if hour == 20 {
            0.0
        } else {
            4_000.0 * seconds(span) / 3_600.0
        }
    };
    let of = |failing| PlanningContext {
        failing,
        ..scene(&incident, &policy, at(OPENED), &quiet_then)
    };
    let moved_at = |plan: &Plan, hour: i64| -> f64 {
        let at_hour = |one: &&offpeak::domain::moves::incident::HourLoad| {
            one.from.second_of_day() / HOUR == hour
        };
        plan.hours()
            .iter()
            .filter(at_hour)
            .map(|one| one.moved)
            .sum()
    };
    let blind = counted(&of(&[]), 10_000).unwrap();
    let plan = counted(&of(&failing), 10_000).unwrap();
    assert!(moved_at(&blind, 20) > 2_000.0);
    assert!((moved(&plan) - 10_000.0).abs() < 1.0);
    assert!(moved_at(&plan, 20) < 1e-6, "{}", moved_at(&plan, 20));
    for number in 0..1_000 {
        let (validity, window) = later(number);
        let drawn = plan.window(hash(number), validity, window).unwrap().0;
        for second in [drawn.from, drawn.to - 1] {
            assert_ne!(second.second_of_day() / HOUR, 20, "{drawn:?}");
        }
    }
    // Where no other hour is left before the deadline, they come in it.
    let near = Incident {
        renew_by: Some(at(OPENED) + 12 * HOUR),
        ..incident.clone()
    };
    let all = [true; 24];
    let context = PlanningContext {
        failing: &all,
        ..scene(&near, &policy, at(OPENED), &quiet_then)
    };
    assert!((moved(&counted(&context, 100).unwrap()) - 100.0).abs() < 1.0);
}
