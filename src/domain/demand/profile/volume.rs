//! The recent mean volume, with uncovered hours filled in from the profile.

use super::fit::Fit;
use super::grid::{Grid, GridDay};
use super::robust::count;
use super::shape::{Profile, Volume, WeekSlot, slots_per_hour};
use crate::demand::series::reading::median;
use crate::time::{DAY, Timestamp};

pub(super) fn volume(grid: &Grid, fit: &Fit, week: &[WeekSlot], now: Timestamp) -> Option<Volume> {
    let since = now.slot(DAY) - Profile::VOLUME_DAYS;
    let (mut total, mut unsteered, mut usual) = (0.0, 0.0, 0.0);
    for day in grid.days.iter().filter(|day| day.number >= since) {
        let seen = day_volume(grid, week, day);
        total += seen.0;
        unsteered += seen.1;
        usual += seen.2 * fit.date(day);
    }
    let per_hour = |sum: f64| sum / usual * slots_per_hour(grid.slots);
    (usual > 0.0).then(|| Volume {
        per_hour: per_hour(total),
        unsteered_per_hour: per_hour(unsteered),
    })
}

/// How many days the recent level is computed from.
const LEVEL_DAYS: i64 = 14;
/// A day this many days ago weighs half. A forecast of a week's hours looks 3.5 days ahead on average,
/// and the level is 1.5 / ln 2 + 0.5 = 2.7 days old. That is less than the 7 days of the same hour last
/// week, so growing load is forecast better than by it. Of half-lives of 1 to 7 days, those of 1 to 2
/// gave the best forecasts of Let's Encrypt's issuance of 2015 to 2018.
const LEVEL_HALF_LIFE_DAYS: f64 = 1.5;
/// A day counts with at most twice the median and at least half of it, so that one extreme day does not
/// set the level.
const LEVEL_BOUND: f64 = 2.0;

/// The level of the last days relative to the volume: the ratio of each day's load to its usual load,
/// smoothed exponentially (simple exponential smoothing of the deseasonalised series; P. R. Winters,
/// Forecasting sales by exponentially weighted moving averages, *Management Science* 6 (1960) 324–342;
/// the seasonal factors are those of the profile). 1 if nothing is known.
pub(super) fn level(
    grid: &Grid,
    fit: &Fit,
    week: &[WeekSlot],
    now: Timestamp,
    volume: Option<Volume>,
) -> f64 {
    let per_slot = volume.map_or(0.0, |volume| volume.per_hour / slots_per_hour(grid.slots));
    let today = now.slot(DAY);
    let days = grid
        .days
        .iter()
        .filter(|day| day.number >= today - LEVEL_DAYS);
    // For each day: its load relative to the usual, which share of a usual day was covered, and its
    // age.
    let seen: Vec<(f64, f64, f64)> = days
        .filter_map(|day| {
            let (total, _, usual) = day_volume(grid, week, day);
            let usual = usual * fit.date(day);
            let age = count(usize::try_from(today - day.number).unwrap_or(0));
            (usual > 0.0).then(|| (total / usual, usual / count(grid.slots), age))
        })
        .collect();
    let middle = median(seen.iter().map(|(ratio, ..)| *ratio).collect());
    if per_slot <= 0.0 || middle <= 0.0 {
        return 1.0;
    }
    let (sum, weights) = seen
        .iter()
        .fold((0.0, 0.0), |(sum, weights), (ratio, share, age)| {
            let weight = share * (-age / LEVEL_HALF_LIFE_DAYS).exp2();
            let ratio = ratio.clamp(middle / LEVEL_BOUND, middle * LEVEL_BOUND);
            (sum + weight * ratio, weights + weight)
        });
    if weights > 0.0 {
        sum / weights / per_slot
    } else {
        1.0
    }
}

/// The events of a day, the unsteered ones among them, and the sum of the covered coefficients.
fn day_volume(grid: &Grid, week: &[WeekSlot], day: &GridDay) -> (f64, f64, f64) {
    let of_day = &week[day.weekday * grid.slots..(day.weekday + 1) * grid.slots];
    if let Some(whole) = day.whole {
        let usual: f64 = of_day.iter().map(|slot| slot.coefficient).sum();
        let unsteered = (whole.volume - whole.steered).max(0.0);
        return (whole.volume, unsteered, usual * whole.coverage);
    }
    let known = || day.slots.iter().zip(of_day).filter(|(s, _)| s.is_known());
    (
        known().map(|(slot, _)| slot.total).sum(),
        known().map(|(slot, _)| slot.unsteered).sum(),
        known().map(|(s, of)| s.coverage * of.coefficient).sum(),
    )
}
