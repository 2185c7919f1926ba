//! The events at the CA: `[[burst]]`, `[failures]`, `[[outage]]`, `[[revocation]]`.

use toml::de::DeValue;

use super::checks::positive;
use super::{BeyondBudget, Burst, Failures, Incident};
use crate::config::error::Problems;
use crate::config::section::Section;
use crate::config::value;
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// The beginning and length of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: Timestamp,
    pub(super) days: u32,
}

impl Run {
    /// The instant of `day`, counted from 0, and `at`, a time of that day (00:00 by default).
    pub(super) fn instant(
        self,
        section: &mut Section<'_>,
        problems: &mut Problems<'_>,
    ) -> Option<Timestamp> {
        let day = section.require("day", problems, |v| {
            let day = value::integer(v)?;
            if (0..i64::from(self.days)).contains(&day) {
                Ok(day)
            } else {
                let last = i64::from(self.days) - 1;
                Err(format!(
                    "{day} is not in the run, which has the days 0 to {last}"
                ))
            }
        });
        let at = section.read("at", problems, clock);
        day.map(|day| self.start + day * DAY + at.unwrap_or_default())
    }

    /// The span from an instant for `duration`.
    fn span(self, section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Span> {
        let from = self.instant(section, problems);
        let seconds = section.require("duration", problems, |v| {
            value::duration(v, MINUTE..=365 * DAY)
        });
        let (from, seconds) = (from?, seconds?);
        Some(Span {
            from,
            to: from + seconds,
        })
    }
}

/// `HH:MM` or `HH:MM:SS`, in seconds.
pub(super) fn clock(value: &DeValue<'_>) -> Result<i64, String> {
    let text = value::text(value)?;
    let wrong = || format!("{text:?} is no time of day: write \"18:35\" or \"18:35:00\"");
    let mut parts = text.split(':');
    let mut part = |most: i64| {
        let digits = parts.next().filter(|part| part.len() == 2)?;
        let number = digits.bytes().all(|b| b.is_ascii_digit());
        let number = number.then(|| digits.parse::<i64>().ok()).flatten()?;
        (number <= most).then_some(number)
    };
    let hour = part(23).ok_or_else(wrong)?;
    let minute = part(59).ok_or_else(wrong)?;
    let second = if text.len() > "HH:MM".len() {
        part(59).ok_or_else(wrong)?
    } else {
        0
    };
    match parts.next() {
        None => Ok(hour * HOUR + minute * MINUTE + second),
        Some(_) => Err(wrong()),
    }
}

pub(super) fn bursts(root: &mut Section<'_>, run: Run, problems: &mut Problems<'_>) -> Vec<Burst> {
    let mut bursts = Vec::new();
    for mut section in root.sections("burst", problems) {
        let span = run.span(&mut section, problems);
        let factor = section.require("factor", problems, positive);
        section.finish(problems);
        if let (Some(span), Some(factor)) = (span, factor) {
            bursts.push(Burst { span, factor });
        }
    }
    bursts
}

pub(super) fn failures(root: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Failures> {
    let mut section = root.section("failures", problems)?;
    let above = section.require("above", problems, positive);
    let share = section.require("share", problems, value::share);
    let retry = section.read("retry", problems, retry);
    section.finish(problems);
    Some(Failures {
        above: above?,
        share: share?,
        retry_seconds: retry.unwrap_or(DAY),
    })
}

/// Outages and revocations, in chronological order.
pub(super) fn incidents(
    root: &mut Section<'_>,
    run: Run,
    problems: &mut Problems<'_>,
) -> Vec<Incident> {
    let mut incidents = Vec::new();
    for mut section in root.sections("outage", problems) {
        incidents.extend(outage(&mut section, run, problems));
        section.finish(problems);
    }
    for mut section in root.sections("revocation", problems) {
        incidents.extend(revocation(&mut section, run, problems));
        section.finish(problems);
    }
    incidents.sort_by_key(Incident::begins);
    incidents
}

fn outage(section: &mut Section<'_>, run: Run, problems: &mut Problems<'_>) -> Option<Incident> {
    let span = run.span(section, problems);
    let opened_after = section.read("opened_after", problems, |v| value::duration(v, 0..=DAY));
    let retry = section.read("retry", problems, retry);
    Some(Incident::Outage {
        span: span?,
        opened_after_seconds: opened_after.unwrap_or(10 * MINUTE),
        retry_seconds: retry.unwrap_or(HOUR),
    })
}

fn revocation(
    section: &mut Section<'_>,
    run: Run,
    problems: &mut Problems<'_>,
) -> Option<Incident> {
    let at = run.instant(section, problems);
    let share = section.require("share", problems, value::share);
    let renew_by = section.require("renew_by", problems, |v| {
        value::duration(v, HOUR..=365 * DAY)
    });
    let budget = section.require("budget", problems, positive);
    let over_budget = section.read("over_budget", problems, value::switch);
    let at = at?;
    Some(Incident::Revocation {
        at,
        share: share?,
        renew_by: at + renew_by?,
        budget: budget?,
        beyond_budget: match over_budget {
            Some(true) => BeyondBudget::Exceed,
            Some(false) | None => BeyondBudget::Refuse,
        },
    })
}

fn retry(value: &DeValue<'_>) -> Result<i64, String> {
    value::duration(value, MINUTE..=30 * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_to_the_second() {
        let read = |text: &str| clock(&DeValue::String(text.into()));
        assert_eq!(read("00:00"), Ok(0));
        assert_eq!(read("18:35"), Ok(66_900));
        assert_eq!(read("23:59:59"), Ok(86_399));
        for text in [
            "",
            "18",
            "18:3",
            "24:00",
            "12:60",
            "12:00:60",
            "12:00:",
            "12:00:00:",
            "+1:00",
            " 1:00",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
