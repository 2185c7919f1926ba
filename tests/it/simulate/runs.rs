//! Scenarios that come with the program, through the simulator itself: shorter, never smaller.

use offpeak::domain::math::number::length;
use offpeak::domain::time::{HOUR, Timestamp};
use offpeak::simulate;
use offpeak::simulate::outcome::{Outcome, RuleOutcome};
use offpeak::simulate::report::table;
use offpeak::simulate::scenario::{self, Rule, Scenario};

/// The scenario of this name, with these rules, for so many cycles of 60 days after the first; the
/// run ends after `days`, be the last cycle over or not.
pub(super) fn shortened(name: &str, rules: &[Rule], cycles: u32, days: u32) -> Scenario {
    let known = scenario::shipped(name).unwrap();
    let no_files = |_: &str| Err(std::io::Error::other("no files"));
    let scenario = Scenario::parse(known.name, known.text, &no_files).unwrap();
    assert!(days <= 60 * (cycles + 1), "{name}");
    Scenario {
        rules: rules.to_vec(),
        cycles,
        days,
        ..scenario
    }
}

/// Runs it, and prints its table, so that `--show-output` tells the figures.
pub(super) fn run(scenario: &Scenario) -> Outcome {
    let outcome = simulate::run(scenario, &mut |_| {});
    println!("{}", table::to_table(&outcome));
    outcome
}

pub(super) fn rule(outcome: &Outcome, rule: Rule) -> &RuleOutcome {
    let mut rules = outcome.rules.iter();
    rules.find(|known| known.rule == rule).unwrap()
}

/// The peak of each cycle after the first, in multiples of the mean.
pub(super) fn peaks(rule: &RuleOutcome) -> Vec<f64> {
    rule.cycles.iter().map(|cycle| cycle.peak_to_mean).collect()
}

/// The figure whose name begins so.
pub(super) fn note(rule: &RuleOutcome, name: &str) -> Option<f64> {
    let mut notes = rule.notes.iter();
    notes
        .find(|note| note.name.starts_with(name))
        .map(|note| note.value)
}

/// The hours from one instant to another, in certificates.
pub(super) fn hours<'a>(
    outcome: &Outcome,
    rule: &'a RuleOutcome,
    from: Timestamp,
    to: Timestamp,
) -> &'a [f64] {
    assert_eq!(outcome.slot_seconds, HOUR);
    let hour = |at: Timestamp| length((at - outcome.start) / HOUR);
    &rule.load[hour(from)..hour(to)]
}
