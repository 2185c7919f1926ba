//! Amounts over absolute time, in grains of five minutes, the largest unit that divides every slot
//! length.

use std::ops::Range;

use super::instant::{DAY, MINUTE, Span, Timestamp};
use crate::math::number::{length, real, signed};

/// Seconds in a grain.
pub const GRAIN_SECONDS: i64 = 5 * MINUTE;

/// Grains in a day.
pub const GRAINS_IN_DAY: usize = 288;

/// An amount over time. Stored sparsely by day, so that the window of a certificate that is valid
/// for a century costs two days and not a century.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// By day number, ascending. Sums are requested far more often than a day is inserted.
    days: Vec<(i64, Day)>,
}

/// One UTC day.
#[derive(Clone, Debug)]
struct Day {
    /// The sum of the grains, cached because a table sums weeks and months many times over.
    total: f64,
    grains: Box<[f64; GRAINS_IN_DAY]>,
}

impl Day {
    fn empty() -> Self {
        Self {
            total: 0.0,
            grains: Box::new([0.0; GRAINS_IN_DAY]),
        }
    }
}

impl Timeline {
    /// Adds `amount` at one instant; a negative amount subtracts.
    pub fn add(&mut self, at: Timestamp, amount: f64) {
        let day = self.day(at.slot(DAY));
        day.total += amount;
        day.grains[length(at.second_of_day() / GRAIN_SECONDS)] += amount;
    }

    /// Adds shares of `amount` to consecutive grains, beginning with that of `from`.
    pub fn add_grains(&mut self, from: Timestamp, shares: &[f64], amount: f64) {
        let mut day = from.slot(DAY);
        let mut first = length(from.second_of_day() / GRAIN_SECONDS);
        let mut rest = shares;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(GRAINS_IN_DAY - first));
            let line = self.day(day);
            for (grain, share) in line.grains[first..].iter_mut().zip(now) {
                *grain += amount * share;
            }
            line.total += amount * now.iter().sum::<f64>();
            (day, first, rest) = (day + 1, 0, later);
        }
    }

    /// Adds `amount` evenly over a span, in proportion to each grain's overlap.
    pub fn spread(&mut self, span: Span, amount: f64) {
        let seconds = span.seconds();
        if seconds == 0 {
            return self.add(span.from, amount);
        }
        let mut from = span.from;
        while from < span.to {
            let grain_end = Timestamp::from_unix((from.slot(GRAIN_SECONDS) + 1) * GRAIN_SECONDS);
            let to = grain_end.min(span.to);
            self.add(from, amount * real(to - from) / real(seconds));
            from = to;
        }
    }

    /// The sum over a span. A grain that lies partly inside counts in proportion.
    #[must_use]
    pub fn sum(&self, span: Span) -> f64 {
        if span.seconds() == 0 {
            return 0.0;
        }
        let first_day = span.from.slot(DAY);
        let last_day = (span.to - 1).slot(DAY);
        self.days[self.place(first_day)..]
            .iter()
            .take_while(|(number, _)| *number <= last_day)
            .map(|(number, day)| {
                let start = Timestamp::from_unix(number * DAY);
                let cut = Span {
                    from: span.from.max(start),
                    to: span.to.min(start + DAY),
                };
                if cut.seconds() == DAY {
                    day.total
                } else {
                    sum_of_day(&day.grains, cut.from - start, cut.to - start)
                }
            })
            .sum()
    }

    /// The sums over whole days, by grain of the day.
    #[must_use]
    pub fn by_grain_of_day(&self, days: Range<i64>) -> [f64; GRAINS_IN_DAY] {
        let mut sums = [0.0; GRAINS_IN_DAY];
        if days.is_empty() {
            return sums;
        }
        for (_, day) in &self.days[self.place(days.start)..self.place(days.end)] {
            for (sum, amount) in sums.iter_mut().zip(day.grains.iter()) {
                *sum += amount;
            }
        }
        sums
    }

    /// The start of the first grain with an amount.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        self.days.iter().find_map(|(number, day)| {
            let first = day.grains.iter().position(|amount| *amount > 0.0)?;
            Some(Timestamp::from_unix(
                number * DAY + signed(first) * GRAIN_SECONDS,
            ))
        })
    }

    /// Drops the days that end before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        self.days.drain(..self.place(before.slot(DAY)));
    }

    fn day(&mut self, number: i64) -> &mut Day {
        let place = self.place(number);
        if self
            .days
            .get(place)
            .is_none_or(|(other, _)| *other != number)
        {
            self.days.insert(place, (number, Day::empty()));
        }
        &mut self.days[place].1
    }

    /// The index of the first day with this or a higher number.
    fn place(&self, number: i64) -> usize {
        let Some((first, _)) = self.days.first() else {
            return 0;
        };
        // The right place if no day before it is missing.
        let guess = usize::try_from(number.saturating_sub(*first)).unwrap_or(0);
        match self.days.get(guess) {
            Some((found, _)) if *found == number => guess,
            _ => self.days.partition_point(|(other, _)| *other < number),
        }
    }
}

/// The sum over seconds `from` to `to` of a day.
fn sum_of_day(grains: &[f64; GRAINS_IN_DAY], from: i64, to: i64) -> f64 {
    let (first, last) = (from / GRAIN_SECONDS, (to - 1) / GRAIN_SECONDS);
    let whole: f64 = grains[length(first)..=length(last)].iter().sum();
    let before = real(from % GRAIN_SECONDS) / real(GRAIN_SECONDS) * grains[length(first)];
    let end = (last + 1) * GRAIN_SECONDS;
    let after = real(end - to) / real(GRAIN_SECONDS) * grains[length(last)];
    whole - before - after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::instant::HOUR;

    #[test]
    fn a_spread_sums_to_its_parts() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut line = Timeline::default();
        line.spread(
            Span {
                from: at("2026-11-20T23:57:30Z"),
                to: at("2026-11-21T00:12:30Z"),
            },
            6.0,
        );
        let sum = |from: &str, to: &str| {
            line.sum(Span {
                from: at(from),
                to: at(to),
            })
        };
        assert!((sum("2026-11-20T23:00:00Z", "2026-11-21T00:00:00Z") - 1.0).abs() < 1e-9);
        assert!((sum("2026-11-21T00:00:00Z", "2026-11-21T01:00:00Z") - 5.0).abs() < 1e-9);
        assert!((sum("2026-11-21T00:00:00Z", "2026-11-21T00:02:30Z") - 1.0).abs() < 1e-9);
        assert!((sum("2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z") - 6.0).abs() < 1e-9);
        // The same grain by grain, over midnight.
        let mut grains = Timeline::default();
        grains.add_grains(at("2026-11-20T23:55:00Z"), &[1.0, 2.0, 2.0, 1.0], 1.0);
        for hour in [at("2026-11-20T23:00:00Z"), at("2026-11-21T00:00:00Z")] {
            let span = Span {
                from: hour,
                to: hour + HOUR,
            };
            assert!((grains.sum(span) - line.sum(span)).abs() < 1e-9);
        }
    }
}
