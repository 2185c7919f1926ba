//! How much load there is: the mean of late, with uncovered hours made up for by the profile.

use super::fit::Fit;
use super::grid::{Grid, GridDay};
use super::{Profile, Volume, WeekSlot, slots_per_hour};
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

/// Events of a day, those that nobody steered, and the sum of the coefficients that were covered.
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
