//! Fits the shape of a week: load = level around the day × slot of the day × day of the week, and the
//! deviation of each slot of the week from that.

use super::grid::{Grid, GridDay, LEVEL_REACH};
use super::robust::{Estimate, Prior, Sample, count, estimate, usual_spread};
use crate::demand::series::minutes::index;

/// Rounds of fitting levels and factors in turn. They converge within a few; a fixed number keeps the
/// result deterministic.
const ROUNDS: usize = 4;

/// One first of a month alone may be an exception; two show whether they agree.
const LEAST_FIRSTS: usize = 2;

/// The most firsts of a month that are used: a year of them.
const MOST_FIRSTS: usize = 12;

/// The fitted factors. The mean over the known ones is 1.
#[derive(Debug)]
pub(super) struct Fit {
    /// By slot of the day.
    pub(super) slots: Vec<Option<Estimate>>,
    /// By day of the week.
    pub(super) weekdays: [Option<Estimate>; 7],
    /// By slot of the week: only from measurements of that slot.
    pub(super) week: Vec<Option<Estimate>>,
    /// The factor of the first of the month, if known.
    pub(super) first: Option<Estimate>,
    /// For each day of the grid, the events in a slot of coefficient 1; 0 for days that are not fitted.
    pub(super) levels: Vec<f64>,
    /// For each day of the grid, the events in a day of factor 1; 0 for days that are not fitted.
    pub(super) day_levels: Vec<f64>,
}

impl Fit {
    pub(super) fn of(grid: &Grid) -> Self {
        let mut fit = Self {
            slots: vec![None; grid.slots],
            weekdays: [None; 7],
            week: Vec::new(),
            first: None,
            levels: Vec::new(),
            day_levels: Vec::new(),
        };
        for round in 0..ROUNDS {
            // In the first round outliers cannot be recognised, because the usual load of each slot is
            // not known yet.
            let seen = if round == 0 { total } else { typical };
            fit.levels = fit.slot_levels(grid, seen);
            fit.fit_slots(grid);
            fit.day_levels = fit.whole_levels(grid, seen);
            let spread = fit.fit_weekdays(grid, seen);
            fit.fit_first(grid, seen, spread);
        }
        fit.levels = fit.slot_levels(grid, typical);
        fit.fit_week(grid);
        fit
    }

    /// The factor of the slot times that of the day of the week; each is 1 if unknown.
    pub(super) fn product(&self, weekday: usize, slot: usize) -> f64 {
        mean(self.slots[slot]) * mean(self.weekdays[weekday])
    }

    /// The factor of the day's date, apart from its weekday.
    pub(super) fn date(&self, day: &GridDay) -> f64 {
        if day.first_of_month {
            mean(self.first)
        } else {
            1.0
        }
    }

    fn slot_levels(&self, grid: &Grid, seen: Seen) -> Vec<f64> {
        around(grid, |day| {
            let usual = |slot: usize| self.product(day.weekday, slot) * self.date(day);
            Some(seen(&known(day, usual)))
        })
    }

    fn whole_levels(&self, grid: &Grid, seen: Seen) -> Vec<f64> {
        around(grid, |day| {
            let (events, share) = self.day(grid, day, seen)?;
            let factor = mean(self.weekdays[day.weekday]) * self.date(day);
            Some((events, share * factor))
        })
    }

    /// A day's unsteered events, and their usual number as a share of a whole usual day, given its
    /// coverage.
    fn day(&self, grid: &Grid, day: &GridDay, seen: Seen) -> Option<(f64, f64)> {
        if let Some(whole) = day.whole {
            let unsteered = (whole.volume - whole.steered).max(0.0);
            return whole.own.then_some((unsteered, whole.coverage));
        }
        let (events, usual) = seen(&known(day, |slot| mean(self.slots[slot])));
        let share = usual / count(grid.slots);
        // A few hours say more about those hours than about their day.
        (share >= 0.5).then_some((events, share))
    }

    fn fit_slots(&mut self, grid: &Grid) {
        let found: Vec<Option<Estimate>> = (0..grid.slots)
            .map(|slot| {
                let samples: Vec<Sample> = grid
                    .fitted()
                    .filter(|day| day.slots[slot].is_known())
                    .filter_map(|day| {
                        let usual = self.levels[day.place]
                            * mean(self.weekdays[day.weekday])
                            * self.date(day)
                            * day.slots[slot].coverage;
                        let slot = day.slots[slot];
                        sample(slot.unsteered, (usual, slot.seen(usual)), day)
                    })
                    .collect();
                estimate(&samples, Prior::default())
            })
            .collect();
        self.slots = normal(found);
    }

    /// Returns how far days usually scatter.
    fn fit_weekdays(&mut self, grid: &Grid, seen: Seen) -> f64 {
        let mut groups = vec![Vec::new(); 7];
        for day in grid.fitted() {
            if let Some((events, share)) = self.day(grid, day, seen) {
                let usual = self.day_levels[day.place] * share * self.date(day);
                groups[day.weekday].extend(sample(events, (usual, day.seen(usual)), day));
            }
        }
        let found = estimates(&groups, |_| None);
        for (weekday, estimate) in self.weekdays.iter_mut().zip(normal(found)) {
            *weekday = estimate;
        }
        usual_spread(&groups)
    }

