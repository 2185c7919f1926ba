//! Ticks that make the peak: minutes of the day at which many more clients come than in the minutes
//! around them, and what it would gain if they came at another time.
//!
//! Load at the same minute, day after day, is a timer that somebody wrote down. Windows move the
//! clients among them that ask; the others can only be moved by their owners.

use serde::Serialize;

use super::promised::Ledger;
use crate::certificate::own_rule_seconds;
use crate::math::number::{length, real, real_len, signed, thousandths};
use crate::math::waterfill;
use crate::time::timeline::{GRAIN_SECONDS, GRAINS_IN_DAY, Timeline};
use crate::time::{DAY, HOUR, Timestamp};

/// So many grains on each side say what is usual around a moment: an hour.
const AROUND: usize = 12;
/// A moment stands out by so many standard deviations of what is usual there (Poisson): of 288 grains
/// one does by chance in a million days.
const BEYOND_CHANCE: f64 = 6.0;
/// And by so large a part of all that comes in a day: less is not worth a letter.
const LEAST_SHARE: f64 = 0.000_5;
/// So many moments are told, the largest: one an hour.
const MOST_MOMENTS: usize = 24;
/// Where less than a whole day is known there is no day to speak of.
const LEAST_DAYS: i64 = 2;

/// What a CA could say to the owners of timers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// Whole days, UTC, that it rests on: those of the last cycle, or as many as are registered.
    pub days: i64,
    /// Certificates a day.
    pub per_day: f64,
    /// The busiest hour of the average day, as a multiple of its mean hour.
    pub peak: f64,
    /// The same if all that the moments tell of came when little else does.
    pub peak_if_all_moved: f64,
    /// The moments, the largest first.
    pub moments: Vec<Moment>,
}

/// Five minutes of the day at which many come.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// When the five minutes begin, UTC: `00:00`.
    pub at: String,
    /// How many more come then in a day than in the minutes around it.
    pub per_day: f64,
    /// The part of them that asks for its window and wakes then: windows can move these if they
    /// have another tick.
    pub asking_per_day: f64,
    /// The busiest hour if those of this moment came when little else does, as [`Advice::peak`].
    pub peak_if_moved: f64,
}

impl Ledger {
    /// The ticks that make the peak, from the registrations until the day of `now`; `None` if these
    /// are less than two days.
    #[must_use]
    pub fn advice(&self, now: Timestamp) -> Option<Advice> {
        let cycle = self.usual_life_seconds().map_or(0, own_rule_seconds);
        let today = now.slot(DAY);
        let known_from = self.begins()?.slot(DAY) + 1;
        let first = known_from.max(today - cycle / DAY);
        let days = today - first;
        if days < LEAST_DAYS {
            return None;
        }
        let a_day = |line: &Timeline| {
            line.by_grain_of_day(first..today)
                .map(|sum| sum / real(days))
        };
        let mut all = [0.0; GRAINS_IN_DAY];
        for life in self.lives.values() {
            add(&mut all, &a_day(&life.issued));
        }
        let mut asking = [0.0; GRAINS_IN_DAY];
        for line in &self.ticking.ticks {
            add(&mut asking, &a_day(line));
        }
        let per_day: f64 = all.iter().sum();
        if per_day <= 0.0 {
            return None;
        }
        let excess = moments(&all, days, per_day);
        let hours = by_hour(&all);
        let moved = |grains: &[(usize, f64)]| peak_after(&hours, grains);
        let told = excess.iter().map(|(grain, more)| Moment {
            at: clock(*grain),
            per_day: thousandths(*more),
            asking_per_day: thousandths(asking[*grain].clamp(0.0, *more)),
            peak_if_moved: thousandths(moved(&[(*grain, *more)])),
        });
        let told: Vec<Moment> = told.collect();
        Some(Advice {
            days,
            per_day: thousandths(per_day),
            peak: thousandths(moved(&[])),
            peak_if_all_moved: thousandths(moved(&excess)),
            moments: told,
        })
    }
}

