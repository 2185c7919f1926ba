//! What the registry shows minute by minute, and when it is alive.
//!
//! `registrations` is alive between two registrations that are at most a day apart, and for at most a
//! day after the last. A CA that issues nothing looks the same as a registry that is no longer fed. If
//! silence is wrongly taken for quiet, windows go into hours that may be busy; if it is wrongly taken
//! for missing data, only a quiet hour is lost. With a day, a CA that works from nine to five keeps its
//! quiet nights.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::minutes::{DAY_MINUTES, Minutes, day_span};
use super::track::{Fine, UNITS_PER_EVENT};
use super::{Series, Source};
use crate::demand::observation::Kind;
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// The longest gap between registrations that counts as nothing issued, in minutes: a day.
const LONGEST_SILENCE_MINUTES: i64 = DAY / MINUTE;

impl Series {
    /// The certificates registered as issued in each minute of a span of whole minutes, in ascending
    /// order. Minutes without any are included with 0, if the gap between two registrations, or after
    /// the last, is up to a day. Longer gaps, and certificates of which only the day is known, are left
    /// out.
    #[must_use]
    pub fn registered(&self, span: Span) -> Vec<(Timestamp, u64)> {
        let Some(track) = self.tracks.get(&(Source::Registrations, None)) else {
            return Vec::new();
        };
        let mut issued: BTreeMap<i64, u64> = BTreeMap::new();
        let first_day = (span.from - DAY).slot(DAY);
        for (number, day) in track.days.range(first_day..=span.to.slot(DAY)) {
            for fine in day.fit_for(MINUTE) {
                for minute in 0..DAY / MINUTE {
                    let units = fine.units(Kind::Issued, usize::try_from(minute).unwrap_or(0));
                    if units > 0 {
                        let minute = number * (DAY / MINUTE) + minute;
                        *issued.entry(minute).or_default() += u64::from(units);
                    }
                }
            }
        }
        let end = span.to.slot(MINUTE);
        let mut counted = Vec::new();
        let mut silent_from: Option<i64> = None;
        for (minute, units) in issued.range(..end) {
            if let Some(from) = silent_from.filter(|from| minute - from < LONGEST_SILENCE_MINUTES) {
                counted.extend((from..*minute).map(|silent| (silent, 0)));
            }
            counted.push((*minute, units.div_ceil(u64::from(UNITS_PER_EVENT))));
            silent_from = Some(minute + 1);
        }
        if let Some(from) = silent_from {
            let until = end.min(from + LONGEST_SILENCE_MINUTES);
            counted.extend((from..until).map(|silent| (silent, 0)));
        }
        counted
            .into_iter()
            .filter(|(minute, _)| *minute >= span.from.slot(MINUTE))
            .map(|(minute, count)| (Timestamp::from_unix(minute * MINUTE), count))
            .collect()
    }
}

/// The minutes of each day in which the registry is alive.
pub(super) fn registry_alive(series: &Series, now: Timestamp) -> BTreeMap<i64, Minutes> {
    let mut alive: BTreeMap<i64, Minutes> = BTreeMap::new();
    let Some(track) = series.tracks.get(&(Source::Registrations, None)) else {
        return alive;
    };
    let end = now.slot(MINUTE);
    let mut add = |minutes: RangeInclusive<i64>| {
        let span = Span {
            from: Timestamp::from_unix(minutes.start() * MINUTE),
            to: Timestamp::from_unix((minutes.end() + 1) * MINUTE),
        };
        for day in span.from.slot(DAY)..=(span.to - 1).slot(DAY) {
            alive.entry(day).or_default().insert_span(day, span);
        }
    };
    // The first and the last minute bridged so far.
    let mut bridged: Option<(i64, i64)> = None;
    for (number, day) in &track.days {
        let lines: Vec<&Fine> = day.fit_for(HOUR).collect();
        let issued = |minute: &usize| lines.iter().any(|f| f.units(Kind::Issued, *minute) > 0);
        for minute in (0..DAY_MINUTES).filter(issued) {
            let at = day_span(*number).from.slot(MINUTE) + i64::try_from(minute).unwrap_or(0);
            match &mut bridged {
                _ if at >= end => {}
                Some((_, last)) if at - *last <= LONGEST_SILENCE_MINUTES => *last = at,
                _ => {
                    if let Some((first, last)) = bridged.replace((at, at)) {
                        add(first..=last);
                    }
                }
            }
        }
    }
    if let Some((first, last)) = bridged {
        let is_silent = end - last > LONGEST_SILENCE_MINUTES;
        add(first..=if is_silent { last } else { end - 1 });
    }
    alive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_without_a_certificate_are_reported_for_at_most_a_day() {
        let at = |minute: i64| Timestamp::from_unix(20_000 * DAY + minute * MINUTE);
        let mut series = Series::default();
        for minute in [10, 10, 12, 4_000] {
            series.add_registration(at(minute) + 7, true, false);
        }
        // Only the day is known.
        series.add_registration(at(100), false, false);
        let counted = |from, to| {
            series.registered(Span {
                from: at(from),
                to: at(to),
            })
        };
        assert_eq!(counted(0, 13), [(at(10), 2), (at(11), 0), (at(12), 1)]);
        assert_eq!(counted(12, 14), [(at(12), 1), (at(13), 0)]);
        // The same as for the whole span: nothing twice, nothing left out.
        let whole = counted(0, 6_000);
        let mut parts = counted(0, 2_000);
        parts.extend(counted(2_000, 6_000));
        assert_eq!(parts.len(), 2 + 1 + 1_440 + 1 + 1_440);
        let without_the_tail: Vec<_> = parts
            .iter()
            .filter(|(minute, _)| *minute < at(13) || *minute >= at(4_000))
            .collect();
        let tail: Vec<_> = whole
            .iter()
            .filter(|(minute, _)| *minute < at(13) || *minute >= at(4_000))
            .collect();
        assert_eq!(without_the_tail, tail);
        assert_eq!(
            Series::default().registered(Span {
                from: at(0),
                to: at(9)
            }),
            []
        );
    }
}
