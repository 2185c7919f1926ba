//! The load in the first half minute of an hour, in which timers that fire on the hour arrive.
//!
//! It is known from observations of up to 30 s; those of whole minutes do not show it.

use std::collections::BTreeMap;

use super::observation::{Kind, Observation, Source};
use crate::math::number::real;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// The first seconds of an hour, which are counted separately.
pub const ONSET_SECONDS: i64 = 30;
/// How many days are kept: two weeks, the profile's half-life.
const KEPT_DAYS: i64 = 14;
/// Below this many events no share is reported: 5 % of 1,000 is known to ±1.4 percentage points.
const LEAST_EVENTS: f64 = 1_000.0;
/// All minutes of an hour, as a bit set.
const WHOLE_HOUR: u64 = (1 << 60) - 1;

/// The load of each hour, and how much of it came in the first half minute.
#[derive(Clone, Debug, Default)]
pub struct Onsets(BTreeMap<Source, BTreeMap<i64, Onset>>);

#[derive(Clone, Copy, Debug, Default)]
struct Onset {
    /// Attempts, and certificates issued, each in the first half minute and in the hour.
    first: [f64; 2],
    all: [f64; 2],
    /// Whether the first half minute was counted separately.
    is_split: bool,
    /// The minutes covered by observations of a minute or less, one bit each: for attempts and for
    /// certificates.
    minutes: [u64; 2],
}

impl Onsets {
    /// Adds an observation. If it is longer than a minute, it does not say when its events came, so
    /// only a count of 0 is used. A count of 0 is not used if it comes with a latency or is of one
    /// endpoint alone.
    pub fn add(&mut self, line: &Observation) {
        let seconds = i64::from(line.seconds.max(1));
        let of_hour = line.at.second_of_day() % HOUR;
        if seconds > MINUTE {
            let is_silence = line.count == 0
                && line.latency_ms.is_none()
                && line.latency_p95_ms.is_none()
                && line.endpoint.is_none();
            if is_silence && of_hour + seconds <= HOUR {
                let minutes = of_hour / MINUTE..(of_hour + seconds + MINUTE - 1) / MINUTE;
                let bits = minutes.fold(0, |bits, minute| bits | 1 << minute);
                self.count(line.source, line.at, line.kind, (false, 0.0), bits);
            }
            return;
        }
        let first = of_hour + seconds <= ONSET_SECONDS;
        let count = real(i64::try_from(line.count).unwrap_or(i64::MAX));
        self.count(
            line.source,
            line.at,
            line.kind,
            (first, count),
            1 << (of_hour / MINUTE),
        );
    }

    /// Adds a registered certificate, or removes it (`change` −1). Its time of issuance is known to the
    /// second.
    pub fn count_registration(&mut self, issued_at: Timestamp, change: f64) {
        let first = issued_at.second_of_day() % HOUR < ONSET_SECONDS;
        let source = Source::Registrations;
        self.count(source, issued_at, Kind::Issued, (first, change), WHOLE_HOUR);
        if let Some(onset) = self
            .0
            .get_mut(&source)
            .and_then(|hours| hours.get_mut(&issued_at.slot(HOUR)))
        {
            onset.is_split = true;
        }
    }

    /// The share of requests that came in the first half minute of an hour, over the complete hours of
    /// the two weeks before `now`, from the best source that shows it. `None` if none does, or too few
    /// came. Requests at random times have a share of 30 / 3,600 = 0.008.
    #[must_use]
    pub fn share(&self, now: Timestamp) -> Option<f64> {
        let hours = (now - KEPT_DAYS * DAY).slot(HOUR)..now.slot(HOUR);
        self.0
            .iter()
            .filter(|(source, _)| !matches!(source, Source::Import | Source::Observer))
            .find_map(|(_, onsets)| {
                let whole = |kind: usize| {
                    let hours = onsets.range(hours.clone()).map(|(_, onset)| onset);
                    let whole = hours
                        .filter(move |onset| onset.is_split && onset.minutes[kind] == WHOLE_HOUR);
                    whole.fold((0.0, 0.0), |(first, all), onset| {
                        (first + onset.first[kind], all + onset.all[kind])
                    })
                };
                // Attempts if any were reported, else certificates issued.
                let (attempts, issued) = (whole(0), whole(1));
                let (first, all) = if attempts.1 > 0.0 { attempts } else { issued };
                (all >= LEAST_EVENTS).then(|| (first / all).clamp(0.0, 1.0))
            })
    }

