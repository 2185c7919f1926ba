//! The outcome of a run: the CA's load.

use super::scenario::Rule;
use crate::domain::time::{Span, Timestamp};

/// The outcome of one scenario. "Mean" is [`Outcome::mean`] throughout: the load that the scenario
/// brings by itself, the same under every rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The seed it ran with.
    pub seed: u64,
    /// The first instant.
    pub start: Timestamp,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The mean load, in certificates per slot.
    pub mean: f64,
    /// The least peak that any rule could reach, as a multiple of the mean: the largest of 1, the
    /// peak of the load that nobody can steer, and that of its average day with the clients of
    /// fixed ticks.
    pub floor: f64,
    /// What each rule made of it, in the order of [`Rule::ALL`].
    pub rules: Vec<RuleOutcome>,
}

/// The load under one rule. Figures cover the time after the first cycle, which no rule moves, and
/// leave out the turns of the cycles unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: Rule,
    /// The load of each slot from [`Outcome::start`] on, in certificates (attempts, where some
    /// fail).
    pub load: Vec<f64>,
    /// The busiest slot, as a multiple of the mean.
    pub peak_to_mean: f64,
    /// The busiest slot of all days after the first cycle, the turns of the cycles among them, as a
    /// multiple of the mean.
    pub peak_to_mean_all_days: f64,
    /// The load that 99 % of the slots do not exceed, as a multiple of the mean.
    pub p99_to_mean: f64,
    /// The busiest minute, as a multiple of the mean load of a minute.
    pub worst_minute_to_mean: f64,
    /// The busiest second, as a multiple of the mean load of a second.
    pub worst_second_to_mean: f64,
    /// What renewing early adds to all issuance, as a share of it: 0.01 is 1 %.
    pub extra_issuance: f64,
    /// The cycles after the first, in order.
    pub cycles: Vec<Cycle>,
    /// The load by the second around the busiest moments.
    pub peaks: Vec<PeakSeconds>,
    /// Figures that belong to this scenario, such as the first hour after an outage.
    pub notes: Vec<Note>,
    /// How many cycles it took until an echo stood no more than 5 % above the last cycle's peak;
    /// `None` where there was no echo, or it never died down.
    pub echo_cycles: Option<u32>,
    /// Its days beside those under [`Rule::None`], where that was run too and is another.
    pub beside_none: Option<BesideNone>,
    /// What chance makes of its busiest slot at small CAs.
    pub with_chance: Vec<WithChance>,
}

/// The busiest slot of each day beside that of the same day under no rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BesideNone {
    /// On how many days it is higher by more than chance makes: three standard deviations of a
    /// count of its size.
    pub days_above: u32,
    /// By how much it is higher on the day on which it is highest above, as a multiple of the mean;
    /// below 0 where it is lower on each.
    pub most_above: f64,
    /// That day.
    pub day: Timestamp,
}

/// The busiest slot that a CA of a size sees, in which chance has its part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WithChance {
    /// The mean load, in certificates an hour.
    pub per_hour: f64,
    /// The busiest slot of all days after the first cycle, each a count drawn around what is to be
    /// expected of it (Poisson), as a multiple of the mean.
    pub peak_to_mean: f64,
}

/// One cycle after the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// When it was.
    pub span: Span,
    /// Its busiest slot, as a multiple of the mean.
    pub peak_to_mean: f64,
    /// The load that 99 % of its slots do not exceed, as a multiple of the mean.
    pub p99_to_mean: f64,
}

/// The load by the second, from an instant on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeakSeconds {
    /// The first second.
    pub from: Timestamp,
    /// Certificates in each second.
    pub per_second: Vec<u32>,
}

/// A figure with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// What it is, with its unit: `recognised clients (share)`.
    pub name: String,
    /// The figure.
    pub value: f64,
}
