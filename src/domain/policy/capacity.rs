//! When a CA has reduced capacity, or none.

use chrono::{DateTime, Duration, TimeZone as _, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::math::number::real;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// A recurring rule lasts at most a month. To list its spans, matches are searched as far back as
/// its duration, and a pattern can match every minute (31 · 1,440 = 44,640 matches).
pub const MOST_RECURRING_SECONDS: i64 = 31 * DAY;

/// The largest change of a clock at once is two hours, at Troll station; three leave a margin.
const LONGEST_SHIFT_SECONDS: i64 = 3 * HOUR;

/// One rule of a CA's capacity.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityRule {
    /// When it applies.
    pub when: When,
    /// The share of normal capacity during that time: 1 is normal, 0 is closed.
    pub share: f64,
    /// The most certificates per hour during that time.
    pub ceiling_per_hour: Option<f64>,
    /// The scarce resource, such as an upstream's budget: `dns`, `hsm`. Reported when this rule is
    /// the limit.
    pub name: Option<String>,
}

/// When a rule applies.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Once.
    Once(Span),
    /// From each time that a cron pattern matches in a time zone. It lasts at least
    /// `duration_seconds`, and at least until the local clock has advanced by as much. A start in a
    /// repeated local hour counts twice; one in a skipped hour counts where the clock continues.
    Recurring {
        /// The pattern: minute, hour, day of month, month, day of week.
        cron: Box<Cron>,
        /// An IANA time zone.
        zone: Tz,
        /// How long, in seconds.
        duration_seconds: i64,
    },
}

/// A CA's capacity in one slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotCapacity {
    /// The share of normal capacity, 0 to 1: the mean over the slot's seconds.
    pub share: f64,
    /// The most certificates in this slot: the lowest ceiling, for the time that the slot is open.
    pub ceiling: Option<f64>,
    /// The name of the limiting rule: among those with the lowest ceiling, or the lowest share if
    /// none has a ceiling. `None` if no rule limits, or the limiting one has no name.
    pub bound_by: Option<String>,
}

impl CapacityRule {
    /// The spans of this rule that touch `range`, in order.
    #[must_use]
    pub fn spans_within(&self, range: Span) -> Vec<Span> {
        match &self.when {
            When::Once(span) => {
                if span.overlap_seconds(range) > 0 {
                    vec![*span]
                } else {
                    Vec::new()
                }
            }
            When::Recurring {
                cron,
                zone,
                duration_seconds,
            } => recurrences(cron, *zone, *duration_seconds, range),
        }
    }
}

/// Parses a pattern of minute, hour, day of month, month and day of week, which must match at some
/// time in `zone`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn cron_pattern(text: &str, zone: Tz) -> Result<Cron, String> {
    let cron = parsed(text).map_err(|reason| {
        let reason = field_at_fault(text).unwrap_or(reason);
        format!("{text:?} is no cron pattern of five fields, such as \"50 0 * * *\": {reason}")
    })?;
    let start = DateTime::<Utc>::UNIX_EPOCH.with_timezone(&zone);
    if cron.find_next_occurrence(&start, true).is_err() {
        return Err(format!(
            "{text:?} matches at no time: its day of month never comes in its month"
        ));
    }
    Ok(cron)
}

/// The fields of a cron pattern, in their order.
const CRON_FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];

fn parsed(text: &str) -> Result<Cron, String> {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
        .parse(text)
        .map_err(|error| error.to_string().trim_end_matches('.').to_owned())
}

/// The wrong field of a pattern that cannot be parsed, and why: the first field that is invalid
/// when all others are `*`. `None` if each is valid by itself.
fn field_at_fault(text: &str) -> Option<String> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != CRON_FIELDS.len() {
        return Some(format!(
            "it has {} of {}",
            fields.len(),
            CRON_FIELDS.join(", ")
        ));
    }
    fields.iter().enumerate().find_map(|(at, field)| {
        let mut alone = ["*"; CRON_FIELDS.len()];
        alone[at] = field;
        let reason = parsed(&alone.join(" ")).err()?;
        Some(format!(
            "the {} cannot be {field:?}: {reason}",
            CRON_FIELDS[at]
        ))
    })
}

/// Seconds between two matches, if two more matches begin before the first one is over: `* 3 * * *`
/// with a duration of an hour makes sixty overlapping hours, where one was meant. A single overlap
/// is allowed, because a day of 23 hours ends before 24 hours have passed.
#[must_use]
pub fn overlapping(cron: &Cron, zone: Tz, duration_seconds: i64) -> Option<i64> {
    let epoch = DateTime::<Utc>::UNIX_EPOCH.with_timezone(&zone);
    let starts: Vec<i64> = cron
        .iter_after(epoch)
        .take(3)
        .map(|start| start.timestamp())
        .collect();
    let [first, second, third] = starts[..] else {
        return None;
    };
    (third - first < duration_seconds).then_some(second - first)
}

