//! Reads the text of a scenario as a [`Scenario`], or finds all problems in it.

use toml::de::{DeTable, DeValue};

use super::checks::{check_sum, positive};
use super::{Files, Lifetime, LifetimeChange, Return, Rule, Scenario};
use super::{arrivals, clients, events};
use crate::config::error::Problems;
use crate::config::hint::did_you_mean;
use crate::config::section::Section;
use crate::config::{ConfigError, ca, duration, value};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, HOUR, Timestamp};

/// The usual shape of measured CAs: the hours of the day and the days of the week, with the mean 1. The
/// busiest hour, 01:00 on Tuesday, has 2.37.
const HOURS: [f64; 24] = [
    1.795, 2.268, 1.417, 1.134, 1.039, 0.945, 0.945, 0.945, 0.992, 0.992, 0.945, 0.898, 1.228,
    0.945, 0.850, 0.850, 0.803, 0.756, 0.709, 0.661, 0.661, 0.661, 0.709, 0.850,
];
/// Let's Encrypt's issuance by the day of the week, July 2017 to November 2018, Monday first.
const WEEKDAYS: [f64; 7] = [0.949, 1.043, 1.037, 1.035, 0.997, 0.999, 0.913];

/// 2026-01-05T00:00:00Z, a Monday.
const START: Timestamp = Timestamp::from_unix(1_767_571_200);

/// The longest run: ten years of 5-minute slots are a million, and each takes memory under each rule.
const MOST_DAYS: i64 = 3_653;

impl Scenario {
    /// Reads the text of a scenario's file.
    ///
    /// # Errors
    /// All problems in it, in the order of the text. If it is not valid TOML, only that.
    pub fn parse(name: &str, text: &str, files: Files<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut problems = Problems::of(text);
        let (document, unreadable) = DeTable::parse_recoverable(text);
        if !unreadable.is_empty() {
            for error in &unreadable {
                problems.add_syntax(error);
            }
            return Err(problems.into_found());
        }
        let mut root = Section::root(&document);
        let scenario = read(name, &mut root, files, &mut problems);
        root.finish(&mut problems);
        match problems.into_found() {
            found if found.is_empty() => Ok(scenario),
            found => Err(found),
        }
    }
}

fn read(
    name: &str,
    root: &mut Section<'_>,
    files: Files<'_>,
    problems: &mut Problems<'_>,
) -> Scenario {
    let first_cycle_days = root.read("first_cycle_days", problems, days).unwrap_or(60);
    let cycles = root.read("cycles", problems, days).unwrap_or(4);
    let run_days = first_cycle_days.saturating_mul(cycles.saturating_add(1));
    if i64::from(run_days) > MOST_DAYS {
        let reason = format!("the run has {run_days} days in all: {MOST_DAYS} is the most");
        root.fault("cycles", problems, reason);
    }
    let past_days = root.read("past_days", problems, past).unwrap_or(0);
    let start = root.read("start", problems, start).unwrap_or(START);
    let run = events::Run {
        start,
        days: run_days,
    };
    let hours = root.read("hours", problems, |v| shape(v, "hour of the day"));
    let hours = hours.unwrap_or_else(|| mean_one(HOURS));
    let weekdays = root.read("weekdays", problems, |v| shape(v, "day of the week"));
    Scenario {
        name: name.to_owned(),
        description: root
            .read("description", problems, |v| {
                value::text(v).map(str::to_owned)
            })
            .unwrap_or_default(),
        seed: root.read("seed", problems, seed).unwrap_or(1),
        rules: rules(root, problems),
        certificates_per_hour: root
            .require("certificates_per_hour", problems, positive)
            .unwrap_or(1.0),
        hours,
        weekdays: weekdays.unwrap_or_else(|| mean_one(WEEKDAYS)),
        arrivals: arrivals::read(root, start, &hours, first_cycle_days, files, problems),
        start,
        first_cycle_days,
        cycles,
        past_days,
        churn: root
            .read("churn", problems, value::share)
            .unwrap_or_default(),
        strangers: root
            .read("strangers", problems, value::share)
            .unwrap_or_default(),
        days: run_days,
        policy: policy(root, problems),
        lifetimes: lifetimes(root, run, problems),
        clients: clients::read(root, problems),
        returns: returns(root, problems),
        bursts: events::bursts(root, run, problems),
        failures: events::failures(root, problems),
        incidents: events::incidents(root, run, problems),
    }
}

fn days(value: &DeValue<'_>) -> Result<u32, String> {
    let number = value::integer(value)?;
    u32::try_from(number)
        .ok()
        .filter(|number| (1..=3_653).contains(number))
        .ok_or_else(|| format!("{number} is not between 1 and {MOST_DAYS}"))
}

