//! Experiments and automatic changes of a CA: `control_share`, `rebalance` and `[[ca.shadow]]`.

use toml::de::DeValue;

use super::error::Problems;
use super::section::Section;
use super::{band, capacity, value};
use crate::domain::policy::ca::{CaPolicy, Rebalancing};
use crate::domain::time::{DAY, MINUTE};

/// The largest control group: with more than half, steering would be the exception.
const MOST_CONTROL: f64 = 0.5;

/// Adds these keys to a policy that is otherwise complete.
pub(super) fn read(section: &mut Section<'_>, policy: &mut CaPolicy, problems: &mut Problems<'_>) {
    if let Some(share) = section.read("control_share", problems, control_share) {
        policy.control_share = share;
    }
    if let Some(rebalance) = section.read("rebalance", problems, rebalancing) {
        policy.rebalance = rebalance;
    }
    for mut shadow in section.sections("shadow", problems) {
        if policy.shadow.is_some() {
            shadow.fault(
                "",
                problems,
                "is a second shadow policy: a CA has one at most",
            );
        }
        let read = read_shadow(&mut shadow, policy, problems);
        policy.shadow = Some(Box::new(read));
        shadow.finish(problems);
    }
}

/// The shadow policy: keys that the section does not have are as in the CA.
fn read_shadow(
    section: &mut Section<'_>,
    policy: &CaPolicy,
    problems: &mut Problems<'_>,
) -> CaPolicy {
    let mut shadow = CaPolicy {
        shadow: None,
        ..policy.clone()
    };
    if let Some(minutes) = section.read("slot_minutes", problems, value::slot_minutes) {
        shadow.slot_seconds = minutes * MINUTE;
    }
    if let Some(share) = section.read("follow_prior", problems, value::share) {
        shadow.follow_prior = share;
    }
    if let Some(share) = section.read("max_extra", problems, value::share) {
        shadow.max_extra = share;
    }
    if let Some(seconds) = section.read("retry_after", problems, |v| {
        value::duration(v, MINUTE..=DAY)
    }) {
        shadow.retry_after_seconds = seconds;
    }
    if section.has("band") {
        shadow.bands = band::read_all(section, problems);
    }
    if section.has("capacity") {
        shadow.capacity.clear();
        for mut rule in section.sections("capacity", problems) {
            shadow.capacity.extend(capacity::read(&mut rule, problems));
            rule.finish(problems);
        }
    }
    shadow
}

fn control_share(value: &DeValue<'_>) -> Result<f64, String> {
    let share = value::number(value)?;
    if (0.0..=MOST_CONTROL).contains(&share) {
        Ok(share)
    } else {
        Err(format!("{share} is not between 0 and {MOST_CONTROL}"))
    }
}

fn rebalancing(value: &DeValue<'_>) -> Result<Rebalancing, String> {
    match value::text(value)? {
        "auto" => Ok(Rebalancing::Auto),
        "manual" => Ok(Rebalancing::Manual),
        other => Err(format!(r#"{other:?} is neither "auto" nor "manual""#)),
    }
}
