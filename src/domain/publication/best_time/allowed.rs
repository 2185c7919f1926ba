//! The hours that the caller allows, in local time.

use std::fmt;

use chrono::{Offset as _, TimeZone as _};
use chrono_tz::Tz;

use crate::policy::capacity::merged;
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// The largest number of spans: one for each hour.
const MOST_SPANS: usize = 24;

/// A span of the local day. If it ends before it begins, it crosses midnight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClockSpan {
    from_minute: i64,
    to_minute: i64,
}

impl fmt::Display for ClockSpan {
    /// In the format that [`clock_spans`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minute: i64| (minute / 60, minute % 60);
        let ((from, past), (to, until)) = (clock(self.from_minute), clock(self.to_minute));
        write!(f, "{from:02}:{past:02}-{to:02}:{until:02}")
    }
}

/// Parses one or more spans such as `22:00-06:00` or `22-06`, separated by commas.
///
/// # Errors
/// What is wrong, in words.
pub fn clock_spans(text: &str) -> Result<Vec<ClockSpan>, String> {
    let spans: Vec<&str> = text.split(',').map(str::trim).collect();
    if spans.len() > MOST_SPANS {
        return Err(format!("takes {MOST_SPANS} spans at most"));
    }
    spans.into_iter().map(clock_span).collect()
}

fn clock_span(text: &str) -> Result<ClockSpan, String> {
    let (from, to) = text
        .split_once('-')
        .ok_or_else(|| format!("{text:?} is no span of the day, such as 22:00-06:00"))?;
    let from_minute = minute(from)? % (DAY / MINUTE);
    let to_minute = minute(to)?;
    if from_minute == to_minute % (DAY / MINUTE) && to_minute != DAY / MINUTE {
        return Err(format!("{text:?} ends where it begins"));
    }
    Ok(ClockSpan {
        from_minute,
        to_minute,
    })
}

/// Parses `HH:MM` or `HH`, up to `24:00`.
fn minute(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let (hour, minute) = text.split_once(':').unwrap_or((text, "00"));
    let number = |part: &str| {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| digits)
    };
    number(hour)
        .zip(number(minute))
        .filter(|(hour, minute)| (*hour < 24 && *minute < 60) || (*hour == 24 && *minute == 0))
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| format!("{text:?} is no time of the day, 00:00 to 24:00"))
}

/// The parts of `range` that are allowed and not to be avoided, in order.
pub(crate) fn open_within(range: Span, allow: &[ClockSpan], zone: Tz, avoid: &[Span]) -> Vec<Span> {
    let allowed = if allow.is_empty() {
        vec![range]
    } else {
        merged(allowed_within(range, allow, zone))
    };
    let closed = merged(avoid.to_vec());
    allowed
        .into_iter()
        .flat_map(|span| span.outside(&closed))
        .collect()
}

/// While the zone's offset from UTC stays the same, a local span covers the same seconds of each
/// UTC day. A repeated local hour is allowed twice; a skipped one does not occur.
fn allowed_within(range: Span, allow: &[ClockSpan], zone: Tz) -> Vec<Span> {
    let mut found = Vec::new();
    for (steady, offset) in steady_offsets(range, zone) {
        // A span of the previous local day may reach into the range over midnight.
        let first = (steady.from.unix() + offset).div_euclid(DAY) - 1;
        let last = (steady.to.unix() + offset).div_euclid(DAY);
        for day in first..=last {
            for span in allow {
                let to_minute = if span.to_minute <= span.from_minute {
                    span.to_minute + DAY / MINUTE
                } else {
                    span.to_minute
                };
                let at = |minute: i64| Timestamp::from_unix(day * DAY + minute * MINUTE - offset);
                let from = at(span.from_minute).max(steady.from);
                let to = at(to_minute).min(steady.to);
                if from < to {
                    found.push(Span { from, to });
                }
            }
        }
    }
    found
}

/// The range cut into pieces with a constant offset of the zone from UTC, in seconds. No zone has
/// changed its offset twice within an hour.
fn steady_offsets(range: Span, zone: Tz) -> Vec<(Span, i64)> {
    let offset = |at: Timestamp| {
        zone.timestamp_opt(at.unix(), 0)
            .single()
            .map_or(0, |local| i64::from(local.offset().fix().local_minus_utc()))
    };
    if zone == Tz::UTC {
        return vec![(range, 0)];
    }
    let mut pieces = Vec::new();
    let mut from = range.from;
    let mut at = range.from;
    let mut now = offset(at);
    while at < range.to {
        let next = (at + HOUR).min(range.to);
        let then = offset(next);
        if then != now {
            // The first second with the new offset lies between the two.
            let (mut old, mut new) = (at, next);
            while new - old > 1 {
                let middle = old + (new - old) / 2;
                if offset(middle) == now {
                    old = middle;
                } else {
                    new = middle;
                }
            }
            pieces.push((Span { from, to: new }, now));
            (from, now) = (new, then);
        }
        at = next;
    }
    if from < range.to {
        pieces.push((Span { from, to: range.to }, now));
    }
    pieces
}
