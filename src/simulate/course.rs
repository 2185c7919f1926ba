//! The course of one rule, from the first grain to the last.

use super::aftermath;
use super::population::Population;
use super::recognition::recognised;
use super::run::Run;
use super::scenario::{Rule, Scenario};
use super::trouble::Trouble;
use crate::domain::math::number::{length, real_len};
use crate::domain::time::DAY;
use crate::domain::time::timeline::GRAIN_SECONDS;

/// The result of one rule for a population.
pub(super) struct Ran<'a> {
    /// The population after the run.
    pub(super) population: Population<'a>,
    /// Attempts in each grain.
    pub(super) attempts: Vec<f64>,
    /// The shares of the polling clients whose schedule the server has recognised, after three days and
    /// at the end.
    pub(super) recognised: Option<(f64, f64)>,
    /// Other results, by name.
    pub(super) notes: Vec<(String, f64)>,
}

/// The population with which every rule begins: after the scenario's past, in which there was no rule.
pub(super) fn after_the_past(scenario: &Scenario, mean: f64) -> Population<'_> {
    let mut past = Run::new(scenario, Rule::None, Population::first(scenario), mean);
    let grains = length((scenario.start - scenario.past_begins()) / GRAIN_SECONDS);
    for grain in 0..grains {
        past.step(grain);
    }
    past.population.begin();
    past.population
}

/// Runs one rule on a population. `progress` is called with the share that is done.
pub(super) fn run<'a>(
    scenario: &'a Scenario,
    rule: Rule,
    population: Population<'a>,
    mean: f64,
    progress: &mut dyn FnMut(f64),
) -> Ran<'a> {
    let mut run = Run::new(scenario, rule, population, mean);
    let mut troubles: Vec<Trouble<'_>> = scenario.incidents.iter().map(Trouble::new).collect();
    let grains = run.population.grains;
    let mut attempts = Vec::with_capacity(grains);
    for grain in 0..grains {
        if grain % length(DAY / GRAIN_SECONDS) == 0 {
            progress(real_len(grain) / real_len(grains));
        }
        for trouble in &mut troubles {
            trouble.befall(&mut run, grain);
        }
        attempts.push(run.step(grain));
    }
    aftermath::figures(&mut run, &attempts);
    let known = run.server.as_ref();
    Ran {
        recognised: known.and_then(|server| {
            let share = |stage: usize| recognised(scenario, &server.known, stage);
            share(0).zip(share(2))
        }),
        population: run.population,
        attempts,
        notes: run.notes,
    }
}
