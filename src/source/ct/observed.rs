//! What a block's counts are as observations.

use super::count::Counted;
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};

/// Of a block that was read after all before it (`weight` is `None`): a count for each minute, and for
/// each CA zeros over the time between, since nothing is knowledge too. Of a sample: for each CA what the
/// blocks since the last one hold, as far as this one tells, evenly over the time since then.
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
        for (ca, count) in names.iter().zip(counts) {
            rows.push(line(ca, from, until - from, count.saturating_mul(weight)));
        }
        return rows;
    }
    for ((minute, ca), count) in &counted.minutes {
        rows.push(line(&names[*ca], *minute, MINUTE, *count));
    }
    // By the hour: a longer span would say nothing of hours.
    let mut at = from;
    while at < until {
        let end = Timestamp::from_unix((at.slot(HOUR) + 1) * HOUR).min(until);
        for ca in names {
            rows.push(line(ca, at, end - at, 0));
        }
        at = end;
    }
    rows
}
