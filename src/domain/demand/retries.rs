//! Retries: failed requests come again at the client's next tick, in addition to the usual load
//! (`docs/simulation.md`). A profile does not know those of unusual failures.
//!
//! Clients that run once a day come again a day later at the same time; clients that retry come again
//! within the hour. Failures of every day are in the profile already, so only those beyond the recent
//! usual number of the same hour are counted here.

use super::series::Series;
use super::series::reading::{Reader, median};
use crate::math::number::{length, real, signed};
use crate::time::{HOUR, Span, Timestamp};

/// Hours in a day.
const DAY_HOURS: usize = 24;

/// How many days of failures are used: two weeks, the profile's half-life, and the day that is judged.
const DAYS: i64 = 15;

/// The fewest earlier days whose median counts as the usual number of an hour of the day.
const LEAST_DAYS: usize = 2;

/// The fewest failures beyond the usual from which shares are learned, on as many days. With fewer,
/// chance outweighs the retries.
const LEAST_FAILURES: f64 = 1_000.0;
const LEAST_STORMY_DAYS: usize = 3;

/// With fewer attempts than this, no shares are computed.
const LEAST_ATTEMPTS: f64 = 20.0;

/// A ratio of retries below this never counts as a storm.
const CALM: f64 = 0.01;

/// How much of what failed comes again, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Returning {
    /// The share that comes at the same time of the next day, 0 to 1.
    pub next_day: f64,
    /// The share that comes within the next hour, 0 to 1; the two together are at most 1.
    pub next_hour: f64,
}

/// Whether failures cause more failures, over the last 24 complete hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Storm {
    /// The ratio of attempts that are probably retries to first attempts.
    pub ratio: f64,
    /// This ratio relative to that of the 24 hours before, with 0.01 added to both; above 1 it grows.
    pub growth: f64,
}

/// The failed requests that are expected to come again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryBacklog {
    /// The number of the first hour, counted from 1970.
    first_hour: i64,
    /// For each hour, the certificates that are requested again, beyond the usual.
    again: Vec<f64>,
    /// How much of what failed comes again.
    pub returning: Returning,
    /// For each hour of the UTC day, the share of attempts that are probably retries, over the last two
    /// weeks. Empty if no source reports failures.
    shares: Vec<Option<f64>>,
    /// `None` if no source reports failures, or there were hardly any attempts.
    pub storm: Option<Storm>,
}

impl Default for Returning {
    /// The assumption until shares are learned: the clients of `docs/simulation.md`, of which four
    /// fifths run once a day and one fifth are daemons. All of them come again.
    fn default() -> Self {
        Self {
            next_day: 0.8,
            next_hour: 0.2,
        }
    }
}

impl RetryBacklog {
    /// Learns which retries the failures in `series` up to `now` will cause. Those in `excluded`, the
    /// hours of incidents, are left to the incidents: in an outage the same clients fail again and
    /// again, and its plan expects them in the hour after it.
    #[must_use]
    pub fn learn(series: &Series, now: Timestamp, excluded: &[Span]) -> Self {
        let Some(hours) = Hours::read(series, now) else {
            return Self::default();
        };
        let returning = hours.returning();
        let mut excess = hours.beyond(|hour| hours.usual_before(hour));
        let first = now.slot(HOUR) - signed(excess.len());
        for (excess, number) in excess.iter_mut().zip(first..) {
            let hour = Span {
                from: Timestamp::from_unix(number * HOUR),
                to: Timestamp::from_unix((number + 1) * HOUR),
            };
            if excluded.iter().any(|span| span.overlap_seconds(hour) > 0) {
                *excess = 0.0;
            }
        }
        let from = excess.len() - DAY_HOURS;
        let again = (0..DAY_HOURS)
            .map(|hour| {
                let within_the_hour = if hour == 0 {
                    excess[excess.len() - 1]
                } else {
                    0.0
                };
                returning.next_day * excess[from + hour] + returning.next_hour * within_the_hour
            })
            .collect();
        Self {
            first_hour: now.slot(HOUR),
            again,
            returning,
            shares: hours.shares(now, returning),
            storm: hours.storm(returning),
        }
    }

    /// The share of attempts in an hour of the UTC day, 0 to 23, that are probably retries; `None` if
    /// unknown.
    #[must_use]
    pub fn share_of_hour(&self, hour: usize) -> Option<f64> {
        self.shares.get(hour).copied().flatten()
    }

    /// The certificates that are requested again in a span, beyond the usual.
    #[must_use]
    pub fn carried(&self, span: Span) -> f64 {
        if self.again.is_empty() {
            return 0.0;
        }
        let first = span.from.slot(HOUR).max(self.first_hour);
        let end = (span.to - 1).slot(HOUR) + 1;
        (first..end.min(self.first_hour + signed(self.again.len())))
            .map(|number| {
                let hour = Span {
                    from: Timestamp::from_unix(number * HOUR),
                    to: Timestamp::from_unix((number + 1) * HOUR),
                };
                let share = real(hour.overlap_seconds(span)) / real(HOUR);
                share * self.again[length(number - self.first_hour)]
            })
            .sum()
    }
}

/// The complete hours before now, oldest first, a whole number of days.
struct Hours {
    tried: Vec<f64>,
    failed: Vec<f64>,
}

impl Hours {
    /// `None` if no source reports failures.
    fn read(series: &Series, now: Timestamp) -> Option<Self> {
        let reader = Reader::new(series, now, HOUR, &[]);
        let sources = reader.sources_of_failures();
        if sources.is_empty() {
            return None;
        }
        let end = now.slot(HOUR);
        let first = end - DAYS * signed(DAY_HOURS);
        let mut hours = Self {
            tried: Vec::new(),
            failed: Vec::new(),
        };
        let day_hours = signed(DAY_HOURS);
        for day in first.div_euclid(day_hours)..=end.div_euclid(day_hours) {
            for (hour, sums) in (day * day_hours..).zip(reader.sums(day, &sources)) {
                if (first..end).contains(&hour) {
                    hours.tried.push(sums.tried);
                    hours.failed.push(sums.failed.min(sums.tried));
                }
            }
        }
        Some(hours)
    }

