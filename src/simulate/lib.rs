//! The simulator (`docs/simulation.md`): it runs a population of clients on a virtual clock under
//! several rules, and measures the load of the CA.
//!
//! Certificates are not objects but numbers in grains of five minutes. `population` holds how many
//! come in each grain, `wake` computes when clients renew by their windows, `server` gives windows with
//! the real allocation code, and `run` goes through the grains.

mod aftermath;
mod brought;
mod course;
mod days;
mod density;
mod figures;
mod given;
pub mod midnight;
pub mod outcome;
mod population;
mod recognition;
mod replan;
pub mod report;
mod rules;
mod run;
pub mod scenario;
mod server;
mod trouble;
mod wake;
mod windows;

use offpeak_config as config;
use offpeak_domain as domain;

use brought::Brought;
use outcome::{Note, Outcome};
use scenario::Scenario;

use crate::domain::math::number::real_len;

/// Runs a scenario under each of its rules. `progress` is called with the share that is done, from 0 to
/// 1.
#[must_use]
pub fn run(scenario: &Scenario, progress: &mut dyn FnMut(f64)) -> Outcome {
    let brought = Brought::by(scenario);
    let mean = brought.all();
    let population = course::after_the_past(scenario, mean);
    let mut floor = f64::INFINITY;
    let mut rules = Vec::new();
    for (n, rule) in scenario.rules.iter().enumerate() {
        let parts = real_len(scenario.rules.len());
        let mut progress = |done: f64| progress((real_len(n) + done) / parts);
        let ran = course::run(scenario, *rule, population.clone(), mean, &mut progress);
        // Failed attempts come again, so the rule with the fewest of them is closest to what is
        // possible.
        floor = floor.min(figures::floor(scenario, &ran.population, brought));
        let recognised = ran.recognised;
        let mut figures = figures::figures(scenario, *rule, ran, mean);
        if let Some((soon, late)) = recognised {
            let name = "clients that ask whose rhythm is recognised";
            let note = |when: &str, value: f64| Note {
                name: format!("{name} after {when} (share)"),
                value,
            };
            figures.notes.push(note("3 days", soon));
            figures.notes.push(note("60 days", late));
        }
        rules.push(figures);
    }
    days::beside_none(scenario, mean, &mut rules);
    Outcome {
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        seed: scenario.seed,
        start: scenario.start,
        slot_seconds: scenario.policy.slot_seconds,
        mean,
        floor: if rules.is_empty() { 1.0 } else { floor },
        rules,
    }
}