fn add(sums: &mut [f64; GRAINS_IN_DAY], more: &[f64; GRAINS_IN_DAY]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The grains that stand out, each with what is beyond the usual, the largest first.
fn moments(day: &[f64; GRAINS_IN_DAY], days: i64, per_day: f64) -> Vec<(usize, f64)> {
    let mut found: Vec<(usize, f64)> = (0..GRAINS_IN_DAY)
        .filter_map(|grain| {
            let usual = usual_around(day, grain);
            let more = day[grain] - usual;
            let chance = BEYOND_CHANCE * (usual.max(1.0 / real(days)) / real(days)).sqrt();
            (more > chance && more > LEAST_SHARE * per_day).then_some((grain, more))
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    found.truncate(MOST_MOMENTS);
    found
}

/// The middle of what comes in each of the five minutes around some.
fn usual_around(day: &[f64; GRAINS_IN_DAY], grain: usize) -> f64 {
    let mut around: Vec<f64> = (1..=AROUND)
        .flat_map(|n| [grain + n, grain + GRAINS_IN_DAY - n])
        .map(|other| day[other % GRAINS_IN_DAY])
        .collect();
    around.sort_by(f64::total_cmp);
    f64::midpoint(around[AROUND - 1], around[AROUND])
}

fn by_hour(day: &[f64; GRAINS_IN_DAY]) -> Vec<f64> {
    let in_hour = length(HOUR / GRAIN_SECONDS);
    day.chunks(in_hour).map(|hour| hour.iter().sum()).collect()
}

/// The busiest hour as a multiple of the mean, if the excess of these grains were poured over the
/// day.
fn peak_after(hours: &[f64], grains: &[(usize, f64)]) -> f64 {
    let in_hour = length(HOUR / GRAIN_SECONDS);
    let mean = hours.iter().sum::<f64>() / real_len(hours.len());
    let mut left = hours.to_vec();
    for (grain, more) in grains {
        left[grain / in_hour] -= more;
    }
    let amount = grains.iter().map(|(_, more)| more).sum();
    let limits = vec![f64::INFINITY; left.len()];
    let poured = waterfill::fill(&left, &limits, amount);
    let after = left.iter().zip(poured).map(|(left, more)| left + more);
    after.fold(0.0, f64::max) / mean
}

/// The time of the day at which a grain begins.
fn clock(grain: usize) -> String {
    let minutes = signed(grain) * GRAIN_SECONDS / 60;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::schedule::{Response, Schedule, Tick};
    use crate::ledger::booking::{Cohort, Windows};
    use crate::time::Span;

    const LIFE_SECONDS: i64 = 90 * DAY;

    fn midnight() -> Timestamp {
        "2027-01-15T00:00:00Z".parse().unwrap()
    }

    fn issue(ledger: &mut Ledger, at: Timestamp, certificates: f64) {
        let window = Span {
            from: at + 59 * DAY,
            to: at + 59 * DAY + HOUR,
        };
        ledger.book_cohort(&Cohort {
            windows: Windows::One(window, Response::default()),
            issued_at: at,
            life_seconds: LIFE_SECONDS,
            follows: Some(0.3),
            certificates,
        });
    }

    /// Ten in each five minutes of ten days, and at some minute of each so many more.
    fn ledger(minute: i64, more: f64) -> Ledger {
        let mut ledger = Ledger::default();
        for grain in 0..signed(GRAINS_IN_DAY) * 11 {
            issue(
                &mut ledger,
                midnight() - 11 * DAY + grain * GRAIN_SECONDS,
                10.0,
            );
        }
        for day in 1..=10 {
            issue(&mut ledger, midnight() - day * DAY + minute * 60, more);
        }
        ledger
    }

    #[test]
    fn a_moment_at_which_many_come_is_told_with_what_moving_them_brings() {
        let advice = ledger(7, 500.0).advice(midnight() + HOUR).unwrap();
        assert_eq!(advice.days, 10);
        let [moment] = advice.moments.as_slice() else {
            panic!("{advice:?}");
        };
        assert_eq!(moment.at, "00:05");
        assert!((moment.per_day - 500.0).abs() < 1.0, "{moment:?}");
        // 620 in an hour of 140.8 on the mean; then 140.8 in each.
        assert!((advice.peak - 620.0 / 140.83).abs() < 0.01, "{advice:?}");
        assert!((moment.peak_if_moved - 1.0).abs() < 0.01, "{moment:?}");
        assert!(moment.asking_per_day.abs() < 1e-9);
    }

    #[test]
    fn those_that_ask_and_wake_then_are_told_apart() {
        let mut ledger = ledger(0, 500.0);
        let tick = Tick::at(0);
        for day in 1..=10 {
            let at = midnight() - day * DAY;
            let window = Span {
                from: at - HOUR,
                to: at - HOUR / 2,
            };
            ledger.book_cohort(&Cohort {
                windows: Windows::One(window, Response::of(Schedule::TwiceDaily { tick })),
                issued_at: at - 59 * DAY,
                life_seconds: LIFE_SECONDS,
                follows: Some(1.0),
                certificates: 120.0,
            });
        }
        let advice = ledger.advice(midnight() + HOUR).unwrap();
        let moment = &advice.moments[0];
        assert_eq!(moment.at, "00:00");
        // On ten days of the sixty since the first of them was issued.
        assert!((moment.asking_per_day - 20.0).abs() < 1.0, "{moment:?}");
    }

    #[test]
    fn chance_is_no_moment_and_a_day_is_too_little() {
        // The mean of ten days of ten has a standard deviation of one.
        let advice = ledger(7, 5.0).advice(midnight()).unwrap();
        assert!(advice.moments.is_empty(), "{advice:?}");
        assert!((advice.peak - 1.0).abs() < 0.1);
        assert_eq!(Ledger::default().advice(midnight()), None);
        let mut young = Ledger::default();
        issue(&mut young, midnight() - DAY, 5.0);
        assert_eq!(young.advice(midnight()), None);
    }
}
