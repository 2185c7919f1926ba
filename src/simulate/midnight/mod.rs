//! The seconds around midnight (`docs/simulation.md`, "Midnight"): the clients of the scenario
//! `realistic`, simulated individually, in front of a CA that can handle three times its mean load,
//! under four rules for the excess.
//!
//! `crowd` says when clients arrive, `behaviours` how they react to errors, `door` how each rule
//! handles a request; `run` goes through the seconds. The rules `hold` and `offpeak` use
//! `domain::admission`, as the gateway does.

mod behaviours;
mod crowd;
mod door;
mod figures;
mod outcome;
pub mod report;
mod run;

pub use outcome::{DESCRIPTION, NAME, Outcome, Rule, RuleOutcome};

use super::scenario::Scenario;
use crate::domain::math::number::real_len;

/// The CA's capacity as a multiple of the mean load.
const CAPACITY: f64 = 3.0;

/// Simulates the clients and volume of a scenario under all rules. `progress` is called with the
/// progress from 0 to 1.
#[must_use]
pub fn run(scenario: &Scenario, progress: &mut dyn FnMut(f64)) -> Outcome {
    let kinds = crowd::kinds(scenario);
    let mean = crowd::per_day(&kinds) / 86_400.0;
    let capacity = CAPACITY * mean;
    let mut rules = Vec::new();
    for (n, rule) in Rule::ALL.into_iter().enumerate() {
        let parts = real_len(Rule::ALL.len());
        let mut report_progress = |done: f64| progress((real_len(n) + done) / parts);
        let seen = run::run(&kinds, rule, capacity, scenario.seed, &mut report_progress);
        rules.push(figures::figures(rule, &kinds, &seen));
    }
    Outcome {
        seed: scenario.seed,
        mean,
        capacity,
        floor: crowd::fewest_that_fail(&kinds, capacity),
        rules,
    }
}
