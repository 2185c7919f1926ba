//! The observations of one vantage of one source, day by day and minute by minute.

use std::collections::BTreeMap;

use super::minutes::{DAY_MINUTES, Minutes, day_span, index};
use crate::demand::observation::{Kind, Observation};
use crate::math::number::{real, whole};
use crate::time::{DAY, MINUTE, Span, Timestamp};

/// Counts are kept in sixtieths of an event, so that one event spread over an hour is one unit a
/// minute. With whole units, sums do not depend on the order of arrival, and what was added can be
/// removed exactly. A `u32` holds 71 million events in a minute, 10,000 times what the largest CA
/// issues; larger sums saturate.
pub(super) const UNITS_PER_EVENT: u32 = 60;

/// The lengths, in seconds, by which observations are kept apart, because an observation says nothing
/// about shorter slots. All slot lengths and the minute are here.
pub(super) const RESOLUTIONS: [i64; 5] = [60, 300, 900, 1_800, 3_600];

/// Latencies are kept for each 5 minutes, the shortest slot.
pub(super) const LATENCY_MINUTES: usize = 5;
const LATENCY_BINS: usize = DAY_MINUTES / LATENCY_MINUTES;

pub(super) type Counts = Box<[u32; DAY_MINUTES]>;

#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub(super) days: BTreeMap<i64, Day>,
    /// When the first observation of this source was stored.
    pub(super) first_report: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Day {
    /// Observations that are short enough for slots, each at the first of [`RESOLUTIONS`] that is long
    /// enough.
    pub(super) fine: [Option<Box<Fine>>; RESOLUTIONS.len()],
    /// Observations longer than the longest slot.
    pub(super) coarse: Option<Box<Coarse>>,
    sampled: Sampled,
}

/// How much of a day's events was counted, if a source reads only a sample, in which each counted event
/// stands for several.
#[derive(Clone, Copy, Debug, Default)]
struct Sampled {
    reported: u64,
    /// The counted events, in units of 1 / [`PARTS_SEEN`]: whole numbers, so that the sum does not
    /// depend on the order of arrival.
    seen: u64,
}

const PARTS_SEEN: u32 = 1_024;

#[derive(Clone, Debug, Default)]
pub(super) struct Fine {
    pub(super) covered: Minutes,
    /// By [`place`] of the kind; allocated when first needed.
    pub(super) counts: [Option<Counts>; 3],
    latency: Option<Box<[LatencyBin; LATENCY_BINS]>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Coarse {
    pub(super) covered: Minutes,
    /// By [`place`] of the kind.
    pub(super) units: [u64; 3],
    /// By [`place`] of the kind: whether there was an observation of it.
    pub(super) reported: [bool; 3],
    /// Whether an observation was longer than a day, so that the count is not of this day alone.
    pub(super) longer_than_day: bool,
}

/// Sums of latency × weight in microseconds, and of weights.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LatencyBin {
    pub(super) median: (u64, u64),
    pub(super) p95: (u64, u64),
}

/// The position of a kind's counts.
pub(super) const fn place(kind: Kind) -> usize {
    match kind {
        Kind::Attempt => 0,
        Kind::Failed => 1,
        Kind::Issued => 2,
    }
}

impl Track {
    /// Adds an observation stored at `counted_at`; if that is unknown, its day counts as the time it
    /// was stored.
    pub(super) fn add_stored(&mut self, line: &Observation, counted_at: Option<Timestamp>) {
        let stored_at = counted_at.unwrap_or_else(|| day_span(line.at.slot(DAY)).from);
        self.first_report = Some(
            self.first_report
                .map_or(stored_at, |from| from.min(stored_at)),
        );
        self.add(line);
    }

    pub(super) fn add(&mut self, line: &Observation) {
        let seconds = i64::from(line.seconds.max(1));
        let span = Span {
            from: line.at,
            to: line.at + seconds,
        };
        let units = u128::from(line.count) * u128::from(UNITS_PER_EVENT);
        for number in line.at.slot(DAY)..=(span.to - 1).slot(DAY) {
            let day = self.days.entry(number).or_default();
            day.sampled.add(line);
            match RESOLUTIONS.iter().position(|most| seconds <= *most) {
                Some(tier) => day.fine[tier]
                    .get_or_insert_default()
                    .add(number, span, units, line),
                None => day
                    .coarse
                    .get_or_insert_default()
                    .add(number, span, units, line.kind),
            }
        }
    }
}

