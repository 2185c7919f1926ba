//! An outcome as JSON, for programs. The names must not change.

use serde::{Serialize, Serializer};

use crate::outcome::{Cycle, Outcome, RuleOutcome, WithChance};

/// The output of `offpeak simulate --json`, without the final newline. Figures have four decimals.
///
/// # Errors
/// Never in practice: all numbers can be written as JSON.
pub fn to_json(outcome: &Outcome) -> serde_json::Result<String> {
    serde_json::to_string(&Document {
        scenario: &outcome.scenario,
        seed: outcome.seed,
        floor: Figure(outcome.floor),
        rules: Rules(&outcome.rules),
    })
}

#[derive(Serialize)]
struct Document<'o> {
    scenario: &'o str,
    seed: u64,
    floor: Figure,
    rules: Rules<'o>,
}

/// An object with a key for each rule, in the order of the rules.
struct Rules<'o>(&'o [RuleOutcome]);

impl Serialize for Rules<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|rule| (rule.rule.name(), Figures::of(rule))),
        )
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    peak_to_mean: Figure,
    peak_to_mean_all_days: Figure,
    days_above_none: Option<u32>,
    most_above_none: Option<Figure>,
    p99_to_mean: Figure,
    worst_minute_to_mean: Figure,
    worst_second_to_mean: Figure,
    extra_issuance: Figure,
    cycles: Vec<CycleFigures>,
    with_chance: Vec<ChanceFigures>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChanceFigures {
    per_hour: Figure,
    peak_to_mean: Figure,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CycleFigures {
    peak_to_mean: Figure,
    p99_to_mean: Figure,
}

impl Figures {
    fn of(rule: &RuleOutcome) -> Self {
        Self {
            peak_to_mean: Figure(rule.peak_to_mean),
            peak_to_mean_all_days: Figure(rule.peak_to_mean_all_days),
            days_above_none: rule.beside_none.map(|beside| beside.days_above),
            most_above_none: rule.beside_none.map(|beside| Figure(beside.most_above)),
            p99_to_mean: Figure(rule.p99_to_mean),
            worst_minute_to_mean: Figure(rule.worst_minute_to_mean),
            worst_second_to_mean: Figure(rule.worst_second_to_mean),
            extra_issuance: Figure(rule.extra_issuance),
            cycles: rule.cycles.iter().map(CycleFigures::of).collect(),
            with_chance: rule.with_chance.iter().map(ChanceFigures::of).collect(),
        }
    }
}

impl ChanceFigures {
    const fn of(small: &WithChance) -> Self {
        Self {
            per_hour: Figure(small.per_hour),
            peak_to_mean: Figure(small.peak_to_mean),
        }
    }
}

impl CycleFigures {
    const fn of(cycle: &Cycle) -> Self {
        Self {
            peak_to_mean: Figure(cycle.peak_to_mean),
            p99_to_mean: Figure(cycle.p99_to_mean),
        }
    }
}

/// A number with four decimals, so that rounding errors of sums do not show.
struct Figure(f64);

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64((self.0 * 1e4).round() / 1e4)
    }
}