/// The past may be 0.
fn past(value: &DeValue<'_>) -> Result<u32, String> {
    match value::integer(value)? {
        0 => Ok(0),
        _ => days(value),
    }
}

fn seed(value: &DeValue<'_>) -> Result<u64, String> {
    let number = value::integer(value)?;
    u64::try_from(number).map_err(|_| format!("{number} is less than 0"))
}

fn start(value: &DeValue<'_>) -> Result<Timestamp, String> {
    let start = value::instant(value)?;
    if start.unix().rem_euclid(HOUR) == 0 {
        Ok(start)
    } else {
        Err(format!("{start} is no full hour"))
    }
}

fn rules(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<Rule> {
    let mut named = root.list("rules", problems, |v, _| {
        let text = value::text(v)?;
        Rule::ALL
            .into_iter()
            .find(|rule| rule.name() == text)
            .ok_or_else(|| {
                let names = Rule::ALL.map(Rule::name);
                let hint = did_you_mean(text, names);
                format!("{text:?} is none of {}{hint}", names.join(", "))
            })
    });
    if root.has("rules") && named.is_empty() {
        root.fault("rules", problems, "names no rule");
    }
    named.sort_unstable();
    named.dedup();
    if named.is_empty() {
        return Rule::ALL.to_vec();
    }
    named
}

/// `N` numbers, scaled to the mean 1.
fn shape<const N: usize>(value: &DeValue<'_>, what: &str) -> Result<[f64; N], String> {
    let DeValue::Array(items) = value else {
        return Err(format!("takes {N} numbers, one for each {what}"));
    };
    let numbers: Vec<f64> = items
        .iter()
        .map(|item| value::number(item.get_ref()))
        .collect::<Result<_, _>>()?;
    if let Some(negative) = numbers.iter().find(|number| **number < 0.0) {
        return Err(format!("{negative} is less than 0"));
    }
    let count = numbers.len();
    let numbers: [f64; N] = numbers
        .try_into()
        .map_err(|_| format!("takes {N} numbers, one for each {what}, not {count}"))?;
    if numbers.iter().sum::<f64>() > 0.0 {
        Ok(mean_one(numbers))
    } else {
        Err("is 0 throughout".to_owned())
    }
}

fn mean_one<const N: usize>(numbers: [f64; N]) -> [f64; N] {
    let sum: f64 = numbers.iter().sum();
    let count: f64 = numbers.iter().map(|_| 1.0).sum();
    numbers.map(|number| number * count / sum)
}

/// `[policy]` has the keys of `[[ca]]` that determine windows.
fn policy(root: &mut Section<'_>, problems: &mut Problems<'_>) -> CaPolicy {
    let mut policy = CaPolicy::named(CaName::default());
    if let Some(mut section) = root.section("policy", problems) {
        ca::read_steering(&mut section, &mut policy, problems);
        section.finish(problems);
    }
    policy
}

fn lifetimes(
    root: &mut Section<'_>,
    run: events::Run,
    problems: &mut Problems<'_>,
) -> Vec<Lifetime> {
    let mut lifetimes = Vec::new();
    for mut section in root.sections("lifetime", problems) {
        let seconds = section.require("life", problems, life);
        let share = section.require("share", problems, value::share);
        let change = section.section("change", problems).and_then(|mut change| {
            let from = run.instant(&mut change, problems);
            let seconds = change.require("life", problems, life);
            change.finish(problems);
            Some(LifetimeChange {
                from: from?,
                seconds: seconds?,
            })
        });
        section.finish(problems);
        lifetimes.push(Lifetime {
            seconds: seconds.unwrap_or(90 * DAY),
            share: share.unwrap_or_default(),
            change,
        });
    }
    check_sum(
        root,
        "lifetime",
        lifetimes.iter().map(|l| l.share),
        problems,
    );
    if lifetimes.is_empty() {
        lifetimes.push(Lifetime {
            seconds: 90 * DAY,
            share: 1.0,
            change: None,
        });
    }
    lifetimes
}

/// Lives under 12 h have no slots (`docs/allocation.md`), so they cannot be simulated.
fn life(value: &DeValue<'_>) -> Result<i64, String> {
    value::duration(value, 12 * HOUR..=duration::MOST_SECONDS)
}

fn returns(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<Return> {
    let mut returns = Vec::new();
    for mut section in root.sections("return", problems) {
        let delay = section.require("delay", problems, |v| value::duration(v, 0..=365 * DAY));
        let share = section.require("share", problems, value::share);
        section.finish(problems);
        returns.push(Return {
            delay_seconds: delay.unwrap_or_default(),
            share: share.unwrap_or_default(),
        });
    }
    check_sum(root, "return", returns.iter().map(|r| r.share), problems);
    if returns.is_empty() {
        returns.extend([0, DAY].map(|delay_seconds| Return {
            delay_seconds,
            share: 0.5,
        }));
    }
    returns
}