impl Sampled {
    fn add(&mut self, line: &Observation) {
        let parts = u128::from(line.count) * u128::from(PARTS_SEEN) * 1_024;
        // In units of 1/1,024 as well: an event stands for a whole number, or for the mean of two logs.
        let stands_for = whole((line.stands_for.max(1.0) * 1_024.0).round()).unsigned_abs();
        let seen = parts / u128::from(stands_for.max(1_024));
        self.reported = self.reported.saturating_add(line.count);
        self.seen = self
            .seen
            .saturating_add(u64::try_from(seen).unwrap_or(u64::MAX));
    }
}

impl Day {
    /// How many events each counted event stands for; 1 if all were counted.
    pub(super) fn stands_for(&self) -> f64 {
        let number = |count: u64| real(i64::try_from(count).unwrap_or(i64::MAX));
        if self.sampled.seen == 0 {
            return 1.0;
        }
        (number(self.sampled.reported) * f64::from(PARTS_SEEN) / number(self.sampled.seen)).max(1.0)
    }

    /// Adds units to one minute, or removes them.
    pub(super) fn count_minute(&mut self, kind: Kind, minute: usize, change: i64) {
        let counts = self.fine[0].get_or_insert_default().counts_of(kind);
        counts[minute] = changed(counts[minute].into(), change)
            .try_into()
            .unwrap_or(u32::MAX);
    }

    /// Adds units to the day as a whole, or removes them.
    pub(super) fn count_day(&mut self, kind: Kind, change: i64) {
        let coarse = self.coarse.get_or_insert_default();
        coarse.reported[place(kind)] = true;
        coarse.units[place(kind)] = changed(coarse.units[place(kind)], change);
    }

    /// The observations that are fine enough for slots of `slot_seconds`.
    pub(super) fn fit_for(&self, slot_seconds: i64) -> impl Iterator<Item = &Fine> {
        self.fine
            .iter()
            .zip(RESOLUTIONS)
            .filter(move |(_, resolution)| *resolution <= slot_seconds)
            .filter_map(|(fine, _)| fine.as_deref())
    }

    /// Whether an observation is about the day but too long for slots of `slot_seconds`.
    pub(super) fn has_unfit(&self, slot_seconds: i64) -> bool {
        self.coarse.is_some()
            || self
                .fine
                .iter()
                .zip(RESOLUTIONS)
                .any(|(fine, resolution)| fine.is_some() && resolution > slot_seconds)
    }

    /// The minutes that are covered by observations of any length.
    pub(super) fn covered(&self) -> Minutes {
        let mut covered = Minutes::default();
        for fine in self.fine.iter().flatten() {
            covered.add(&fine.covered);
        }
        if let Some(coarse) = &self.coarse {
            covered.add(&coarse.covered);
        }
        covered
    }

    /// Whether any observation is of this kind.
    pub(super) fn reports(&self, kind: Kind) -> bool {
        self.coarse
            .as_ref()
            .is_some_and(|coarse| coarse.reported[place(kind)])
            || self
                .fine
                .iter()
                .flatten()
                .any(|fine| fine.counts[place(kind)].is_some())
    }

    /// Whether any observation is of attempts or certificates: failures alone do not show the volume.
    pub(super) fn reports_volume(&self) -> bool {
        self.reports(Kind::Attempt) || self.reports(Kind::Issued)
    }

    /// Units of this kind in an hour of the day, from observations of up to an hour.
    pub(super) fn units_in_hour(&self, kind: Kind, hour: usize) -> u64 {
        let minutes = hour * 60..(hour + 1) * 60;
        let units = self.fine.iter().flatten().flat_map(|fine| {
            let minutes = minutes.clone();
            minutes.map(move |minute| u64::from(fine.units(kind, minute)))
        });
        units.sum()
    }

    /// Units of certificates in the minutes for which `meant` is true, from observations of up to an
    /// hour.
    pub(super) fn issued_in(&self, meant: impl Fn(&usize) -> bool) -> u64 {
        let fine = self.fine.iter().flatten();
        let units = fine.map(|fine| -> u64 {
            let minutes = (0..DAY_MINUTES).filter(&meant);
            minutes
                .map(|minute| u64::from(fine.units(Kind::Issued, minute)))
                .sum()
        });
        units.sum()
    }

    /// Units of this kind in the whole day, from observations of any length.
    pub(super) fn total(&self, kind: Kind) -> u64 {
        let fine = self
            .fine
            .iter()
            .flatten()
            .filter_map(|fine| fine.counts[place(kind)].as_ref())
            .flat_map(|counts| counts.iter())
            .map(|units| u64::from(*units))
            .sum::<u64>();
        let coarse = self.coarse.as_ref().map_or(0, |c| c.units[place(kind)]);
        fine.saturating_add(coarse)
    }
}

