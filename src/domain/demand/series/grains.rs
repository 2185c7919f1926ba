//! What was tried and what failed, in grains of five minutes: for telling whether the CA is well.

use super::minutes::{DAY_MINUTES, day_span, index};
use super::reading::events;
use super::track::{Day, Fine, Track};
use super::{Series, Source};
use crate::demand::observation::Kind;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// Seconds in a grain: the shortest slot, so that every line about a slot covers whole grains.
pub(crate) const GRAIN_SECONDS: i64 = 5 * MINUTE;

/// What was heard of five minutes, or of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Grain {
    /// Whether anybody was alive: a count of nothing is heard as well.
    pub(crate) heard: bool,
    /// Whether somebody was alive whose silence says that nothing came: all but registrations.
    pub(crate) covered: bool,
    /// Attempts; without reports of attempts, certificates issued plus failures.
    pub(crate) tried: f64,
    /// Attempts that failed.
    pub(crate) failed: f64,
    /// Whether attempts are reported, and not only their results.
    pub(crate) tells_attempts: bool,
}

impl Grain {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            heard: self.heard || other.heard,
            covered: self.covered || other.covered,
            tried: self.tried + other.tried,
            failed: self.failed + other.failed,
            tells_attempts: self.tells_attempts || other.tells_attempts,
        }
    }
}

impl Series {
    /// The grain with this number, counted from 1970: of the best source that tells of attempts in it,
    /// outside monitors last. Lines longer than a grain tell nothing of it; a registration tells that
    /// the CA issues, and the silence after it nothing.
    pub(crate) fn grain(&self, number: i64) -> Grain {
        self.over(number, GRAIN_SECONDS)
    }

    /// The same of the hour with this number, of which lines of up to an hour tell.
    pub(crate) fn hour(&self, number: i64) -> Grain {
        self.over(number, HOUR)
    }

    /// Of a slot of so many seconds, a whole fraction of the day.
    fn over(&self, number: i64, seconds: i64) -> Grain {
        let day = number.div_euclid(DAY / seconds);
        let first = index(number.rem_euclid(DAY / seconds) * (seconds / MINUTE));
        let mut grain = Grain::default();
        let mut source: Option<Source> = None;
        // In the order of trust.
        for ((of, _), track) in &self.tracks {
            let Some(day) = track.days.get(&day) else {
                continue;
            };
            let counts = counts(track, day, first, seconds, *of);
            grain.heard |= counts.heard;
            grain.covered |= counts.covered;
            if source.is_none_or(|source| source == *of) && counts.tried > 0.0 {
                source = Some(*of);
                grain.tried += counts.tried;
                grain.failed += counts.failed;
                grain.tells_attempts |= counts.tells_attempts;
            }
        }
        grain
    }
}

/// The sources of load, and the time up to which each has reported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportingSource {
    /// The source.
    pub source: Source,
    /// Which of several of its kind.
    pub vantage: Option<String>,
    /// The end of the last minute that it told of.
    pub through: Timestamp,
    /// Until when it is too new to move the volume where another tells of it; `None`: it is believed.
    pub quarantined_until: Option<Timestamp>,
}

impl Series {
    /// All that ever told of load within what is kept, in the order of trust, and until when: to the minute,
    /// and not after `now`.
    #[must_use]
    pub fn sources(&self, now: Timestamp) -> Vec<ReportingSource> {
        let heard = |track: &Track| {
            track.days.iter().rev().find_map(|(day, reported_day)| {
                let minute = reported_day
                    .covered()
                    .last()
                    .or_else(|| last_issued(reported_day))?;
                let minute = i64::try_from(minute).unwrap_or(0);
                Some(day_span(*day).from + (minute + 1) * MINUTE)
            })
        };
        self.tracks
            .iter()
            .filter_map(|((source, vantage), track)| {
                Some(ReportingSource {
                    source: *source,
                    vantage: vantage.clone(),
                    // A source's clock may run ahead of ours.
                    through: heard(track)?.min(now),
                    // What is registered here is our own.
                    quarantined_until: track
                        .quarantined_until(now)
                        .filter(|_| *source != Source::Registrations),
                })
            })
            .collect()
    }
}

/// Of a day of the registry, which covers no minutes: the last in which a certificate was issued.
fn last_issued(day: &Day) -> Option<usize> {
    let lines: Vec<&Fine> = day.fit_for(HOUR).collect();
    let issued = |minute: &usize| {
        lines
            .iter()
            .any(|fine| fine.units(Kind::Issued, *minute) > 0)
    };
    (0..DAY_MINUTES).rev().find(issued)
}

fn counts(track: &Track, day: &Day, first: usize, seconds: i64, source: Source) -> Grain {
    let knows_attempts = track
        .days
        .values()
        .next_back()
        .is_some_and(|day| day.tells(Kind::Attempt))
        || day.tells(Kind::Attempt);
    let mut grain = Grain {
        tells_attempts: knows_attempts,
        ..Grain::default()
    };
    for fine in day.fit_for(seconds) {
        for minute in first..first + index(seconds / MINUTE) {
            let of = |kind| events(fine.units(kind, minute).into());
            grain.covered |= source != Source::Registrations && fine.covered.contains(minute);
            grain.failed += of(Kind::Failed);
            grain.tried += if knows_attempts {
                of(Kind::Attempt)
            } else {
                of(Kind::Issued) + of(Kind::Failed)
            };
        }
    }
    grain.heard = grain.covered || grain.tried > 0.0;
    grain
}
