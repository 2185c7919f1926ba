//! Converts a block's counts to observations.

use super::count::Counted;
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};

/// Zeros are reported for five minutes, the shortest slot.
const GRAIN: i64 = 5 * MINUTE;

/// If all earlier blocks were read (`weight` is `None`): a count for each minute, and for each CA
/// zeros for the time in between. In a sample: for each CA the estimate for the blocks since the
/// last one that was read, spread evenly over that time. In quiet hours, blocks are more than an
/// hour apart. The estimate is then still reported by hour, because longer lines say nothing about
/// hours, unless the time is so long that the hours are unknown.
pub(super) fn observations(
    counted: &Counted,
    names: &[CaName],
    source: &str,
    (from, until): (Timestamp, Timestamp),
    weight: Option<u64>,
) -> Vec<Observation> {
    let line = |ca: &CaName, at: Timestamp, seconds: i64, count: u64| Observation {
        ca: ca.clone(),
        seconds: u32::try_from(seconds.max(1)).unwrap_or(u32::MAX),
        vantage: Some(source.to_owned()),
        ..Observation::plain(at, Source::Ct, Kind::Issued, count)
    };
    let mut rows = Vec::new();
    if let Some(weight) = weight {
        let counts = counted.of_each(names.len());
        let pieces = pieces(from, until);
        for (ca, count) in names.iter().zip(counts) {
            let count = count.saturating_mul(weight);
            for (at, seconds, part) in parts(&pieces, count) {
                rows.push(Observation {
                    stands_for: real(i64::try_from(weight).unwrap_or(i64::MAX)).max(1.0),
                    ..line(ca, at, seconds, part)
                });
            }
        }
        return rows;
    }
    for ((minute, ca), count) in &counted.minutes {
        rows.push(line(&names[*ca], *minute, MINUTE, *count));
    }
    // A longer line could not be used for the shortest slots.
    let mut at = from;
    while at < until {
        let end = Timestamp::from_unix((at.slot(GRAIN) + 1) * GRAIN).min(until);
        for ca in names {
            rows.push(line(ca, at, end - at, 0));
        }
        at = end;
    }
    rows
}

/// The longest time between two sampled blocks that is reported by hour. A block an hour on average
/// means three hours at a third of the mean rate.
const LONGEST_SECONDS: i64 = 3 * HOUR;

/// The parts of a span in each hour, in seconds; a long span is kept whole.
fn pieces(from: Timestamp, until: Timestamp) -> Vec<(Timestamp, i64)> {
    if until - from > LONGEST_SECONDS || until <= from {
        return vec![(from, (until - from).max(1))];
    }
    let mut found = Vec::new();
    let mut at = from;
    while at < until {
        let end = Timestamp::from_unix((at.slot(HOUR) + 1) * HOUR).min(until);
        found.push((at, end - at));
        at = end;
    }
    found
}

/// Divides a count by the lengths of pieces, without losing any to rounding.
fn parts(
    pieces: &[(Timestamp, i64)],
    count: u64,
) -> impl Iterator<Item = (Timestamp, i64, u64)> + '_ {
    let whole: i64 = pieces.iter().map(|(_, seconds)| seconds).sum();
    let (mut before, mut done) = (0, 0);
    pieces.iter().map(move |(at, seconds)| {
        before += seconds;
        let share = u128::from(count) * u128::from(before.unsigned_abs());
        let until = u64::try_from(share / u128::from(whole.max(1).unsigned_abs()));
        let part = until.unwrap_or(count) - done;
        done += part;
        (*at, *seconds, part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_reported_by_the_hour_unless_it_is_too_small() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let from = at("2026-11-28T01:45:00Z");
        let done = |until: &str, count| -> Vec<(i64, u64)> {
            let pieces = pieces(from, at(until));
            let parts = parts(&pieces, count);
            parts.map(|(_, seconds, part)| (seconds, part)).collect()
        };
        assert_eq!(done("2026-11-28T01:50:00Z", 7), [(300, 7)]);
        let parts = done("2026-11-28T03:15:00Z", 601);
        assert_eq!(parts, [(900, 100), (3_600, 400), (900, 101)]);
        assert_eq!(done("2026-11-28T05:00:00Z", 9), [(11_700, 9)]);
        assert_eq!(done("2026-11-28T01:45:00Z", 9), [(1, 9)]);
    }
}
