//! Below which peak no rule can come, and the two peaks that are told.

use offpeak::domain::math::number::length;
use offpeak::domain::time::{DAY, HOUR};
use offpeak::simulate;
use offpeak::simulate::scenario::{Rule, Scenario};

/// Three in ten wake at midnight alone; 16 of 1,000 order each day and never succeed, while the
/// others order once in 60 days.
const MIDNIGHT: &str = r#"
description = "Midnight, beside clients that never succeed"
certificates_per_hour = 1000
cycles = 1

[[client]]
name = "exact"
kind = "exact"
share = 0.684

[[client]]
name = "midnight"
kind = "cron-redraw"
share = 0.3
[client.ticks]
every = "24h"
at = [{ time = "00:00", share = 1 }]

[[client]]
name = "never succeeds"
kind = "never-succeeds"
share = 0.016
[client.ticks]
every = "24h"
"#;

fn scenario(rules: &[Rule]) -> Scenario {
    let no_files = |_: &str| Err(std::io::Error::other("no files"));
    Scenario {
        rules: rules.to_vec(),
        ..Scenario::parse("midnight", MIDNIGHT, &no_files).unwrap()
    }
}

#[test]
fn clients_that_wake_at_midnight_count_once_a_cycle_in_the_floor() {
    let outcome = simulate::run(&scenario(&[Rule::None]), &mut |_| {});
    // 16 an hour of 60 days, each once a day: 16 · 60 · 24 / 24.
    let vain = 960.0;
    let mean = 984.0 + vain;
    assert!((outcome.mean - mean).abs() < 1e-6, "{}", outcome.mean);
    // Of 1,000 an hour three in ten come in one hour of the day.
    let want = (vain + 0.3 * 1_000.0 * 24.0) / mean;
    assert!((outcome.floor - want).abs() < 1e-6, "{}", outcome.floor);
}

#[test]
fn the_peak_of_all_days_has_the_turns_of_the_cycles() {
    let outcome = simulate::run(&scenario(&[Rule::None, Rule::Boulder]), &mut |_| {});
    for rule in &outcome.rules {
        let after_first = &rule.load[length(60 * DAY / HOUR)..];
        let highest = after_first.iter().copied().fold(0.0, f64::max);
        let got = rule.peak_to_mean_all_days;
        assert!((got - highest / outcome.mean).abs() < 1e-9, "{got}");
        assert!(got >= rule.peak_to_mean, "{got}, {}", rule.peak_to_mean);
    }
}
