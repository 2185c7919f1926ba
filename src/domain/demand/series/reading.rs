//! The reading of a series for one day: the volume of each minute from the best source alive.

use std::collections::BTreeMap;

use super::Series;
use super::minutes::{DAY_MINUTES, Minutes, day_span};
use super::ratio::{Ratios, hour_of, mean};
use super::registered::registry_alive;
use super::track::{Day, Fine, RESOLUTIONS, Track, UNITS_PER_EVENT, place};
use crate::demand::observation::{Kind, Source};
use crate::time::{DAY, MINUTE, Span, Timestamp};

/// The sources that can set the volume, best first. Imported counts cannot.
pub(super) const VOLUME_SOURCES: [Source; 5] = [
    Source::Ca,
    Source::Log,
    Source::Metrics,
    Source::Registrations,
    Source::Ct,
];

/// Reads a series day by day.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(super) series: &'a Series,
    pub(super) slot_seconds: i64,
    pub(super) now: Timestamp,
    excluded: &'a [Span],
    /// The minutes in which the registry is alive, by day.
    registry: BTreeMap<i64, Minutes>,
    /// Attempts per certificate, if a source has shown both.
    ratios: Option<Ratios>,
}

/// One day's volume.
#[derive(Debug)]
pub(crate) struct DayReading {
    /// Events in each minute, from the best source alive that reports finely enough for slots.
    pub(crate) volume: Vec<f64>,
    /// The steered renewals among these.
    pub(crate) steered: Vec<f64>,
    /// The minutes in which such a source was alive.
    pub(crate) known: Minutes,
    /// The minutes that it reported separately.
    pub(crate) exact: Minutes,
    /// The minutes in which it reported requests, not only their results.
    pub(crate) requests: Minutes,
    /// The minutes in which it reported certificates, and requests were estimated from a learned ratio.
    pub(crate) estimated: Minutes,
    /// How many events each counted event stands for, by minute, where only a sample was read.
    pub(crate) stands_for: Vec<f64>,
    /// The day as a whole, if its best source does not report finely enough for slots.
    pub(crate) whole: Option<WholeDay>,
}

/// What a source reports about a day as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WholeDay {
    /// Events.
    pub(crate) volume: f64,
    /// The steered renewals among these.
    pub(crate) steered: f64,
    /// How much of the day was covered, 0.5 to 1.
    pub(crate) coverage: f64,
    /// How many events each counted event stands for.
    pub(crate) stands_for: f64,
    /// Whether the count is of this day alone, not a part of a longer span's.
    pub(crate) own: bool,
}

