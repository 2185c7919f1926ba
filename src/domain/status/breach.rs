//! Whether the failure rate exceeds its threshold, and since when.

use super::standing::{Evidence, JUDGED_GRAINS, start_of};
use crate::demand::series::grains::{GRAIN_SECONDS, Grain};
use crate::time::{DAY, Timestamp};

/// With fewer attempts in a quarter of an hour, a share means nothing.
const FEWEST: f64 = 20.0;
/// A breach ends when the share falls below this fraction of the threshold, so that a share that
/// oscillates around the threshold is one breach and not twenty.
const OVER_BELOW: f64 = 0.5;
/// How far back the start is searched. A longer breach is reported again once a day.
const LOOK_BACK_SECONDS: i64 = DAY;

/// A failure rate above its threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// When it began. Processes with the same counts get the same time.
    pub since: Timestamp,
    /// The share of failed attempts in the last quarter of an hour.
    pub share: f64,
    /// The number of attempts in that time.
    pub attempts: f64,
}

impl Evidence<'_> {
    /// The present breach of this threshold. It began when the share reached the threshold, and
    /// lasts until it falls below half of that, or until there are too few attempts.
    #[must_use]
    pub fn breach(&self, threshold: f64) -> Option<Breach> {
        let last = self.now.slot(GRAIN_SECONDS);
        let first = (self.now - LOOK_BACK_SECONDS).slot(GRAIN_SECONDS);
        let mut begun = None;
        for number in (first..=last).rev() {
            let grain = self.judged(number);
            let share = grain.failed / grain.tried;
            if grain.tried < FEWEST || share < threshold * OVER_BELOW {
                break;
            }
            if share >= threshold {
                begun = Some(number);
            }
        }
        let now = self.judged(last);
        begun.map(|number| Breach {
            since: start_of(number),
            share: (now.failed / now.tried).min(1.0),
            attempts: now.tried,
        })
    }

    /// The attempts in the quarter of an hour that ends with this grain.
    fn judged(&self, number: i64) -> Grain {
        let grains = (number + 1 - JUDGED_GRAINS..=number).map(|number| self.series.grain(number));
        grains.fold(Grain::default(), Grain::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::observation::{Kind, Observation, Source};
    use crate::demand::series::Series;
    use crate::time::{HOUR, MINUTE};

    const START: Timestamp = Timestamp::from_unix(1_753_120_800);

    /// This many attempts a minute for three hours, of which `failed` fail.
    fn series(attempts: u64, failed: impl Fn(i64) -> u64) -> Series {
        let mut series = Series::default();
        for minute in 0..180 {
            let at = START + minute * MINUTE;
            for (kind, count) in [(Kind::Attempt, attempts), (Kind::Failed, failed(minute))] {
                series.add(&Observation::plain(at, Source::Log, kind, count));
            }
        }
        series
    }

    fn breach(series: &Series, minute: i64) -> Option<Breach> {
        let evidence = Evidence {
            series,
            incidents: &[],
            now: START + minute * MINUTE,
        };
        evidence.breach(0.5)
    }

    #[test]
    fn a_breach_has_one_begin_however_often_and_late_it_is_looked_at() {
        // Above the threshold from minute 30, around it from 60, and below half of it from 90.
        let series = series(10, |minute| match minute {
            30..60 => 9,
            60..90 => 4,
            _ => 1,
        });
        assert_eq!(breach(&series, 29), None);
        let first = (30..60).find_map(|minute| breach(&series, minute)).unwrap();
        assert!(first.since >= START + 30 * MINUTE && first.since <= START + 45 * MINUTE);
        for minute in [45, 59, 75, 90] {
            let seen = breach(&series, minute).unwrap();
            assert_eq!(seen.since, first.since, "{minute}");
        }
        let seen = breach(&series, 59).unwrap();
        assert!(seen.share > 0.8 && seen.attempts > 100.0, "{seen:?}");
        assert_eq!(breach(&series, 120), None);
    }

    #[test]
    fn a_few_attempts_are_no_breach() {
        assert_eq!(breach(&series(1, |_| 1), 60), None);
        assert!(breach(&series(2, |_| 2), 60).is_some());
        assert_eq!(breach(&Series::default(), HOUR / MINUTE), None);
    }
}
