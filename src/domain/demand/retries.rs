//! Failures come back: at the client's next tick, in addition to the usual load
//! (`docs/simulation.md`). Unusual failures are load that no profile knows.
//!
//! Clients that run once a day come back a day later at the same time; those that retry come back
//! within the hour. What fails every day is in the profile already, so only failures beyond what
//! the same hour has had of late are carried.

use super::series::Series;
use super::series::reading::{Reader, median};
use crate::math::number::{length, real, signed};
use crate::time::{HOUR, Span, Timestamp};

/// Hours in a day.
const DAY_HOURS: usize = 24;

/// How far back failures are looked at: two weeks, the profile's half-life, and the day judged.
const DAYS: i64 = 15;

/// What is usual in an hour of the day is the median of at least so many days before.
const LEAST_DAYS: usize = 2;

/// Shares are learned from this many failures beyond the usual, on as many days: below, an hour's
/// own chance says more than what came back.
const LEAST_FAILURES: f64 = 1_000.0;
const LEAST_STORMY_DAYS: usize = 3;

/// Of what this few attempts say nothing is concluded.
const LEAST_ATTEMPTS: f64 = 20.0;

/// A ratio under this is no storm, whatever it grows from.
const CALM: f64 = 0.01;

/// How much of what failed comes back, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Returning {
    /// At the same time of the next day, 0 to 1.
    pub next_day: f64,
    /// Within the next hour, 0 to 1; both together at most 1.
    pub next_hour: f64,
}

/// Whether failures feed on themselves, over the last 24 whole hours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Storm {
    /// Attempts that are taken to be retries, to those that came for the first time.
    pub ratio: f64,
    /// The ratio to that of the 24 hours before, a hundredth added to both: above 1 it grows.
    pub growth: f64,
}

/// What failed and will come again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetryBacklog {
    /// The number of the first hour, since 1970.
    first_hour: i64,
    /// By hour: certificates that come again, beyond the usual.
    again: Vec<f64>,
    /// How much of what failed comes back.
    pub returning: Returning,
    /// By hour of the UTC day: the share of attempts that are taken to be retries, over the last two
    /// weeks; empty where no source tells of failures.
    shares: Vec<Option<f64>>,
    /// `None` where no source tells of failures, or hardly anything was attempted.
    pub storm: Option<Storm>,
}

impl Default for Returning {
    /// Until it is learned: the clients of `docs/simulation.md`, four fifths of which run by the day
    /// and one fifth of which are daemons. All come back.
    fn default() -> Self {
        Self {
            next_day: 0.8,
            next_hour: 0.2,
        }
    }
}

impl RetryBacklog {
    /// What the failures that `series` tells of up to `now` will bring. Those in `excluded`, the
    /// hours of incidents, are left to these: an outage makes the same clients fail again and
    /// again, and its plan has them in the hour after it.
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

    /// The share of attempts in an hour of the UTC day, 0 to 23, that are taken to be retries of what
    /// failed before; `None` where it is not known.
    #[must_use]
    pub fn share_of_hour(&self, hour: usize) -> Option<f64> {
        self.shares.get(hour).copied().flatten()
    }

    /// The certificates that come again in a span, beyond the usual.
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

/// The whole hours before now, oldest first, a whole number of days.
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

    /// Failures beyond the usual, and beyond what chance makes of it, by hour.
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

    /// What usually failed until then: the median of the same hour on the days before; 0 where
    /// there are too few.
    fn usual_before(&self, hour: usize) -> f64 {
        let before = (hour % DAY_HOURS..hour).step_by(DAY_HOURS);
        self.median_of(&self.failed, before)
    }

    /// The median over all days of the same hour.
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

    /// How much comes back: the least squares of attempts beyond the usual over the failures
    /// beyond the usual of a day and of an hour before. In hindsight: days after tell what was usual
    /// as well as days before do.
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
        // Where hours before and days before say nearly the same, nothing tells them apart.
        let told_apart = determinant > 0.05 * dd * hh;
        if failures < LEAST_FAILURES || days.len() < LEAST_STORMY_DAYS || !told_apart {
            return Returning::default();
        }
        let next_day = ((dy * hh - hy * dh) / determinant).clamp(0.0, 1.0);
        let next_hour = ((hy * dd - dy * dh) / determinant).clamp(0.0, 1.0);
        Returning {
            next_day,
            next_hour: next_hour.min(1.0 - next_day),
        }
    }

    /// By hour of the UTC day: attempts that are taken to be retries, of all, over all days but the
    /// first, of which it is not known what failed before. No more of an hour's attempts can be retries
    /// than there were.
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

    /// Over the day that begins at an hour.
    fn retried_to_first(&self, from: usize, returning: Returning) -> Option<f64> {
        let day = from..from + DAY_HOURS;
        let tried: f64 = self.tried[day.clone()].iter().sum();
        // Of the day before it must be known what failed.
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
        // Where all seems to be retries, a hundredth came for the first time: a ratio of 99.
        let retried = retried.min(0.99 * tried);
        Some(retried / (tried - retried))
    }
}
