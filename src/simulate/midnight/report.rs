//! An outcome as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::outcome::{DESCRIPTION, NAME, Outcome, RuleOutcome};
use crate::report::{grouped, table::aligned};

/// The output of `offpeak simulate midnight`.
#[must_use]
pub fn to_table(outcome: &Outcome) -> String {
    let mut text = format!(
        "{NAME}: {DESCRIPTION}\nseed {}; {:.1} new orders a second in the mean, the CA can take {:.1}; \
         {} clients that come between 23:50 and 00:30; {} fail whatever is done\n\n",
        outcome.seed,
        outcome.mean,
        outcome.capacity,
        grouped(f64::from(
            outcome.rules.first().map_or(0, |rule| rule.clients)
        )),
        grouped(outcome.floor),
    );
    let head = [
        "rule",
        "fail until next run",
        "worst second / limit",
        "worst minute / limit",
        "in vain",
        "next midnight's second / mean",
        "last served",
        "most held",
        "longest",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(outcome.rules.iter().map(|rule| row(outcome, rule)));
    for line in aligned(&rows) {
        push(&mut text, &line);
    }
    push(&mut text, "");
    for rule in &outcome.rules {
        push(&mut text, &failed_by_kind(rule));
    }
    text
}

/// The output of `offpeak simulate midnight --json`; `docs/simulation.md` lists its keys.
#[must_use]
pub fn to_json(outcome: &Outcome) -> Value {
    let rules = outcome.rules.iter();
    let rules: Map<String, Value> = rules
        .map(|rule| (rule.rule.name().to_owned(), rule_json(rule)))
        .collect();
    json!({
        "scenario": NAME,
        "seed": outcome.seed,
        "mean": rounded(outcome.mean),
        "bears": rounded(outcome.capacity),
        "floor": rounded(outcome.floor),
        "rules": rules,
    })
}

fn rule_json(rule: &RuleOutcome) -> Value {
    let kinds = rule.failed_by_kind.iter();
    let kinds: Map<String, Value> = kinds
        .map(|(name, failed)| (name.clone(), json!(failed)))
        .collect();
    json!({
        "clients": rule.clients,
        "failed": rule.failed,
        "failedByClient": kinds,
        "stillTrying": rule.waiting,
        "worstSecond": rule.worst_second,
        "worstMinute": rule.worst_minute,
        "inVain": rule.in_vain,
        "tomorrowWorstSecond": rounded(rule.tomorrow),
        "lastServedSeconds": rule.last_served_seconds,
        "mostHeld": rule.most_held,
        "longestHeldSeconds": rounded(rule.longest_held_seconds),
    })
}

fn row(outcome: &Outcome, rule: &RuleOutcome) -> Vec<String> {
    let clients = f64::from(rule.clients.max(1));
    let share = 100.0 * f64::from(rule.failed) / clients;
    vec![
        rule.rule.name().to_owned(),
        format!("{} ({share:.1} %)", grouped(f64::from(rule.failed))),
        format!(
            "{:.2}",
            f64::from(rule.worst_second) / outcome.capacity.ceil()
        ),
        format!(
            "{:.2}",
            f64::from(rule.worst_minute) / (60.0 * outcome.capacity)
        ),
        grouped(f64::from(rule.in_vain)),
        grouped(rule.tomorrow / outcome.mean),
        format!(
            "{} s",
            grouped(crate::domain::math::number::real(rule.last_served_seconds))
        ),
        grouped(crate::domain::math::number::real_len(rule.most_held)),
        format!("{:.0} s", rule.longest_held_seconds),
    ]
}

fn failed_by_kind(rule: &RuleOutcome) -> String {
    let kinds = rule.failed_by_kind.iter();
    let kinds: Vec<String> = kinds
        .map(|(name, failed)| format!("{name} {}", grouped(f64::from(*failed))))
        .collect();
    let kinds = if kinds.is_empty() {
        "nobody".to_owned()
    } else {
        kinds.join(", ")
    };
    format!(
        "{}: fail until their next run: {kinds}; still trying at 04:00: {}",
        rule.rule.name(),
        rule.waiting
    )
}

fn push(text: &mut String, line: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Rounds to four decimals, as in the other scenarios.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}