    /// All firsts of a month have the same weight: with the usual half-life only the last one would
    /// count.
    fn fit_first(&mut self, grid: &Grid, seen: Seen, spread: f64) {
        let firsts = grid.days.iter().rev().filter(|day| day.first_of_month);
        let samples: Vec<Sample> = firsts
            .filter_map(|day| {
                let (events, share) = self.day(grid, day, seen)?;
                let usual = self.day_levels[day.place] * share * mean(self.weekdays[day.weekday]);
                let sample = sample(events, (usual, day.seen(usual)), day)?;
                Some(Sample {
                    weight: 1.0,
                    ..sample
                })
            })
            .take(MOST_FIRSTS)
            .collect();
        let prior = Prior {
            spread,
            likely: None,
        };
        self.first = if samples.len() >= LEAST_FIRSTS {
            estimate(&samples, prior)
        } else {
            None
        };
    }

    fn fit_week(&mut self, grid: &Grid) {
        let mut groups = vec![Vec::new(); 7 * grid.slots];
        for day in grid.fitted() {
            for (slot, seen) in day.slots.iter().enumerate().filter(|(_, s)| s.is_known()) {
                let usual = self.levels[day.place] * self.date(day) * seen.coverage;
                groups[day.weekday * grid.slots + slot].extend(sample(
                    seen.unsteered,
                    (usual, seen.seen(usual)),
                    day,
                ));
            }
        }
        self.week = estimates(&groups, |i| {
            Some(self.product(i / grid.slots, i % grid.slots))
        });
    }
}

/// Sums the events of several slots, and the events that those slots usually have at coefficient 1.
type Seen = fn(&[(f64, f64)]) -> (f64, f64);

/// All events, and all usual events.
fn total(slots: &[(f64, f64)]) -> (f64, f64) {
    slots.iter().fold((0.0, 0.0), |(events, usual), slot| {
        (events + slot.0, usual + slot.1)
    })
}

/// The same without the effect of outliers: the events there would be if all slots were like most of
/// them.
fn typical(slots: &[(f64, f64)]) -> (f64, f64) {
    let (events, usual) = total(slots);
    let level = level(slots);
    if level > 0.0 {
        (level * usual, usual)
    } else {
        (events, usual)
    }
}

/// The known slots of a day: their events, and their usual number by `usual` for the covered part.
fn known(day: &GridDay, usual: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
    day.slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.is_known())
        .map(|(number, slot)| (slot.unsteered, usual(number) * slot.coverage))
        .collect()
}

/// The mean of an estimate; 1 if unknown.
pub(super) fn mean(estimate: Option<Estimate>) -> f64 {
    estimate.map_or(1.0, |estimate| estimate.mean)
}

fn estimates(
    groups: &[Vec<Sample>],
    likely: impl Fn(usize) -> Option<f64>,
) -> Vec<Option<Estimate>> {
    let spread = usual_spread(groups);
    groups
        .iter()
        .enumerate()
        .map(|(i, samples)| {
            let likely = likely(i);
            estimate(samples, Prior { spread, likely })
        })
        .collect()
}

/// The ratio of events to the usual number. If only a sample was read, fewer events were counted, which
/// makes the ratio less certain.
fn sample(events: f64, (usual, seen): (f64, f64), day: &GridDay) -> Option<Sample> {
    (usual > 0.0).then(|| Sample {
        value: events / usual,
        weight: day.weight,
        expected: seen,
    })
}

/// The level around each fitted day: the ratio of events to usual events over the seven days around it.
/// It is robust: a day with extreme load does not make the others look quiet, and where a spell of such
/// days begins or ends, most of the seven days are on the day's own side.
fn around(grid: &Grid, of: impl Fn(&GridDay) -> Option<(f64, f64)>) -> Vec<f64> {
    let days: Vec<(&GridDay, Option<(f64, f64)>)> =
        grid.fitted().map(|day| (day, of(day))).collect();
    let mut levels = vec![0.0; grid.days.len()];
    for (middle, (day, _)) in days.iter().enumerate() {
        let near = middle.saturating_sub(LEVEL_REACH)..days.len().min(middle + LEVEL_REACH + 1);
        let parts: Vec<(f64, f64)> = days[near]
            .iter()
            .filter(|(other, _)| index((other.number - day.number).abs()) <= LEVEL_REACH)
            .filter_map(|(_, part)| *part)
            .collect();
        levels[day.place] = level(&parts);
    }
    levels
}

/// The ratio of events to usual events: a robust mean.
fn level(parts: &[(f64, f64)]) -> f64 {
    let (events, usual) = total(parts);
    if events <= 0.0 || usual <= 0.0 {
        return 0.0;
    }
    let average = events / usual;
    let samples: Vec<Sample> = parts
        .iter()
        .filter(|(_, usual)| *usual > 0.0)
        .map(|(events, usual)| Sample {
            value: events / usual / average,
            weight: *usual,
            expected: usual * average,
        })
        .collect();
    average * mean(estimate(&samples, Prior::default()))
}

/// Scaled so that the mean of the known values is 1.
fn normal(found: Vec<Option<Estimate>>) -> Vec<Option<Estimate>> {
    let known: Vec<f64> = found.iter().flatten().map(|e| e.mean).collect();
    let average = known.iter().sum::<f64>() / count(known.len().max(1));
    if average <= 0.0 {
        return vec![None; found.len()];
    }
    let scaled = |estimate: Estimate| Estimate {
        mean: estimate.mean / average,
        error: estimate.error / average,
        ..estimate
    };
    found.into_iter().map(|e| e.map(scaled)).collect()
}
