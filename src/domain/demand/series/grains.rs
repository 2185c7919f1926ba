//! Attempts and failures in grains of five minutes, to judge whether the CA works.

use super::minutes::{DAY_MINUTES, day_span, index};
use super::reading::events;
use super::track::{Day, Fine, Track};
use super::{Series, Source};
use crate::demand::observation::Kind;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// The length of a grain in seconds: the shortest slot, so that every slot is made of whole grains.
pub(crate) const GRAIN_SECONDS: i64 = 5 * MINUTE;

/// What was reported about five minutes, or about an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Grain {
    /// Whether any source was alive; a count of 0 is a report, too.
    pub(crate) is_reported: bool,
    /// Whether a source was alive whose silence means that nothing happened: any but the registrations.
    pub(crate) covered: bool,
    /// Attempts; if these are not reported, certificates issued plus failures.
    pub(crate) tried: f64,
    /// Attempts that failed.
    pub(crate) failed: f64,
    /// Whether attempts are reported, and not only their results.
    pub(crate) reports_attempts: bool,
}

impl Grain {
    /// The sum of two.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            is_reported: self.is_reported || other.is_reported,
            covered: self.covered || other.covered,
            tried: self.tried + other.tried,
            failed: self.failed + other.failed,
            reports_attempts: self.reports_attempts || other.reports_attempts,
        }
    }
}

impl Series {
    /// The grain with this number, counted from 1970, from the best source that reports attempts in it;
    /// outside monitors come last. Observations longer than a grain are not used. A registration shows
    /// that the CA issues; the absence of registrations shows nothing.
    pub(crate) fn grain(&self, number: i64) -> Grain {
        self.over(number, GRAIN_SECONDS)
    }

    /// The same for the hour with this number, from observations of up to an hour.
    pub(crate) fn hour(&self, number: i64) -> Grain {
        self.over(number, HOUR)
    }

    /// The same for a slot of so many seconds, a whole fraction of the day.
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
            grain.is_reported |= counts.is_reported;
            grain.covered |= counts.covered;
            if source.is_none_or(|source| source == *of) && counts.tried > 0.0 {
                source = Some(*of);
                grain.tried += counts.tried;
                grain.failed += counts.failed;
                grain.reports_attempts |= counts.reports_attempts;
            }
        }
        grain
    }
}

/// A source of load, and the time up to which it has reported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReportingSource {
    /// The source.
    pub source: Source,
    /// Which of several sources of this kind.
    pub vantage: Option<String>,
    /// The end of the last minute that it reported.
    pub through: Timestamp,
    /// Until when it does not affect the volume if another source reports it, because it is new; `None`
    /// if it is trusted.
    pub quarantined_until: Option<Timestamp>,
}

impl Series {
    /// All sources that reported load within the kept days, in the order of trust, each with the end of
    /// its last minute, at most `now`.
    #[must_use]
    pub fn sources(&self, now: Timestamp) -> Vec<ReportingSource> {
        let reported_until = |track: &Track| {
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
                    // A source's clock may be ahead of ours.
                    through: reported_until(track)?.min(now),
                    // Our own registrations need no quarantine.
                    quarantined_until: track
                        .quarantined_until(now)
                        .filter(|_| *source != Source::Registrations),
                })
            })
            .collect()
    }
}

/// The last minute of a day in which a registered certificate was issued; registrations cover no
/// minutes.
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
        .is_some_and(|day| day.reports(Kind::Attempt))
        || day.reports(Kind::Attempt);
    let mut grain = Grain {
        reports_attempts: knows_attempts,
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
    grain.is_reported = grain.covered || grain.tried > 0.0;
    grain
}
