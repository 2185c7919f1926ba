//! Limits how far one source can move an hour's load away from the reports of the others.

use super::minutes::DAY_MINUTES;
use super::ratio::{HOURS, mean};
use super::reading::{DayReading, Reader, VOLUME_SOURCES, events, median};
use super::track::{Day, place};
use super::trust::WHOLE;
use crate::demand::observation::{Kind, Source};
use crate::math::number::real_len;
use crate::time::HOUR;

/// An hour's load stays within this factor of the median of all sources. Honest counters of the same
/// requests differ by less, even with their own clocks and definitions.
///
/// With this factor, one of several sources moves no published weight by more than half of the mean
/// weight (0.0208 of 24 slots), for however long it lies. If readers bring half of the load (12 mean
/// slots), weights change by 1/12 of the change of a coefficient, so the weight of a mean slot changes
/// by (1.1² − 1) / 12 = 0.0175.
/// slot of the mean load changes by (1.1² − 1) / 12 = 0.0175.
const MOST_APART: f64 = 1.1;

/// The fewest sources that can outvote one of them.
const LEAST_VOICES: usize = 3;

/// The reports of one source about the hours of a day, in the unit of the day's reading.
struct Voice {
    hours: [Option<f64>; HOURS],
    /// Whether the source should see all of the load, in the unit of the reading. Of others only the
    /// shape of the day is used.
    whole: bool,
}

impl Reader<'_> {
    /// Keeps each hour of a day's reading near the median of the trusted sources, if there are at least
    /// three.
    pub(super) fn hold(&self, day: i64, reading: &mut DayReading) {
        let have_day = |source| self.tracks_with_a_say(source, day).count();
        if VOLUME_SOURCES.into_iter().map(have_day).sum::<usize>() < LEAST_VOICES {
            return;
        }
        let hours: Vec<Option<(f64, Kind)>> =
            (0..HOURS).map(|hour| of_hour(reading, hour)).collect();
        for unit in [Kind::Attempt, Kind::Issued] {
            let own: [Option<f64>; HOURS] = std::array::from_fn(|hour| {
                hours[hour]
                    .filter(|(_, kind)| *kind == unit)
                    .map(|(volume, _)| volume)
            });
            if own.iter().all(Option::is_none) {
                continue;
            }
            let voices = self.voices(day, unit);
            if voices.len() < LEAST_VOICES {
                continue;
            }
            for hour in 0..HOURS {
                let Some(volume) = own[hour].filter(|volume| *volume >= 0.0) else {
                    continue;
                };
                let reported: Vec<f64> = voices
                    .iter()
                    .filter_map(|voice| voice.of(hour, &own))
                    .collect();
                if reported.len() >= LEAST_VOICES {
                    let middle = median(reported);
                    let held = volume.clamp(middle / MOST_APART, middle * MOST_APART);
                    rescale(
                        &mut reading.volume[hour * 60..(hour + 1) * 60],
                        volume,
                        held,
                    );
                }
            }
        }
    }

    /// The same for the count of a day as a whole.
    pub(super) fn hold_day(&self, number: i64, volume: f64) -> f64 {
        let reported: Vec<f64> = WHOLE
            .into_iter()
            .flat_map(|source| self.tracks_with_a_say(source, number))
            .filter_map(|track| track.days.get(&number))
            .filter(|day| 2 * day.covered().count() >= 1_440)
            .filter_map(|day| {
                let kind = [Kind::Attempt, Kind::Issued]
                    .into_iter()
                    .find(|kind| day.reports(*kind))?;
                let factor = match (kind, self.ratios(number)) {
                    (Kind::Issued, Some(ratios)) => mean(ratios),
                    _ => 1.0,
                };
                Some(factor * events(day.total(kind)))
            })
            .collect();
        if reported.len() < LEAST_VOICES {
            return volume;
        }
        let middle = median(reported);
        volume.clamp(middle / MOST_APART, middle * MOST_APART)
    }

    fn voices(&self, number: i64, unit: Kind) -> Vec<Voice> {
        let mut voices = Vec::new();
        for source in VOLUME_SOURCES {
            // Registered certificates are a part of those in public logs, so both count as one source.
            if source == Source::Registrations
                && self.tracks_with_a_say(Source::Ct, number).next().is_some()
            {
                continue;
            }
            for track in self.tracks_with_a_say(source, number) {
                let Some(day) = track.days.get(&number) else {
                    continue;
                };
                let hours = self.voice(source, day, number, unit);
                if hours.iter().any(Option::is_some) {
                    voices.push(Voice {
                        hours,
                        whole: WHOLE.contains(&source) && reports(day, unit),
                    });
                }
            }
        }
        voices
    }

    /// The load of each hour that a day reports throughout: in the unit of the reading, or certificates
    /// multiplied by the number that each stands for.
    fn voice(&self, source: Source, day: &Day, number: i64, unit: Kind) -> [Option<f64>; HOURS] {
        let kind = if reports(day, unit) {
            unit
        } else {
            Kind::Issued
        };
        if !reports(day, kind) {
            return [None; HOURS];
        }
        let mut covered = day.covered();
        if let Some(alive) = self
            .registry(number)
            .filter(|_| source == Source::Registrations)
        {
            covered.add(alive);
        }
        std::array::from_fn(|hour| {
            let mut minutes = hour * 60..(hour + 1) * 60;
            let factor = match (kind, self.ratios(number)) {
                (Kind::Issued, Some(ratios)) => ratios[hour],
                _ => 1.0,
            };
            minutes
                .all(|minute| covered.contains(minute))
                .then(|| factor * events(day.units_in_hour(kind, hour)))
        })
    }
}

impl Voice {
    /// The load of an hour as this source reports it. If it sees only a part of the load, or has
    /// another unit, its day is scaled to the level of the reading.
    fn of(&self, hour: usize, own: &[Option<f64>; HOURS]) -> Option<f64> {
        let reported = self.hours[hour]?;
        if self.whole {
            return Some(reported);
        }
        let both = || {
            own.iter()
                .zip(&self.hours)
                .filter_map(|(own, reported)| Some(((*own)?, (*reported)?)))
        };
        let (own, part) = both().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (part > 0.0).then(|| reported * own / part)
    }
}

fn reports(day: &Day, kind: Kind) -> bool {
    day.fit_for(HOUR)
        .any(|fine| fine.counts[place(kind)].is_some())
}

/// An hour's load and its unit, if all of its minutes are known.
fn of_hour(reading: &DayReading, hour: usize) -> Option<(f64, Kind)> {
    let minutes = hour * 60..((hour + 1) * 60).min(DAY_MINUTES);
    let (mut attempts, mut volume) = (0, 0.0);
    for minute in minutes {
        if !reading.known.contains(minute) {
            return None;
        }
        attempts += usize::from(reading.requests.contains(minute));
        volume += reading.volume[minute];
    }
    let kind = if attempts >= 30 {
        Kind::Attempt
    } else {
        Kind::Issued
    };
    Some((volume, kind))
}

/// Scales minutes so that their sum is `held` instead of `volume`; if all are 0, spreads `held` evenly.
fn rescale(minutes: &mut [f64], volume: f64, held: f64) {
    let even = held / real_len(minutes.len().max(1));
    for minute in minutes {
        *minute = if volume > 0.0 {
            *minute * held / volume
        } else {
            even
        };
    }
}