    /// For each hour, the failures beyond the usual number and its variation by chance.
    fn beyond(&self, usual: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..self.failed.len())
            .map(|hour| {
                let usual = usual(hour);
                let beyond = self.failed[hour] - usual;
                // Three standard deviations of a Poisson count.
                if beyond > 3.0 * usual.sqrt() {
                    beyond
                } else {
                    0.0
                }
            })
            .collect()
    }

    /// The usual number of failures as known before an hour: the median of the same hour on earlier
    /// days; 0 if these are too few.
    fn usual_before(&self, hour: usize) -> f64 {
        let before = (hour % DAY_HOURS..hour).step_by(DAY_HOURS);
        self.median_of(&self.failed, before)
    }

    /// The median of the same hour over all days.
    fn usual(&self, of: &[f64], hour: usize) -> f64 {
        let all = (hour % DAY_HOURS..of.len()).step_by(DAY_HOURS);
        self.median_of(of, all)
    }

    fn median_of(&self, of: &[f64], hours: impl Iterator<Item = usize>) -> f64 {
        let known: Vec<f64> = hours
            .filter(|hour| self.tried[*hour] > 0.0)
            .map(|hour| of[hour])
            .collect();
        if known.len() < LEAST_DAYS {
            return 0.0;
        }
        median(known)
    }

    /// The shares that come again, by least squares: attempts beyond the usual, explained by the
    /// failures beyond the usual of a day before and of an hour before. The usual numbers are medians
    /// over all days, later ones included.
    fn returning(&self) -> Returning {
        let excess = self.beyond(|hour| self.usual(&self.failed, hour));
        let hours = (DAY_HOURS..excess.len()).filter(|hour| self.tried[hour - DAY_HOURS] > 0.0);
        let (mut failures, mut days) = (0.0, Vec::new());
        let (mut dd, mut dh, mut hh, mut dy, mut hy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for hour in hours {
            let (day_before, hour_before) = (excess[hour - DAY_HOURS], excess[hour - 1]);
            if day_before + hour_before <= 0.0 {
                continue;
            }
            failures += day_before;
            if day_before > 0.0 {
                days.push(hour / DAY_HOURS);
            }
            let more = self.tried[hour] - self.usual(&self.tried, hour);
            dd += day_before * day_before;
            dh += day_before * hour_before;
            hh += hour_before * hour_before;
            dy += day_before * more;
            hy += hour_before * more;
        }
        days.dedup();
        let determinant = dd * hh - dh * dh;
        // If both explain nearly the same, they cannot be separated.
        let are_separable = determinant > 0.05 * dd * hh;
        if failures < LEAST_FAILURES || days.len() < LEAST_STORMY_DAYS || !are_separable {
            return Returning::default();
        }
        let next_day = ((dy * hh - hy * dh) / determinant).clamp(0.0, 1.0);
        let next_hour = ((hy * dd - dy * dh) / determinant).clamp(0.0, 1.0);
        Returning {
            next_day,
            next_hour: next_hour.min(1.0 - next_day),
        }
    }

    /// For each hour of the UTC day, the share of attempts that are probably retries. The first day is
    /// left out, because the failures before it are unknown. An hour cannot have more retries than
    /// attempts.
    fn shares(&self, now: Timestamp, returning: Returning) -> Vec<Option<f64>> {
        let mut sums = [(0.0, 0.0); DAY_HOURS];
        for hour in DAY_HOURS..self.tried.len() {
            let retried = returning.next_day * self.failed[hour - DAY_HOURS]
                + returning.next_hour * self.failed[hour - 1];
            let of_day = (now.slot(HOUR) - signed(self.tried.len() - hour)).rem_euclid(24);
            let sum = &mut sums[length(of_day)];
            sum.0 += retried.min(self.tried[hour]);
            sum.1 += self.tried[hour];
        }
        let enough = |tried: f64| tried >= LEAST_ATTEMPTS;
        let share = |(retried, tried): &(f64, f64)| enough(*tried).then(|| retried / tried);
        sums.iter().map(share).collect()
    }

    fn storm(&self, returning: Returning) -> Option<Storm> {
        let end = self.tried.len();
        let today = self.retried_to_first(end - DAY_HOURS, returning)?;
        let before = self.retried_to_first(end - 2 * DAY_HOURS, returning);
        let growth = before.map_or(1.0, |before| (today + CALM) / (before + CALM));
        Some(Storm {
            ratio: today,
            growth,
        })
    }

    /// The same ratio over the day that begins at an hour.
    fn retried_to_first(&self, from: usize, returning: Returning) -> Option<f64> {
        let day = from..from + DAY_HOURS;
        let tried: f64 = self.tried[day.clone()].iter().sum();
        // The failures of the day before must be known.
        let before: f64 = self.tried[from - DAY_HOURS..from].iter().sum();
        if tried < LEAST_ATTEMPTS || before < LEAST_ATTEMPTS {
            return None;
        }
        let retried: f64 = day
            .map(|hour| {
                returning.next_day * self.failed[hour - DAY_HOURS]
                    + returning.next_hour * self.failed[hour - 1]
            })
            .sum();
        // At most 99 % of the attempts count as retries: a ratio of 99.
        let retried = retried.min(0.99 * tried);
        Some(retried / (tried - retried))
    }
}
