//! `[[ca.capacity]]`: when a CA takes less than usual, or nothing.

use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use toml::de::DeValue;

use super::duration;
use super::error::Problems;
use super::hint::did_you_mean;
use super::section::Section;
use super::value;
use crate::domain::policy::capacity::{
    CapacityRule, MOST_RECURRING_SECONDS, When, cron_pattern, overlapping,
};
use crate::domain::time::Span;

/// One rule; `None` if it has a problem, which is then added.
pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<CapacityRule> {
    let recurring = ["cron", "time_zone", "duration"].map(|key| section.has(key));
    let once = ["from", "to"].map(|key| section.has(key));
    let when = match (recurring.contains(&true), once.contains(&true)) {
        (true, false) => read_recurring(section, problems),
        (false, true) => read_once(section, problems),
        (true, true) => {
            section.fault("", problems, "has both cron and from/to: split it into two");
            None
        }
        (false, false) => {
            let reason = "says not when: give cron and duration, or from and to";
            section.fault("", problems, reason);
            None
        }
    };
    let share = section.read("capacity", problems, value::share);
    let ceiling_per_hour = section.read("ceiling", problems, |v| {
        let ceiling = value::number(v)?;
        if ceiling > 0.0 {
            Ok(ceiling)
        } else {
            Err(format!(
                "{ceiling} is not more than 0: to close, write capacity = 0"
            ))
        }
    });
    let name = section.read("name", problems, |v| {
        let text = value::text(v)?;
        if (1..=63).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(text.to_owned())
        } else {
            Err(format!(
                "{text:?} is no name: 1 to 63 octets without control characters"
            ))
        }
    });
    if !section.has("capacity") && !section.has("ceiling") {
        section.fault("", problems, "says not how much: give capacity or ceiling");
    }
    Some(CapacityRule {
        when: when?,
        share: share.unwrap_or(1.0),
        ceiling_per_hour,
        name,
    })
}

fn read_recurring(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<When> {
    let zone = section
        .read("time_zone", problems, time_zone)
        .unwrap_or(Tz::UTC);
    let cron = section.require("cron", problems, |v| cron(v, zone));
    let duration_seconds = section.require("duration", problems, |v| {
        value::duration(v, 1..=MOST_RECURRING_SECONDS)
    });
    let (cron, duration_seconds) = (cron?, duration_seconds?);
    if let Some(gap_seconds) = overlapping(&cron, zone, duration_seconds) {
        let reason = format!(
            "the pattern matches again after {}, long before this is over: name its starts alone",
            duration::in_words(gap_seconds)
        );
        section.fault("duration", problems, reason);
    }
    Some(When::Recurring {
        cron: Box::new(cron),
        zone,
        duration_seconds,
    })
}

fn read_once(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<When> {
    let from = section.require("from", problems, value::instant);
    let to = section.require("to", problems, value::instant);
    let span = Span {
        from: from?,
        to: to?,
    };
    if span.seconds() == 0 {
        section.fault("to", problems, "is not after from");
    }
    Some(When::Once(span))
}

fn cron(value: &DeValue<'_>, zone: Tz) -> Result<Cron, String> {
    cron_pattern(value::text(value)?, zone)
}

fn time_zone(value: &DeValue<'_>) -> Result<Tz, String> {
    zone(value::text(value)?)
}

/// A time zone by its name in the IANA database.
///
/// # Errors
/// What is wrong, in words, with a similar name if there is one.
pub fn zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| {
        let hint = did_you_mean(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        format!("{text:?} is no time zone of IANA, such as \"UTC\" or \"Europe/Prague\"{hint}")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_pattern_panics(text in "[-0-9*/,?#LW@A-Z ]{0,16}|([-0-9*/,]{1,4} ){4}[-0-7*LMON#]{1,4}") {
            let cron = cron(&DeValue::String(text.into()), Tz::Europe__Prague);
            if let Ok(cron) = cron {
                let _ = overlapping(&cron, Tz::Europe__Prague, MOST_RECURRING_SECONDS);
            }
        }
    }
}
