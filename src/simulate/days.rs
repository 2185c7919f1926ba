//! Compares each day of a run with the same day under no rule, and computes the effect of chance at
//! small CAs.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Poisson};

use super::outcome::{BesideNone, RuleOutcome, WithChance};
use super::scenario::{Rule, Scenario};
use crate::domain::math::number::{length, real, signed};
use crate::domain::time::{DAY, HOUR};

/// The CAs of a small organisation and of a small country, in certificates per hour.
const SMALL_CAS: [f64; 2] = [20.0, 300.0];
/// How many standard deviations of its count a day must be above another to count as higher.
const BEYOND_CHANCE: f64 = 3.0;

/// Compares each rule's days with those of [`Rule::None`], and adds the effect of chance. `mean` is in
/// certificates per slot.
pub(super) fn beside_none(scenario: &Scenario, mean: f64, rules: &mut [RuleOutcome]) {
    let slot_seconds = scenario.policy.slot_seconds;
    let first = length((scenario.first_steered() - scenario.start) / slot_seconds);
    let of_none = rules.iter().find(|rule| rule.rule == Rule::None);
    let none = of_none.map(|rule| rule.load.clone());
    for rule in rules {
        let steered = rule.load.get(first..).unwrap_or_default();
        rule.with_chance = SMALL_CAS
            .iter()
            .map(|per_hour| with_chance(scenario, steered, mean, *per_hour))
            .collect();
        if let Some(none) = none.as_ref().filter(|_| rule.rule != Rule::None) {
            rule.beside_none = compared(scenario, (&rule.load, none), first, mean);
        }
    }
}

/// Compares the days from the slot `first` on.
fn compared(
    scenario: &Scenario,
    (load, none): (&[f64], &[f64]),
    first: usize,
    mean: f64,
) -> Option<BesideNone> {
    let day_slots = length(DAY / scenario.policy.slot_seconds);
    let highest = |slots: &[f64]| slots.iter().copied().fold(0.0, f64::max);
    let days = load.chunks(day_slots).zip(none.chunks(day_slots));
    let days = days.enumerate().skip(first / day_slots);
    let above = days.map(|(day, (load, none))| (day, highest(load), highest(none)));
    let above: Vec<(usize, f64, f64)> = above.collect();
    let most = above
        .iter()
        .max_by(|a, b| (a.1 - a.2).total_cmp(&(b.1 - b.2)))?;
    let beyond = above
        .iter()
        .filter(|(_, load, none)| load - none > BEYOND_CHANCE * none.max(1.0).sqrt());
    Some(BesideNone {
        days_above: u32::try_from(beyond.count()).unwrap_or(u32::MAX),
        most_above: (most.1 - most.2) / mean,
        day: scenario.start + signed(most.0) * DAY,
    })
}

/// The busiest slot if the CA issues `per_hour` certificates an hour on average.
fn with_chance(scenario: &Scenario, load: &[f64], mean: f64, per_hour: f64) -> WithChance {
    let small = per_hour * real(scenario.policy.slot_seconds) / real(HOUR);
    let mut dice = StdRng::seed_from_u64(scenario.seed ^ 0x0005_a11c);
    let counts = load.iter().map(|load| {
        let expected = load / mean * small;
        if expected > 0.0 {
            Poisson::new(expected).map_or(expected, |law| law.sample(&mut dice))
        } else {
            0.0
        }
    });
    WithChance {
        per_hour,
        peak_to_mean: counts.fold(0.0, f64::max) / small,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    /// A scenario of two cycles of a day, with hours as slots.
    fn scenario() -> Scenario {
        let text = shipped("base-0.6").unwrap().text;
        let none = |_: &str| Err(std::io::Error::other("no files"));
        let parsed = Scenario::parse("base-0.6", text, &none).unwrap();
        Scenario {
            first_cycle_days: 1,
            cycles: 3,
            days: 4,
            ..parsed
        }
    }

    #[test]
    fn a_day_is_above_where_chance_does_not_make_it() {
        let none = vec![10_000.0; 96];
        let mut load = vec![9_000.0; 96];
        // The first day does not depend on rules. 3 σ of 10,000 are 300.
        (load[5], load[30], load[60]) = (20_000.0, 10_400.0, 10_200.0);
        let beside = compared(&scenario(), (&load, &none), 24, 5_000.0).unwrap();
        assert_eq!(beside.days_above, 1);
        assert!((beside.most_above - 0.08).abs() < 1e-9, "{beside:?}");
        assert_eq!(beside.day, scenario().start + DAY);
        let level = compared(&scenario(), (&none, &none), 24, 5_000.0).unwrap();
        assert_eq!(level.days_above, 0);
        assert!(level.most_above.abs() < 1e-9);
    }

    #[test]
    fn chance_is_large_where_few_come() {
        let load = vec![40_000.0; 2_000];
        let [few, more] = SMALL_CAS
            .map(|per_hour| with_chance(&scenario(), &load, 40_000.0, per_hour).peak_to_mean);
        // The highest of 2,000 counts lies 3.3 σ above the mean, 1 + 3.3/√20 and 1 + 3.3/√300; counts of 20
        // are skewed, and it lies at 1.85 (the quantile 1 - 1/2,000 of Poisson's distribution is 37).
        assert!((few - 1.85).abs() < 0.2, "{few}");
        assert!((more - 1.19).abs() < 0.05, "{more}");
    }
}
