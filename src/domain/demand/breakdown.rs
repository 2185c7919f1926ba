//! Load by the labels of observations: a dimension, an endpoint, an error type.
//!
//! An observation with a `dimension`, such as a secondary validation or a DNS provider, describes a
//! part or a step of load that other observations count. It never changes the volume; it is reported by
//! slot.

use std::collections::BTreeMap;

use super::observation::{Kind, Observation, Source};
use crate::math::number::{length, real};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// How many days are kept: two half-lives of the profile.
const KEPT_DAYS: i64 = 28;
/// After this many days a count weighs half, as in the profile.
const HALF_LIFE_DAYS: f64 = 14.0;
/// The most labels of one kind; further ones are dropped. ACME has 25 error types (RFC 8555 section 6.7
/// and its successors), and nine vantages with three steps each have 27 dimensions.
const MOST_LABELS: usize = 64;
/// The length of a bin, in seconds: the shortest slot.
const BIN_SECONDS: i64 = 5 * MINUTE;

/// The kind of a label.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Label {
    /// A part or step of the load, as the source names it.
    Dimension,
    /// An ACME endpoint.
    Endpoint,
    /// An ACME error type, a URN; of failures only.
    ErrorType,
}

/// The slots of the day of one label, from 00:00 UTC.
pub type Slots = Vec<PartSlot>;

/// The load with one label in one slot of the day; recent days count more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PartSlot {
    /// Attempts; if these are not reported, certificates issued plus failures.
    pub tried: f64,
    /// Attempts that failed.
    pub failed: f64,
    /// 95th percentile of latency in milliseconds; `None` if not reported.
    pub latency_p95_ms: Option<f64>,
}

/// A CA's load by label, source and day.
#[derive(Clone, Debug, Default)]
pub struct Breakdown {
    /// Sources are never added up: the first one in the order of trust that reports a label is used.
    parts: BTreeMap<(Label, String), BTreeMap<Source, Days>>,
    newest_day: i64,
}

/// By day, and within it by the observation's length in seconds and the bin. The length matters because
/// an observation says nothing about slots shorter than itself.
type Days = BTreeMap<i64, BTreeMap<(u32, i64), Cell>>;

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    attempts: f64,
    failed: f64,
    issued: f64,
    latency: f64,
    latency_weight: f64,
}

impl PartSlot {
    /// The share of attempts that failed; `None` without attempts.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        (self.tried > 0.0).then(|| (self.failed / self.tried).min(1.0))
    }
}

impl Breakdown {
    /// Adds an observation, spread evenly over its span. Observations that are longer than an hour or
    /// too old are ignored.
    pub fn add(&mut self, line: &Observation) {
        let seconds = i64::from(line.seconds.max(1));
        if seconds > HOUR || line.at.slot(DAY) <= self.newest_day - KEPT_DAYS {
            return;
        }
        let labels = if let Some(dimension) = &line.dimension {
            vec![(Label::Dimension, dimension)]
        } else {
            let endpoint = line.endpoint.iter().map(|text| (Label::Endpoint, text));
            let failed = line.kind == Kind::Failed && line.count > 0;
            let error = line.error_type.iter().filter(|_| failed);
            endpoint
                .chain(error.map(|text| (Label::ErrorType, text)))
                .collect()
        };
        if labels.is_empty() {
            return;
        }
        if line.at.slot(DAY) > self.newest_day {
            self.newest_day = line.at.slot(DAY);
            self.forget(self.newest_day - KEPT_DAYS);
        }
        for (label, text) in labels {
            self.add_to(label, text, line);
        }
    }

    /// The load of each label of a kind, by slots of the day of `slot_seconds`, over the kept days up
    /// to `now`.
    #[must_use]
    pub fn by_slot(
        &self,
        label: Label,
        now: Timestamp,
        slot_seconds: i64,
    ) -> BTreeMap<String, Slots> {
        let labels = self.parts.iter().filter(|((of, _), _)| *of == label);
        labels
            .filter_map(|((_, text), sources)| {
                let of_length = |days: &Days| slots(days, now, slot_seconds);
                Some((text.clone(), sources.values().find_map(of_length)?))
            })
            .collect()
    }

    fn add_to(&mut self, label: Label, text: &str, line: &Observation) {
        let key = (label, text.to_owned());
        let same_label = self.parts.keys().filter(|(of, _)| *of == label).count();
        if same_label >= MOST_LABELS && !self.parts.contains_key(&key) {
            return;
        }
        let days = self
            .parts
            .entry(key)
            .or_default()
            .entry(line.source)
            .or_default();
        let span = Span {
            from: line.at,
            to: line.at + i64::from(line.seconds.max(1)),
        };
        for bin in span.from.slot(BIN_SECONDS)..=(span.to - 1).slot(BIN_SECONDS) {
            let of = Span {
                from: Timestamp::from_unix(bin * BIN_SECONDS),
                to: Timestamp::from_unix((bin + 1) * BIN_SECONDS),
            };
            let share = real(span.overlap_seconds(of)) / real(span.seconds());
            let day = days.entry(of.from.slot(DAY)).or_default();
            let bin = of.from.second_of_day() / BIN_SECONDS;
            day.entry((line.seconds, bin)).or_default().add(line, share);
        }
    }

    fn forget(&mut self, before: i64) {
        self.parts.retain(|_, sources| {
            sources.retain(|_, days| {
                *days = days.split_off(&before);
                !days.is_empty()
            });
            !sources.is_empty()
        });
    }
}

