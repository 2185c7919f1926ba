//! Closed hours, and days on which the CA takes less.

use std::io;

use offpeak::simulate::run;
use offpeak::simulate::scenario::{Rule, Scenario, shipped};

/// A ceiling a tenth below the mean for a whole day: what it does not take is not heaped on the hour
/// before it.
#[test]
fn what_a_day_does_not_take_is_spread_over_those_before() {
    let none = |_: &str| Err(io::Error::other("no files"));
    let text = shipped("closed").unwrap().text;
    let mut scenario = Scenario::parse("closed", text, &none)
        .unwrap()
        .for_days(120);
    scenario.rules = vec![Rule::Offpeak];
    let outcome = run(&scenario, &mut |_| {});
    let offpeak = &outcome.rules[0];
    assert!(offpeak.peak_to_mean < 1.1, "{}", offpeak.peak_to_mean);
    assert!(offpeak.extra_issuance < 0.01, "{}", offpeak.extra_issuance);
}