/// One day of one vantage, with what is needed to read it.
struct Vantage<'a> {
    covered: Minutes,
    exact: Minutes,
    lines: Vec<&'a Fine>,
    /// The minutes in which it counts attempts; in others it counts certificates.
    attempts: Minutes,
    /// By hour, the attempts per certificate, if known.
    ratios: Option<&'a [f64]>,
    /// How many events each counted event stands for.
    stands_for: f64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        series: &'a Series,
        now: Timestamp,
        slot_seconds: i64,
        excluded: &'a [Span],
    ) -> Self {
        let mut reader = Self {
            series,
            slot_seconds,
            now,
            excluded,
            registry: registry_alive(series, now),
            ratios: None,
        };
        reader.ratios = reader.learn_ratios();
        reader
    }

    /// The days to read, in order: those with data, up to now.
    pub(crate) fn days(&self) -> Vec<i64> {
        let today = self.now.slot(DAY);
        let mut days: Vec<i64> = self
            .series
            .tracks
            .values()
            .flat_map(|track| track.days.keys().copied())
            .chain(self.registry.keys().copied())
            .filter(|day| *day <= today)
            .collect();
        days.sort_unstable();
        days.dedup();
        days
    }

    pub(crate) fn read(&self, day: i64) -> DayReading {
        let mut reading = DayReading {
            volume: vec![0.0; DAY_MINUTES],
            steered: vec![0.0; DAY_MINUTES],
            stands_for: vec![1.0; DAY_MINUTES],
            known: Minutes::default(),
            exact: Minutes::default(),
            requests: Minutes::default(),
            estimated: Minutes::default(),
            whole: self.whole(day),
        };
        let usable = self.usable(day);
        for (source, age) in self.believed_on(day) {
            let vantages: Vec<Vantage<'_>> = self
                .tracks_that_are(source, age)
                .filter_map(|track| self.vantage(source, track, day))
                .collect();
            if vantages.is_empty() {
                continue;
            }
            reading.take(&vantages, usable.without(&reading.known));
        }
        self.hold(day, &mut reading);
        if let Some(steered) = self.series.steered.days.get(&day) {
            for (minute, sum) in reading.steered.iter_mut().enumerate() {
                *sum = steered
                    .fit_for(self.slot_seconds)
                    .map(|fine| events(fine.units(Kind::Issued, minute).into()))
                    .sum();
            }
        }
        reading
    }

    /// The minutes of a day that can be learned from: past, and not excluded.
    pub(super) fn usable(&self, day: i64) -> Minutes {
        let mut usable = Minutes::default();
        usable.insert_span(
            day,
            Span {
                from: day_span(day).from,
                to: Timestamp::from_unix(self.now.slot(MINUTE) * MINUTE),
            },
        );
        usable.remove(&self.excluded_of(day));
        usable
    }

    pub(super) fn tracks(&self, source: Source) -> impl Iterator<Item = &'a Track> {
        self.series
            .tracks
            .iter()
            .filter(move |((of, _), _)| *of == source)
            .map(|(_, track)| track)
    }

    fn excluded_of(&self, day: i64) -> Minutes {
        let mut excluded = Minutes::default();
        for span in self.excluded {
            excluded.insert_span(day, *span);
        }
        excluded
    }

    /// The demand reported by a source's days: by attempts where they are known.
    fn day_volume(&self, number: i64, days: &[&Day]) -> f64 {
        let volume = |day: &&Day| {
            if day.reports(Kind::Attempt) {
                return events(day.total(Kind::Attempt));
            }
            events(day.total(Kind::Issued)) * self.ratios(number).map_or(1.0, mean)
        };
        median(days.iter().map(volume).collect())
    }

    /// The attempts per certificate by hour of a day; `None` if unknown.
    pub(super) fn ratios(&self, day: i64) -> Option<&[f64]> {
        self.ratios.as_ref().map(|ratios| ratios.of_day(day))
    }

    /// The minutes of a day in which the registry is alive.
    pub(super) fn registry(&self, day: i64) -> Option<&Minutes> {
        self.registry.get(&day)
    }

    fn vantage<'b>(&'b self, source: Source, track: &'b Track, number: i64) -> Option<Vantage<'b>> {
        let day = track.days.get(&number).filter(|day| day.reports_volume());
        let lines: Vec<&Fine> =
            day.map_or_else(Vec::new, |day| day.fit_for(self.slot_seconds).collect());
        let mut covered = Minutes::default();
        let mut exact = Minutes::default();
        for fine in &lines {
            covered.add(&fine.covered);
        }
        if let Some(day) = day {
            for fine in day.fit_for(RESOLUTIONS[0]) {
                exact.add(&fine.covered);
            }
        }
        if source == Source::Registrations {
            // What is left of purged certificates may be coarser than a minute.
            let mut blurred = covered;
            blurred.remove(&exact);
            if let Some(alive) = self.registry.get(&number) {
                covered.add(alive);
                exact.add(alive);
                exact.remove(&blurred);
            }
        }
        let mut attempts = Minutes::default();
        if let Some((first, last)) = day.and_then(|day| attempts_within(track, day, number)) {
            attempts.insert_range(first, last + 1);
        }
        (!covered.is_empty()).then(|| Vantage {
            covered,
            exact,
            lines,
            attempts,
            ratios: self.ratios(number),
            stands_for: day.map_or(1.0, Day::stands_for),
        })
    }

    /// The whole day from the first source that covers half of it: its count, if it has observations
    /// too long for slots, else the sum of its minutes.
    fn whole(&self, number: i64) -> Option<WholeDay> {
        if !self.excluded_of(number).is_empty() {
            // The hours of an incident cannot be removed from a count of the whole day.
            return None;
        }
        for (source, age) in self.believed_on(number) {
            let days: Vec<&Day> = self
                .tracks_that_are(source, age)
                .filter_map(|track| track.days.get(&number))
                .filter(|day| day.reports_volume())
                .collect();
            let mut covered = Minutes::default();
            for day in &days {
                covered.add(&day.covered());
            }
            if source == Source::Registrations {
                if let Some(alive) = self.registry.get(&number) {
                    covered.add(alive);
                }
                if days.iter().any(|day| has_dateless(day)) {
                    covered.insert_range(0, DAY_MINUTES);
                }
            }
            if covered.count() < 720 {
                continue;
            }
            return days
                .iter()
                .any(|day| day.has_unfit(self.slot_seconds))
                .then(|| WholeDay {
                    volume: self.hold_day(number, self.day_volume(number, &days)),
                    steered: self
                        .series
                        .steered
                        .days
                        .get(&number)
                        .map_or(0.0, |day| events(day.total(Kind::Issued))),
                    coverage: f64::from(covered.count()) / 1_440.0,
                    stands_for: median(days.iter().map(|day| day.stands_for()).collect()),
                    own: days
                        .iter()
                        .all(|day| day.coarse.as_ref().is_none_or(|c| !c.longer_than_day)),
                });
        }
        None
    }
}