impl Fine {
    fn counts_of(&mut self, kind: Kind) -> &mut Counts {
        self.counts[place(kind)].get_or_insert_with(|| Box::new([0; DAY_MINUTES]))
    }

    fn add(&mut self, day: i64, span: Span, units: u128, line: &Observation) {
        let whole = day_span(day);
        let first = span.from.max(whole.from).slot(MINUTE);
        let last = (span.to.min(whole.to) - 1).slot(MINUTE);
        for minute in first..=last {
            let share = share(units, span, minute * MINUTE, (minute + 1) * MINUTE);
            let at = index(minute - whole.from.slot(MINUTE));
            self.covered.insert(at);
            let counts = self.counts_of(line.kind);
            counts[at] = counts[at].saturating_add(share.try_into().unwrap_or(u32::MAX));
            self.add_latency(at / LATENCY_MINUTES, share, line);
        }
    }

    /// An observation with a count of 0 may have a latency: it weighs as one unit.
    fn add_latency(&mut self, bin: usize, units: u64, line: &Observation) {
        if line.latency_ms.is_none() && line.latency_p95_ms.is_none() {
            return;
        }
        // 2^20 units are 17,000 events in a minute, enough for a weight, and 2^20 × 2^32 µs (an hour) ×
        // 1,440 observations stay below 2^64.
        let weight = units.clamp(1, 1 << 20);
        let bins = self
            .latency
            .get_or_insert_with(|| Box::new([LatencyBin::default(); LATENCY_BINS]));
        for (sum, latency) in [
            (&mut bins[bin].median, line.latency_ms),
            (&mut bins[bin].p95, line.latency_p95_ms),
        ] {
            if let Some(micros) = latency.and_then(micros) {
                sum.0 = sum.0.saturating_add(micros * weight);
                sum.1 = sum.1.saturating_add(weight);
            }
        }
    }

    pub(super) fn latency(&self) -> Option<&[LatencyBin]> {
        self.latency
            .as_deref()
            .map(<[LatencyBin; LATENCY_BINS]>::as_slice)
    }

    /// Units of this kind in this minute.
    pub(super) fn units(&self, kind: Kind, minute: usize) -> u32 {
        self.counts[place(kind)]
            .as_ref()
            .map_or(0, |counts| counts[minute])
    }
}

impl Coarse {
    fn add(&mut self, day: i64, span: Span, units: u128, kind: Kind) {
        let whole = day_span(day);
        let share = share(units, span, whole.from.unix(), whole.to.unix());
        let sum = &mut self.units[place(kind)];
        *sum = sum.saturating_add(share);
        self.reported[place(kind)] = true;
        self.covered.insert_span(day, span);
        self.longer_than_day |= span.seconds() > DAY;
    }
}

fn changed(units: u64, change: i64) -> u64 {
    units.saturating_add_signed(change)
}

/// The units that fall between two instants. Remainders of the division go to the later parts, so that
/// the parts sum to the whole.
fn share(units: u128, span: Span, from: i64, to: i64) -> u64 {
    let seconds = u128::try_from(span.seconds()).unwrap_or(1).max(1);
    let before = |at: i64| {
        let elapsed = (at - span.from.unix()).clamp(0, span.seconds());
        units * u128::try_from(elapsed).unwrap_or(0) / seconds
    };
    u64::try_from(before(to) - before(from)).unwrap_or(u64::MAX)
}

/// Whole microseconds; `None` for values that cannot be a latency. An hour is the maximum.
fn micros(milliseconds: f64) -> Option<u64> {
    if !milliseconds.is_finite() || milliseconds < 0.0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held between 0 and an hour"
    )]
    let micros = (milliseconds * 1_000.0).round().min(3.6e9) as u64;
    Some(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_line_sum_to_the_whole() {
        let span = Span {
            from: Timestamp::from_unix(30),
            to: Timestamp::from_unix(30 + 7 * 60),
        };
        let parts: Vec<u64> = (0..8)
            .map(|m| share(61, span, m * MINUTE, (m + 1) * MINUTE))
            .collect();
        assert_eq!(parts.iter().sum::<u64>(), 61);
        assert_eq!(parts[0], 4);
        assert_eq!(parts[1], 9);
    }

    #[test]
    fn nonsense_is_no_latency() {
        for (given, want) in [
            (1.5, Some(1_500)),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
            (1e12, Some(3_600_000_000)),
        ] {
            assert_eq!(micros(given), want);
        }
    }
}
