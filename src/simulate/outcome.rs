//! The outcome of a run: the CA's load.

use super::scenario::Rule;
use crate::domain::time::{Span, Timestamp};

/// The outcome of one scenario. "Mean" always is [`Outcome::mean`]: the load that the scenario itself
/// causes, which is the same under every rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario shows, in a sentence.
    pub description: String,
    /// The seed of the run.
    pub seed: u64,
    /// The first instant of the run.
    pub start: Timestamp,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The mean load, in certificates per slot.
    pub mean: f64,
    /// The lowest peak that any rule could reach, as a multiple of the mean: the largest of 1, the peak
    /// of the load that cannot be steered, and the peak of the average day of that load with the
    /// clients of fixed ticks added.
    pub floor: f64,
    /// The outcome of each rule, in the order of [`Rule::ALL`].
    pub rules: Vec<RuleOutcome>,
}

/// The load under one rule. Figures are of the time after the first cycle, which no rule changes, and
/// leave out the turns of the cycles unless stated otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// The load of each slot from [`Outcome::start`] on, in certificates; in attempts if some fail.
    pub load: Vec<f64>,
    /// The busiest slot, as a multiple of the mean.
    pub peak_to_mean: f64,
    /// The busiest slot of all days after the first cycle, including the turns of the cycles, as a
    /// multiple of the mean.
    pub peak_to_mean_all_days: f64,
    /// The load that 99 % of the slots do not exceed, as a multiple of the mean.
    pub p99_to_mean: f64,
    /// The busiest minute, as a multiple of the mean load of a minute.
    pub worst_minute_to_mean: f64,
    /// The busiest second, as a multiple of the mean load of a second.
    pub worst_second_to_mean: f64,
    /// The additional issuance caused by early renewals, as a share: 0.01 is 1 %.
    pub extra_issuance: f64,
    /// The cycles after the first, in order.
    pub cycles: Vec<Cycle>,
    /// The load by the second around the busiest moments.
    pub peaks: Vec<PeakSeconds>,
    /// Figures that belong to this scenario, such as the first hour after an outage.
    pub notes: Vec<Note>,
    /// After how many cycles a burst's echo was at most 5 % above the last cycle's peak; `None` if
    /// there was no echo, or it did not end.
    pub echo_cycles: Option<u32>,
    /// The comparison of its days with those under [`Rule::None`], if that is another rule and was run.
    pub beside_none: Option<BesideNone>,
    /// The busiest slot of small CAs, including the effect of chance.
    pub with_chance: Vec<WithChance>,
}

/// The busiest slot of each day, compared with that of the same day under no rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BesideNone {
    /// The number of days on which it is higher by more than chance: three standard deviations of a
    /// count of its size.
    pub days_above: u32,
    /// The largest difference on any day, as a multiple of the mean; negative if it is lower on each
    /// day.
    pub most_above: f64,
    /// The day with this difference.
    pub day: Timestamp,
}

/// The busiest slot of a CA of some size, including the effect of chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WithChance {
    /// The mean load, in certificates an hour.
    pub per_hour: f64,
    /// The busiest slot of all days after the first cycle, as a multiple of the mean. Each slot's count
    /// is drawn around its expected value (Poisson).
    pub peak_to_mean: f64,
}

/// One cycle after the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// The span of the cycle.
    pub span: Span,
    /// Its busiest slot, as a multiple of the mean.
    pub peak_to_mean: f64,
    /// The load that 99 % of its slots do not exceed, as a multiple of the mean.
    pub p99_to_mean: f64,
}

/// The load by the second.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeakSeconds {
    /// The first second.
    pub from: Timestamp,
    /// Certificates in each second.
    pub per_second: Vec<u32>,
}

/// A named figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The name, with its unit: `recognised clients (share)`.
    pub name: String,
    /// The figure.
    pub value: f64,
}