impl Cell {
    fn add(&mut self, line: &Observation, share: f64) {
        let count = real(i64::try_from(line.count).unwrap_or(i64::MAX)) * share;
        match line.kind {
            Kind::Attempt => self.attempts += count,
            Kind::Failed => self.failed += count,
            Kind::Issued => self.issued += count,
        }
        if let Some(latency) = line.latency_p95_ms {
            // An observation with a count of 0 may have a latency: it weighs as one event.
            let weight = count.max(share);
            self.latency += latency * weight;
            self.latency_weight += weight;
        }
    }
}

/// `None` if no observation is short enough for slots of this length.
fn slots(days: &Days, now: Timestamp, slot_seconds: i64) -> Option<Slots> {
    let count = length(DAY / slot_seconds);
    let mut sums = vec![(PartSlot::default(), 0.0, 0.0); count];
    let mut any_reported = false;
    for (day, bins) in days.range(now.slot(DAY) - KEPT_DAYS + 1..=now.slot(DAY)) {
        let weight = (-real(now.slot(DAY) - day) / HALF_LIFE_DAYS).exp2();
        for ((seconds, bin), cell) in bins {
            if i64::from(*seconds) > slot_seconds {
                continue;
            }
            any_reported = true;
            let slot = length(bin * BIN_SECONDS / slot_seconds).min(count - 1);
            let (sum, latency, latency_weight) = &mut sums[slot];
            // A source that counts attempts counts the failed ones among them.
            let tried = cell.attempts.max(cell.issued + cell.failed);
            sum.tried += weight * tried;
            sum.failed += weight * cell.failed;
            *latency += weight * cell.latency;
            *latency_weight += weight * cell.latency_weight;
        }
    }
    let finished = |(sum, latency, weight): (PartSlot, f64, f64)| PartSlot {
        latency_p95_ms: (weight > 0.0).then(|| latency / weight),
        ..sum
    };
    any_reported.then(|| sums.into_iter().map(finished).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

    fn line(ago: i64, dimension: &str, kind: Kind, count: u64) -> Observation {
        Observation {
            seconds: 300,
            dimension: Some(dimension.to_owned()),
            latency_p95_ms: Some(if ago % 24 == 23 { 900.0 } else { 90.0 }),
            ..Observation::plain(NOW - ago * HOUR, Source::Ca, kind, count)
        }
    }

    #[test]
    fn a_dimension_has_its_own_failures_and_latency_by_slot() {
        let mut parts = Breakdown::default();
        for ago in 1..=24 * 10 {
            parts.add(&line(ago, "secondary", Kind::Attempt, 100));
            let failed = if ago % 24 == 23 { 30 } else { 1 };
            parts.add(&line(ago, "secondary", Kind::Failed, failed));
        }
        let by_label = parts.by_slot(Label::Dimension, NOW, HOUR);
        let slots = &by_label["secondary"];
        for (hour, slot) in slots.iter().enumerate() {
            let (rate, latency) = if hour == 1 {
                (0.3, 900.0)
            } else {
                (0.01, 90.0)
            };
            assert!((slot.failure_rate().unwrap() - rate).abs() < 1e-9, "{hour}");
            assert!(
                (slot.latency_p95_ms.unwrap() - latency).abs() < 1e-9,
                "{hour}"
            );
        }
        assert!(parts.by_slot(Label::Endpoint, NOW, HOUR).is_empty());
    }

    #[test]
    fn error_types_are_counted_by_the_best_source() {
        let mut parts = Breakdown::default();
        for (source, urn, count) in [
            (Source::Observer, "urn:ietf:params:acme:error:dns", 7),
            (Source::Log, "urn:ietf:params:acme:error:dns", 90),
            (Source::Log, "urn:ietf:params:acme:error:connection", 1),
        ] {
            parts.add(&Observation {
                error_type: Some(urn.to_owned()),
                ..Observation::plain(NOW - HOUR, source, Kind::Failed, count)
            });
        }
        let by_label = parts.by_slot(Label::ErrorType, NOW, HOUR);
        // Of the day before: 2^(−1/14).
        let weight = (-1.0_f64 / 14.0).exp2();
        let failed = |urn: &str| (by_label[urn][23].failed / weight).round();
        assert_eq!(by_label.len(), 2);
        assert!((failed("urn:ietf:params:acme:error:dns") - 90.0).abs() < 1e-9);
        assert!((failed("urn:ietf:params:acme:error:connection") - 1.0).abs() < 1e-9);
    }

    #[test]
    fn labels_and_days_are_bounded() {
        let mut parts = Breakdown::default();
        for number in 0..200 {
            parts.add(&line(1, &number.to_string(), Kind::Attempt, 1));
        }
        assert_eq!(parts.parts.len(), MOST_LABELS);
        let later = Observation {
            at: NOW + 40 * DAY,
            ..line(0, "later", Kind::Attempt, 1)
        };
        parts.add(&Observation {
            endpoint: Some("e".to_owned()),
            dimension: None,
            ..later
        });
        assert_eq!(parts.parts.len(), 1);
        // An observation of an hour says nothing about quarters of an hour.
        let mut hours = Breakdown::default();
        hours.add(&Observation {
            seconds: 3_600,
            ..line(2, "d", Kind::Attempt, 1)
        });
        assert!(hours.by_slot(Label::Dimension, NOW, 900).is_empty());
        assert_eq!(hours.by_slot(Label::Dimension, NOW, HOUR).len(), 1);
    }
}
