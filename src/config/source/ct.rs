//! `kind = "ct"`: logs of Certificate Transparency.

use toml::de::DeValue;

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value;
use crate::domain::time::DAY;

/// How far back a new source begins by default: as many weeks as the profile needs to distinguish days
/// of the week from chance.
const USUAL_BACKFILL_SECONDS: i64 = 14 * DAY;

/// The furthest beginning; older data than the default retention would not be kept.
const MOST_BACKFILL_SECONDS: i64 = 400 * DAY;

/// The longest name of a log, or contact, in bytes.
const MOST_TEXT_OCTETS: usize = 200;

/// The logs to read, and the limits of reading.
#[derive(Clone, Debug, PartialEq)]
pub struct CtConfig {
    /// A list of logs in Google's format, version 3: a file, or an http(s) URL.
    pub log_list: String,
    /// Only logs whose description contains one of these texts, in upper or lower case. If there are
    /// none, all usable logs.
    pub logs: Vec<String>,
    /// A contact for the operators of the logs: a part of each request's User-Agent.
    pub contact: String,
    /// The most bytes a day, for all logs together; `None`: every entry is read.
    pub budget_octets_per_day: Option<u64>,
    /// How far back a new source begins.
    pub backfill_seconds: i64,
    /// Whether the certificates are registered, too.
    pub register: bool,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<CtConfig> {
    let log_list = section.require("log_list", problems, |v| match value::text(v)? {
        "" => Err("names no file".to_owned()),
        place => Ok(place.to_owned()),
    });
    let logs = section.list("logs", problems, |v, _| short(v));
    let contact = section.require("contact", problems, contact);
    let budget_octets_per_day = section.read("budget", problems, |v| budget(value::text(v)?));
    let backfill_seconds = section
        .read("backfill", problems, |v| {
            value::duration(v, 0..=MOST_BACKFILL_SECONDS)
        })
        .unwrap_or(USUAL_BACKFILL_SECONDS);
    let register = section
        .read("register", problems, value::switch)
        .unwrap_or(false);
    if register && budget_octets_per_day.is_some() {
        let reason = "takes every certificate, and a budget takes a sample: give one of both";
        section.fault("register", problems, reason);
    }
    Some(CtConfig {
        log_list: log_list?,
        logs,
        contact: contact?,
        budget_octets_per_day,
        backfill_seconds,
        register,
    })
}

/// An address or a URL, as in a User-Agent.
pub(super) fn contact(v: &DeValue<'_>) -> Result<String, String> {
    reachable(value::text(v)?)
}

/// A contact on a command line: an address or a URL.
///
/// # Errors
/// What is wrong with it.
pub fn reachable(text: &str) -> Result<String, String> {
    let text = line(text)?;
    if text.contains(['@', '/']) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(format!(
            "{text:?} is no way to reach you: write \"mailto:ops@example.org\" or a URL"
        ))
    }
}

fn short(v: &DeValue<'_>) -> Result<String, String> {
    line(value::text(v)?)
}

fn line(text: &str) -> Result<String, String> {
    if (1..=MOST_TEXT_OCTETS).contains(&text.len()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("takes one line of 1 to {MOST_TEXT_OCTETS} octets"))
    }
}

/// The bytes a day of a text such as `200MB/d`.
///
/// # Errors
/// What is wrong with it.
pub fn budget(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no budget: write \"200MB/d\" or \"2GB/d\"");
    let amount = text.strip_suffix("/d").ok_or_else(wrong)?;
    let digits = amount.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = amount.split_at(digits);
    let unit: u64 = match unit {
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    count
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit))
        .filter(|octets| *octets > 0)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_a_day_s() {
        assert_eq!(budget("200MB/d"), Ok(200_000_000));
        assert_eq!(budget("2GB/d"), Ok(2_000_000_000));
        for text in [
            "", "200", "200MB", "MB/d", "0MB/d", "2TB/d", "-1GB/d", "1.5GB/d",
        ] {
            assert!(budget(text).is_err(), "{text}");
        }
    }
}
