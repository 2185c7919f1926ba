//! Closed hours, and days on which the CA takes less.

use std::io;

use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::simulate::run;
use offpeak::simulate::scenario::{Rule, Scenario, shipped};

/// The scenario for so many days, with those of its rules that `keep` keeps.
fn scenario(days: u32, keep: impl Fn(&CapacityRule) -> bool) -> Scenario {
    let none = |_: &str| Err(io::Error::other("no files"));
    let text = shipped("closed").unwrap().text;
    let mut scenario = Scenario::parse("closed", text, &none)
        .unwrap()
        .for_days(days);
    scenario.rules = vec![Rule::Offpeak];
    scenario.policy.capacity.retain(keep);
    scenario
}

/// Four hours of a Sunday: what they do not take goes into the days before, and no hour of these
/// becomes the next peak. `docs/simulation.md` has the bound.
#[test]
fn four_closed_hours_a_week_make_no_peak_beside_them() {
    let scenario = scenario(
        120,
        |rule| matches!(&rule.when, When::Recurring { duration_seconds, .. } if *duration_seconds == 14_400),
    );
    assert_eq!(scenario.policy.capacity.len(), 1);
    let outcome = run(&scenario, &mut |_| {});
    let offpeak = &outcome.rules[0];
    assert!(
        offpeak.peak_to_mean_all_days <= 1.1,
        "{}",
        offpeak.peak_to_mean_all_days
    );
    assert!(offpeak.peak_to_mean <= 1.04, "{}", offpeak.peak_to_mean);
    assert!(offpeak.extra_issuance < 0.01, "{}", offpeak.extra_issuance);
}

/// A ceiling a tenth below the mean for a whole day: what it does not take is not heaped on the hour
/// before it.
#[test]
fn what_a_day_does_not_take_is_spread_over_those_before() {
    let outcome = run(&scenario(120, |_| true), &mut |_| {});
    let offpeak = &outcome.rules[0];
    assert!(offpeak.peak_to_mean < 1.06, "{}", offpeak.peak_to_mean);
    assert!(offpeak.extra_issuance < 0.01, "{}", offpeak.extra_issuance);
}