fn recurrences(cron: &Cron, zone: Tz, duration_seconds: i64, range: Span) -> Vec<Span> {
    let reach = duration_seconds + LONGEST_SHIFT_SECONDS;
    let Some(first) = DateTime::<Utc>::from_timestamp((range.from - reach).unix(), 0) else {
        return Vec::new();
    };
    // `iter_after` excludes its start, so begin one second earlier to find a span that begins
    // there.
    let start = (first - Duration::seconds(1)).with_timezone(&zone);
    let mut spans: Vec<Span> = cron
        .iter_after(start)
        .take_while(|begin| begin.timestamp() < range.to.unix())
        .flat_map(|begin| occurrences(&begin, duration_seconds))
        .filter(|span| span.overlap_seconds(range) > 0)
        .collect();
    // A pattern with a wildcard matches both occurrences of a repeated hour by itself.
    spans.sort_by_key(|span| (span.from, span.to));
    spans.dedup();
    spans
}

/// The spans of one match. A pattern with fixed times matches only the first occurrence of a
/// repeated hour, but whoever wrote `0 2 * * *` means the second as well.
fn occurrences(begin: &DateTime<Tz>, duration_seconds: i64) -> Vec<Span> {
    let zone = begin.timezone();
    let on_the_wall = begin.naive_local();
    let ends = on_the_wall
        .checked_add_signed(Duration::seconds(duration_seconds))
        .map(|end| zone.from_local_datetime(&end));
    let begins = zone.from_local_datetime(&on_the_wall);
    let span = |from: i64, to: i64| Span {
        from: Timestamp::from_unix(from),
        to: Timestamp::from_unix(to),
    };
    let lasting = |from: i64| span(from, from + duration_seconds);
    let latest_end = ends.and_then(|ends| ends.latest().map(|end| (end, ends.earliest())));
    let Some((end, first_end)) = latest_end else {
        // The end lies in a skipped hour.
        return vec![lasting(begin.timestamp())];
    };
    match (begins.earliest(), begins.latest()) {
        (Some(first), Some(second)) if first != second && first_end != Some(end) => {
            vec![lasting(first.timestamp()), lasting(second.timestamp())]
        }
        (first, _) => {
            let from = first.unwrap_or(*begin).timestamp();
            vec![span(from, end.timestamp().max(from + duration_seconds))]
        }
    }
}

/// The closed spans (share 0) of all rules that touch `range`: merged, in order.
#[must_use]
pub fn closed_within(rules: &[CapacityRule], range: Span) -> Vec<Span> {
    let spans = rules
        .iter()
        .filter(|rule| rule.share <= 0.0)
        .flat_map(|rule| rule.spans_within(range))
        .collect();
    merged(spans)
}

/// Merges overlapping and adjacent spans, and sorts them.
#[must_use]
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.seconds() > 0);
    spans.sort_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}

/// The capacity of `count` slots of `slot_seconds`, starting at `from`. Where rules overlap, the
/// lowest share and the lowest ceiling apply.
#[must_use]
pub fn over_slots(
    rules: &[CapacityRule],
    from: Timestamp,
    slot_seconds: i64,
    count: usize,
) -> Vec<SlotCapacity> {
    let slots = (0..i64::try_from(count).unwrap_or(0)).map(|n| Span {
        from: from + n * slot_seconds,
        to: from + (n + 1) * slot_seconds,
    });
    let range = Span {
        from,
        to: from + i64::try_from(count).unwrap_or(0) * slot_seconds,
    };
    let in_force: Vec<(&CapacityRule, Vec<Span>)> = rules
        .iter()
        .map(|rule| (rule, rule.spans_within(range)))
        .filter(|(_, spans)| !spans.is_empty())
        .collect();
    slots.map(|slot| one_slot(&in_force, slot)).collect()
}

