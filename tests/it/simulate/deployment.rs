//! What an operator lives through: a CA with a past, and offpeak switched on.

use offpeak::domain::math::number::{length, real, real_len};
use offpeak::domain::time::{DAY, HOUR};
use offpeak::simulate::scenario::{Rule, Scenario};

use super::runs::{rule, run, shortened};

/// The days in which the first windows open, and those after them.
fn scenario(seed: u64) -> Scenario {
    Scenario {
        seed,
        // As many cycles as make every age; the shipped scenario has more.
        past_days: 130,
        ..shortened("deployment", &[Rule::None, Rule::Offpeak], 1, 70)
    }
}

#[test]
fn one_day_at_most_is_worse_than_it_would_have_been() {
    let outcome = run(&scenario(1));
    let beside = rule(&outcome, Rule::Offpeak).beside_none.unwrap();
    // Clients that wake at midnight are called to no midnight before their own. On the second day on
    // which windows open, too many of those that wake twice a day come at midnight.
    assert!(beside.days_above <= 1, "{beside:?}");
    assert!(beside.most_above < 0.2, "{beside:?}");
    assert_eq!(beside.day, outcome.start + 60 * DAY, "{beside:?}");
    // Windows have moved something by then.
    let hours = |of: Rule| &rule(&outcome, of).load[length(60 * DAY / HOUR)..];
    let differs = hours(Rule::None).iter().zip(hours(Rule::Offpeak));
    let moved: f64 = differs.map(|(none, load)| (none - load).abs()).sum();
    let all: f64 = hours(Rule::None).iter().sum();
    assert!(moved > 0.02 * all, "{moved} of {all}");
}

#[test]
fn a_past_is_steady_and_has_every_age() {
    let outcome = run(&Scenario {
        rules: vec![Rule::None],
        ..scenario(2)
    });
    let load = &outcome.rules[0].load;
    let days: Vec<f64> = load.chunks(24).map(|day| day.iter().sum()).collect();
    let mean = days.iter().sum::<f64>() / real_len(days.len()) / 24.0;
    // As many as the scenario says, from the first day on; weekdays differ by a tenth.
    assert!((mean / outcome.mean - 1.0).abs() < 0.02, "{mean}");
    for (day, load) in days.iter().enumerate() {
        let share = load / 24.0 / outcome.mean;
        assert!((share - 1.0).abs() < 0.13, "day {day}: {share}");
    }
}

#[test]
fn who_vanishes_is_made_up_for_by_who_comes() {
    let outcome = run(&Scenario {
        rules: vec![Rule::None],
        churn: 0.5,
        ..scenario(3)
    });
    let load = &outcome.rules[0].load;
    let mean = load.iter().sum::<f64>() / real_len(load.len());
    assert!((mean / outcome.mean - 1.0).abs() < 0.05, "{mean}");
    assert!(real(24 * 70) <= real_len(load.len()));
}
