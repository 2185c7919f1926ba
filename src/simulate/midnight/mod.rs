//! The seconds around midnight (`docs/simulation.md`, "Midnight"): the clients of the scenario
//! `realistic`, each by itself, in front of a CA that bears three times its mean load, under four rules
//! for what is over.
//!
//! `crowd` says who comes when, `manners` what each does with an answer that it does not like, `door` what
//! each rule does with a request; `run` goes through the seconds. The rules `hold` and `offpeak` are
//! `domain::admission`, which the gateway has too.

mod crowd;
mod door;
mod figures;
mod manners;
mod outcome;
pub mod report;
mod run;

pub use outcome::{DESCRIPTION, NAME, Outcome, Rule, RuleOutcome};

use super::scenario::Scenario;
use crate::domain::math::number::real_len;

/// How many times the mean load the CA bears.
const BEARS: f64 = 3.0;

/// Runs it for the clients and the volume of a scenario under all rules. `progress` is told how far it has
/// come, from 0 to 1.
#[must_use]
pub fn run(scenario: &Scenario, progress: &mut dyn FnMut(f64)) -> Outcome {
    let kinds = crowd::kinds(scenario);
    let mean = crowd::per_day(&kinds) / 86_400.0;
    let bears = BEARS * mean;
    let mut rules = Vec::new();
    for (n, rule) in Rule::ALL.into_iter().enumerate() {
        let parts = real_len(Rule::ALL.len());
        let mut told = |done: f64| progress((real_len(n) + done) / parts);
        let seen = run::run(&kinds, rule, bears, scenario.seed, &mut told);
        rules.push(figures::figures(rule, &kinds, &seen));
    }
    Outcome {
        seed: scenario.seed,
        mean,
        bears,
        floor: crowd::fewest_that_fail(&kinds, bears),
        rules,
    }
}