/// The mean share over the pieces between the edges of the spans that touch the slot. Window starts
/// are uniform over a slot's open seconds, so the lowest ceiling applies to the whole slot, but
/// only for the seconds in which it is open.
fn one_slot(in_force: &[(&CapacityRule, Vec<Span>)], slot: Span) -> SlotCapacity {
    let mut edges = vec![slot.from, slot.to];
    for span in in_force.iter().flat_map(|(_, spans)| spans) {
        edges.extend(
            [span.from, span.to]
                .into_iter()
                .filter(|at| slot.contains(*at)),
        );
    }
    edges.sort_unstable();
    let mut share = 0.0;
    let mut open_seconds = 0;
    let mut per_hour: Option<f64> = None;
    let (mut lowest_share, mut bound_by) = (1.0, None);
    for pair in edges.windows(2) {
        let piece = Span {
            from: pair[0],
            to: pair[1],
        };
        let touching = || {
            in_force
                .iter()
                .filter(|(_, spans)| spans.iter().any(|span| span.overlap_seconds(piece) > 0))
                .map(|(rule, _)| *rule)
        };
        let lowest = touching().map(|rule| rule.share).fold(1.0, f64::min);
        let binding = touching().find(|rule| rule.share <= lowest && lowest < lowest_share);
        if let (Some(rule), None) = (binding, per_hour) {
            (lowest_share, bound_by) = (lowest, rule.name.as_ref());
        }
        share += lowest * real(piece.seconds()) / real(slot.seconds());
        if lowest <= 0.0 {
            continue;
        }
        open_seconds += piece.seconds();
        for rule in touching() {
            let lower = |ceiling: &f64| per_hour.is_none_or(|lowest| *ceiling < lowest);
            if let Some(ceiling) = rule.ceiling_per_hour.filter(lower) {
                (per_hour, bound_by) = (Some(ceiling), rule.name.as_ref());
            }
        }
    }
    SlotCapacity {
        share,
        ceiling: per_hour.map(|per_hour| per_hour * real(open_seconds) / real(HOUR)),
        bound_by: bound_by.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn nightly(cron: &str, zone: Tz, minutes: i64) -> CapacityRule {
        CapacityRule {
            when: When::Recurring {
                cron: Box::new(cron.parse().unwrap()),
                zone,
                duration_seconds: minutes * 60,
            },
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }
    }

    #[test]
    fn ten_closed_minutes_leave_five_sixths_of_the_hour() {
        let rules = [nightly("50 0 * * *", Tz::UTC, 10)];
        let slots = over_slots(&rules, at("2026-11-21T00:00:00Z"), 3_600, 2);
        assert!((slots[0].share - 50.0 / 60.0).abs() < 1e-12);
        assert!((slots[1].share - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_zone_keeps_its_wall_clock_across_daylight_saving() {
        let prague = [nightly("0 3 * * *", chrono_tz::Europe::Prague, 60)];
        let closed = closed_within(
            &prague,
            Span {
                from: at("2026-10-24T00:00:00Z"),
                to: at("2026-10-26T00:00:00Z"),
            },
        );
        let starts: Vec<String> = closed.iter().map(|span| span.from.to_string()).collect();
        assert_eq!(starts, ["2026-10-24T01:00:00Z", "2026-10-25T02:00:00Z"]);
    }

    #[test]
    fn the_lowest_share_and_ceiling_hold_where_rules_overlap() {
        let span = Span {
            from: at("2026-11-21T00:30:00Z"),
            to: at("2026-11-21T01:00:00Z"),
        };
        let rule = |share, ceiling| CapacityRule {
            when: When::Once(span),
            share,
            ceiling_per_hour: ceiling,
            name: None,
        };
        let slots = over_slots(
            &[rule(0.5, Some(900.0)), rule(0.8, Some(1_200.0))],
            at("2026-11-21T00:00:00Z"),
            3_600,
            1,
        );
        assert!((slots[0].share - 0.75).abs() < 1e-12);
        assert_eq!(slots[0].ceiling, Some(900.0));
    }

    #[test]
    fn the_budget_that_binds_is_named() {
        let rule = |name: &str, hours: std::ops::Range<i64>, share, ceiling| CapacityRule {
            when: When::Once(Span {
                from: at("2026-11-21T00:00:00Z") + hours.start * HOUR,
                to: at("2026-11-21T00:00:00Z") + hours.end * HOUR,
            }),
            share,
            ceiling_per_hour: ceiling,
            name: Some(name.to_owned()),
        };
        let rules = [
            rule("dns", 0..4, 1.0, Some(9_000.0)),
            rule("hsm", 1..3, 1.0, Some(4_000.0)),
            rule("backup", 2..5, 0.5, None),
        ];
        let slots = over_slots(&rules, at("2026-11-21T00:00:00Z"), HOUR, 6);
        let bound: Vec<Option<&str>> = slots.iter().map(|slot| slot.bound_by.as_deref()).collect();
        let want = [
            Some("dns"),
            Some("hsm"),
            Some("hsm"),
            Some("dns"),
            Some("backup"),
            None,
        ];
        assert_eq!(bound, want);
        assert_eq!(slots[1].ceiling, Some(4_000.0));
    }
}
