//! Computes the figures of a rule from what was recorded.

use super::crowd::Kind;
use super::outcome::{Rule, RuleOutcome};
use super::run::Seen;
use crate::domain::admission::seconds;
use crate::domain::time::DAY;

pub(super) fn figures(rule: Rule, kinds: &[Kind], seen: &Seen) -> RuleOutcome {
    let mut failed_by_kind: Vec<(String, u32)> = kinds
        .iter()
        .zip(&seen.failed)
        .filter(|(_, failed)| **failed > 0)
        .map(|(kind, failed)| (kind.name.clone(), *failed))
        .collect();
    failed_by_kind.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let usual = |second: i64| -> f64 {
        let means = kinds
            .iter()
            .map(|kind| kind.in_second(second.rem_euclid(DAY)));
        means.sum()
    };
    let tomorrow = seen.seconds().map(|second| {
        let again = seen.tomorrow.get(&second).copied().unwrap_or_default();
        usual(second) + f64::from(again)
    });
    RuleOutcome {
        rule,
        worst_second: seen.reached.iter().copied().max().unwrap_or_default(),
        worst_minute: seen.worst_minute(),
        in_vain: seen.in_vain,
        clients: seen.clients,
        failed: seen.failed.iter().sum(),
        failed_by_kind,
        waiting: seen.waiting,
        tomorrow: tomorrow.fold(0.0, f64::max),
        last_served_seconds: seen.last_served_seconds(),
        most_held: seen.most_held,
        longest_held_seconds: seconds(seen.longest_held),
    }
}
