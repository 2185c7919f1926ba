//! Ticks that make the peak: minutes of the day at which many more clients come than in the minutes
//! around them, and what would be gained if they came at another time.
//!
//! Load that occurs at the same minute every day comes from timers that someone configured. Windows
//! can move those of the clients that use ARI; only their owners can move the others.

use serde::Serialize;

use super::promised::Ledger;
use crate::certificate::own_rule_seconds;
use crate::math::number::{length, real, real_len, signed, thousandths};
use crate::math::waterfill;
use crate::time::timeline::{GRAIN_SECONDS, GRAINS_IN_DAY, Timeline};
use crate::time::{DAY, HOUR, Timestamp, clock};

/// The usual load around a moment is taken from this many grains on each side: an hour.
const AROUND: usize = 12;
/// A moment stands out if it exceeds the usual load by this many standard deviations (Poisson). One
/// of 288 grains does so by chance once in a million days.
const BEYOND_CHANCE: f64 = 6.0;
/// It must also exceed this share of a day's load; less is not worth a message.
const LEAST_SHARE: f64 = 0.000_5;
/// The largest number of moments reported, largest first: one an hour.
const MOST_MOMENTS: usize = 24;
/// At least this many days of data are needed to have one whole day.
const LEAST_DAYS: i64 = 2;

/// What a CA could tell the owners of timers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// The number of whole days (UTC) evaluated: those of the last cycle, or fewer if registration
    /// began later.
    pub days: i64,
    /// Certificates a day.
    pub per_day: f64,
    /// The busiest hour of the average day, relative to its mean hour.
    pub peak: f64,
    /// The same if all load of these moments came in quiet hours instead.
    pub peak_if_all_moved: f64,
    /// The moments, the largest first.
    pub moments: Vec<Moment>,
}

/// Five minutes of the day with many arrivals.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// The start of the five minutes, UTC, such as `00:00`.
    pub at: String,
    /// Arrivals a day beyond the usual number in the minutes around.
    pub per_day: f64,
    /// How many of these use ARI and have this tick. Windows can move them if they have another
    /// tick.
    pub asking_per_day: f64,
    /// The busiest hour if only this moment's load were moved to quiet hours, as [`Advice::peak`].
    pub peak_if_moved: f64,
}

impl Ledger {
    /// The ticks that make the peak, from the registrations up to the day of `now`; `None` if there
    /// are less than two days of them.
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
        let largest = excess.iter().map(|(grain, more)| Moment {
            at: clock(signed(*grain) * GRAIN_SECONDS),
            per_day: thousandths(*more),
            asking_per_day: thousandths(asking[*grain].clamp(0.0, *more)),
            peak_if_moved: thousandths(moved(&[(*grain, *more)])),
        });
        let largest: Vec<Moment> = largest.collect();
        Some(Advice {
            days,
            per_day: thousandths(per_day),
            peak: thousandths(moved(&[])),
            peak_if_all_moved: thousandths(moved(&excess)),
            moments: largest,
        })
    }
}

fn add(sums: &mut [f64; GRAINS_IN_DAY], more: &[f64; GRAINS_IN_DAY]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The grains that stand out, with their excess over the usual load, largest first.
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

/// The median of the grains around this one.
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

/// The busiest hour relative to the mean, if the excess of these grains were poured into the quiet
/// hours of the day.
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

    /// Ten arrivals in each five minutes of ten days, and `more` in addition at one minute of each
    /// day.
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
    fn a_busy_tick_is_reported_with_the_effect_of_moving_it() {
        let advice = ledger(7, 500.0).advice(midnight() + HOUR).unwrap();
        assert_eq!(advice.days, 10);
        let [moment] = advice.moments.as_slice() else {
            panic!("{advice:?}");
        };
        assert_eq!(moment.at, "00:05");
        assert!((moment.per_day - 500.0).abs() < 1.0, "{moment:?}");
        // 620 in one hour with a mean of 140.8; then 140.8 in each.
        assert!((advice.peak - 620.0 / 140.83).abs() < 0.01, "{advice:?}");
        assert!((moment.peak_if_moved - 1.0).abs() < 0.01, "{moment:?}");
        assert!(moment.asking_per_day.abs() < 1e-9);
    }

    #[test]
    fn polling_clients_of_a_tick_are_counted_separately() {
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
        // On ten of the sixty days since the first of them was issued.
        assert!((moment.asking_per_day - 20.0).abs() < 1.0, "{moment:?}");
    }

    #[test]
    fn chance_is_no_moment_and_a_day_is_too_little() {
        // The mean of ten days with ten arrivals each has a standard deviation of one.
        let advice = ledger(7, 5.0).advice(midnight()).unwrap();
        assert!(advice.moments.is_empty(), "{advice:?}");
        assert!((advice.peak - 1.0).abs() < 0.1);
        assert_eq!(Ledger::default().advice(midnight()), None);
        let mut young = Ledger::default();
        issue(&mut young, midnight() - DAY, 5.0);
        assert_eq!(young.advice(midnight()), None);
    }
}