impl DayReading {
    /// Reads those minutes of `wanted` that any of these vantages, all of one source, reports.
    fn take(&mut self, vantages: &[Vantage<'_>], wanted: Minutes) {
        // Minutes that are reported at all; in observations longer than a minute; as certificates; and
        // as certificates without a ratio to attempts.
        let [mut reported, mut blurred, mut issued, mut without_ratio] = [Minutes::default(); 4];
        for vantage in vantages {
            let covered = vantage.covered.within(&wanted);
            reported.add(&covered);
            blurred.add(&covered.without(&vantage.exact));
            issued.add(&covered.without(&vantage.attempts));
            if vantage.ratios.is_none() {
                without_ratio.add(&covered);
            }
        }
        self.known.add(&reported);
        self.exact.add(&reported.without(&blurred));
        self.requests.add(&reported.without(&issued));
        self.estimated.add(&issued.without(&without_ratio));
        for minute in reported.iter() {
            let (volume, stands_for) = if let [only] = vantages {
                (only.volume(minute), only.stands_for)
            } else {
                let alive = vantages.iter().filter(|v| v.covered.contains(minute));
                let (volumes, stand_for) = alive.map(|v| (v.volume(minute), v.stands_for)).unzip();
                (median(volumes), median(stand_for))
            };
            self.volume[minute] = volume;
            self.stands_for[minute] = stands_for;
        }
    }
}

impl Vantage<'_> {
    /// The kind that it counts in a minute.
    fn kind(&self, minute: usize) -> Kind {
        if self.attempts.contains(minute) {
            Kind::Attempt
        } else {
            Kind::Issued
        }
    }

    fn volume(&self, minute: usize) -> f64 {
        let kind = self.kind(minute);
        let units = |fine: &&Fine| u64::from(fine.units(kind, minute));
        let counted = events(self.lines.iter().map(units).sum());
        match (kind, self.ratios) {
            (Kind::Issued, Some(ratios)) => counted * ratios[hour_of(minute)],
            _ => counted,
        }
    }
}

/// The minutes of a day in which a track counts attempts: from the first such observation to the last,
/// and up to the edges of the day if the adjacent days count them, too.
pub(super) fn attempts_within(track: &Track, day: &Day, number: i64) -> Option<(usize, usize)> {
    let counted = || {
        day.fine.iter().flatten().filter_map(|fine| {
            fine.counts[place(Kind::Attempt)]
                .as_ref()
                .map(|c| (fine, c))
        })
    };
    counted().next()?;
    let neighbour = |step: i64| track.days.get(&(number + step));
    let reported = |minute: &usize| {
        counted()
            .any(|(fine, counts)| counts[*minute] > 0 || fine.counts[place(Kind::Issued)].is_none())
    };
    let mut minutes = 0..DAY_MINUTES;
    let first = match neighbour(-1) {
        Some(before) if before.reports(Kind::Attempt) => 0,
        _ => minutes.clone().find(reported).unwrap_or(0),
    };
    let last = match neighbour(1) {
        Some(after) if !after.reports(Kind::Attempt) => {
            minutes.rfind(reported).unwrap_or(DAY_MINUTES - 1)
        }
        _ => DAY_MINUTES - 1,
    };
    Some((first, last))
}

/// Whether certificates of unknown hour were registered for this day.
fn has_dateless(day: &Day) -> bool {
    day.coarse
        .as_ref()
        .is_some_and(|coarse| coarse.units[place(Kind::Issued)] > 0)
}

/// The median; of two values, their mean.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        1 => values[0],
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rounding of one in 2^53 does not matter"
)]
pub(super) fn events(units: u64) -> f64 {
    units as f64 / f64::from(UNITS_PER_EVENT)
}