    fn count(
        &mut self,
        source: Source,
        at: Timestamp,
        kind: Kind,
        (first, count): (bool, f64),
        minutes: u64,
    ) {
        let onsets = self.0.entry(source).or_default();
        let newest = onsets.last_key_value().map_or(i64::MIN, |(hour, _)| *hour);
        let oldest = newest.saturating_sub((KEPT_DAYS + 1) * DAY / HOUR);
        let hour = at.slot(HOUR);
        if hour < oldest {
            return;
        }
        if hour > newest {
            *onsets = onsets.split_off(&oldest);
        }
        let place = match kind {
            Kind::Attempt => 0,
            Kind::Issued => 1,
            Kind::Failed => return,
        };
        let onset = onsets.entry(hour).or_default();
        onset.minutes[place] |= minutes;
        onset.is_split |= first;
        onset.all[place] += count;
        if first {
            onset.first[place] += count;
        }
    }
}

/// Splits an observation of the first minute of an hour into two halves. `at_once` of its events are in
/// the first; both keep all other fields.
#[must_use]
pub fn halves(line: &Observation, at_once: u64) -> [Observation; 2] {
    let half = |at, count| Observation {
        at,
        seconds: 30,
        count,
        ..line.clone()
    };
    let later = line.count.saturating_sub(at_once);
    [half(line.at, at_once), half(line.at + ONSET_SECONDS, later)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

    /// An hour in which so many come in the first half minute, and 60 in each other one.
    fn hour(onsets: &mut Onsets, ago: i64, source: Source, first: u64) {
        let begin = NOW - ago * HOUR;
        let half = |second: i64, count| Observation {
            seconds: 30,
            ..Observation::plain(begin + second, source, Kind::Attempt, count)
        };
        onsets.add(&half(0, first));
        onsets.add(&half(30, 60));
        for minute in 1..60 {
            let at = begin + minute * MINUTE;
            onsets.add(&Observation::plain(at, source, Kind::Attempt, 120));
        }
    }

    #[test]
    fn the_share_of_the_first_seconds_of_an_hour_is_reported() {
        let mut onsets = Onsets::default();
        for ago in 1..=48 {
            hour(&mut onsets, ago, Source::Log, 7_140 + 60);
        }
        // 7,200 of 7,200 + 119 · 60 = 14,340.
        assert!((onsets.share(NOW).unwrap() - 7_200.0 / 14_340.0).abs() < 1e-12);
        // A better source that reports whole minutes does not change that; an observer is never used.
        for minute in 1..=60 * 24 {
            let at = NOW - minute * MINUTE;
            onsets.add(&Observation::plain(at, Source::Ca, Kind::Attempt, 999));
        }
        assert!((onsets.share(NOW).unwrap() - 7_200.0 / 14_340.0).abs() < 1e-12);
        let mut seen = Onsets::default();
        hour(&mut seen, 1, Source::Observer, 9_000);
        assert_eq!(seen.share(NOW), None);
    }

    #[test]
    fn a_count_of_zero_covers_its_own_kind_only() {
        let begin = NOW - HOUR;
        let found = |line: &Observation| {
            let mut onsets = Onsets::default();
            let half = |second: i64, count| Observation {
                seconds: 30,
                ..Observation::plain(begin + second, Source::Log, Kind::Attempt, count)
            };
            onsets.add(&half(0, 4_000));
            onsets.add(&half(30, 100));
            onsets.add(&Observation {
                seconds: 3_540,
                ..Observation::plain(begin + MINUTE, Source::Log, Kind::Attempt, 5_900)
            });
            onsets.add(line);
            onsets.share(NOW)
        };
        let nothing = |kind| Observation {
            seconds: 3_600,
            ..Observation::plain(begin, Source::Log, kind, 0)
        };
        // It is not known when in the 59 minutes the 5,900 came.
        assert_eq!(found(&nothing(Kind::Failed)), None);
        assert_eq!(found(&nothing(Kind::Issued)), None);
        for line in [
            Observation {
                latency_ms: Some(9.0),
                ..nothing(Kind::Attempt)
            },
            Observation {
                endpoint: Some("finalize".to_owned()),
                ..nothing(Kind::Attempt)
            },
        ] {
            assert_eq!(found(&line), None);
        }
    }

    #[test]
    fn what_comes_at_random_has_its_share_of_seconds() {
        let mut onsets = Onsets::default();
        for second in 0..7_200 {
            onsets.count_registration(NOW - 2 * HOUR + second, 1.0);
        }
        assert!((onsets.share(NOW).unwrap() - 30.0 / 3_600.0).abs() < 1e-12);
        for second in 0..7_200 {
            onsets.count_registration(NOW - 2 * HOUR + second, -1.0);
        }
        assert_eq!(onsets.share(NOW), None);
        assert_eq!(onsets.share(NOW + 20 * DAY), None);
    }
}
