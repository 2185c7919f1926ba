//! Computes coefficients from the fit. The deviation of a slot of the week counts as far as it is
//! significant, and as far as enough weeks show it.

use super::fit::{Fit, mean};
use super::grid::{Grid, GridDay};
use super::rates;
use super::robust::{Estimate, count};
use super::shape::{DaySlot, Evidence, Factor, WeekSlot};
use crate::demand::series::minutes::day_span;
use crate::time::{Span, Timestamp};

/// The fewest covered days for a slot of the day.
const LEAST_DAYS: usize = 5;
/// The fewest covered days for a slot or a day of the week.
const LEAST_WEEKS: usize = 2;
/// The fewest events for any of them; with fewer, chance alone makes ±22 %. Counted are the actual
/// events or those of a mean load, whichever are more: an hour that was covered and had no events is
/// known to be quiet.
const LEAST_EVENTS: f64 = 20.0;

/// The slots of the week, and which slots of the day are known.
#[derive(Debug)]
pub(super) struct Weighed {
    pub(super) slots: Vec<WeekSlot>,
    pub(super) known: Vec<bool>,
    /// Which slots of the day are within a longer one that is known.
    pub(super) inside: Vec<bool>,
}

/// The days and events from which a slot is known.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    days: usize,
    events: f64,
}

impl Seen {
    fn is_enough(self, least_days: usize) -> bool {
        self.days >= least_days && self.events >= LEAST_EVENTS
    }
}

pub(super) fn weigh(grid: &Grid, fit: &Fit) -> Weighed {
    let known: Vec<bool> = (0..grid.slots)
        .map(|slot| seen(grid, fit, |_| true, slot).is_enough(LEAST_DAYS))
        .collect();
    let weekdays = weekdays(grid, fit);
    let mut slots = Vec::with_capacity(7 * grid.slots);
    for (weekday, factor) in weekdays.iter().enumerate() {
        for (slot, is_known) in known.iter().enumerate() {
            let seen = seen(grid, fit, |of| of == weekday, slot);
            let of_day = fit.slots[slot].filter(|_| *is_known);
            let product = mean(of_day) * factor.unwrap_or(1.0);
            let measured =
                fit.week[weekday * grid.slots + slot].filter(|_| seen.is_enough(LEAST_WEEKS));
            slots.push(measured.map_or_else(
                || WeekSlot {
                    coefficient: product,
                    evidence: Evidence::Insufficient,
                    low: 0.0,
                    high: f64::INFINITY,
                    samples: small(seen.days),
                },
                |own| believed(own, product, small(seen.days)),
            ));
        }
    }
    let mut weighed = Weighed {
        slots,
        inside: vec![false; known.len()],
        known,
    };
    weighed.normalise(grid.slots);
    weighed
}

impl Weighed {
    /// Scales known slots to the mean 1, which unknown ones have.
    fn normalise(&mut self, slots: usize) {
        let is_known = |i: usize| self.known[i % slots];
        let (sum, n) = self
            .slots
            .iter()
            .enumerate()
            .filter(|(i, _)| is_known(*i))
            .fold((0.0, 0_usize), |(sum, n), (_, slot)| {
                (sum + slot.coefficient, n + 1)
            });
        if sum <= 0.0 {
            return;
        }
        let scale = count(n) / sum;
        for (_, slot) in self
            .slots
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| self.known[i % slots])
        {
            slot.coefficient *= scale;
            slot.low *= scale;
            slot.high *= scale;
        }
    }
}

/// The slots of the day: the means over their seven days.
pub(super) fn days(grid: &Grid, fit: &Fit, weighed: &Weighed, now: Timestamp) -> Vec<DaySlot> {
    let coverage = coverage(grid, now);
    let rates = rates::rates(grid);
    (0..grid.slots)
        .zip(rates)
        .map(|(slot, rates)| {
            let known = weighed.known[slot];
            let seven = (0..7).map(|day| weighed.slots[day * grid.slots + slot].coefficient);
            let coefficient = if known || weighed.inside[slot] {
                seven.sum::<f64>() / 7.0
            } else {
                1.0
            };
            let half = fit.slots[slot].map_or(f64::INFINITY, half_width);
            DaySlot {
                coefficient,
                evidence: if known {
                    Evidence::Sufficient
                } else {
                    Evidence::Insufficient
                },
                low: (coefficient - half).max(0.0),
                high: coefficient + half,
                samples: small(seen(grid, fit, |_| true, slot).days),
                coverage: coverage[slot],
                failures: rates.failures,
                latency_ms: rates.latency_ms,
                latency_p95_ms: rates.latency_p95_ms,
                retry_share: None,
            }
        })
        .collect()
}

/// The known days of the week.
pub(super) fn weekdays(grid: &Grid, fit: &Fit) -> [Option<f64>; 7] {
    std::array::from_fn(|weekday| {
        let (mut days, mut events, mut usual) = (0, 0.0, 0.0);
        for day in grid.days.iter().filter(|day| day.weekday == weekday) {
            let covered: f64 = day.slots.iter().map(|slot| slot.coverage).sum();
            if day.whole.is_some() || covered >= 0.5 * count(grid.slots) {
                days += 1;
                events += day.seen(day_events(day));
                usual += day.seen(fit.day_levels[day.place]);
            }
        }
        let events = usual.max(events);
        fit.weekdays[weekday]
            .filter(|_| Seen { days, events }.is_enough(LEAST_WEEKS))
            .map(|estimate| estimate.mean)
    })
}

pub(super) fn first_of_month(grid: &Grid, fit: &Fit) -> Option<Factor> {
    let estimate = fit.first?;
    let firsts = grid.days.iter().filter(|day| day.first_of_month);
    let events: f64 = firsts.map(|day| day.seen(day_events(day))).sum();
    (events >= LEAST_EVENTS).then(|| Factor {
        value: estimate.mean,
        low: (estimate.mean - half_width(estimate)).max(0.0),
        high: estimate.mean + half_width(estimate),
        samples: rounded(estimate.samples),
    })
}

fn day_events(day: &GridDay) -> f64 {
    day.whole.map_or_else(
        || day.slots.iter().map(|slot| slot.total).sum(),
        |whole| whole.volume,
    )
}

/// A slot's own measurement, pulled towards the product. A difference that is no larger than its error
/// is chance (the non-negative garrotte: the pull is error² / difference²), and each effective week
/// halves the remaining doubt, so one extreme week alone has little effect.
fn believed(own: Estimate, product: f64, samples: u32) -> WeekSlot {
    let difference = own.mean - product;
    let stands_out = if difference == 0.0 {
        0.0
    } else {
        (1.0 - (own.error / difference).powi(2)).max(0.0)
    };
    let weeks = 1.0 - (-own.samples).exp2();
    let coefficient = difference.mul_add(stands_out * weeks, product);
    let half = half_width(own);
    WeekSlot {
        coefficient,
        evidence: Evidence::Sufficient,
        low: (coefficient - half).max(0.0),
        high: coefficient + half,
        samples,
    }
}

/// Half of a 95 % interval. Student's t by two terms of its expansion in 1/ν: 1.96 + 2.372/ν +
/// 2.823/ν², within 2 % from ν = 4 on.
fn half_width(estimate: Estimate) -> f64 {
    let nu = (estimate.samples - 1.0).max(1.0);
    estimate.error * (1.96 + 2.372 / nu + 2.823 / (nu * nu))
}

fn seen(grid: &Grid, fit: &Fit, weekday: impl Fn(usize) -> bool, slot: usize) -> Seen {
    let (mut days, mut events, mut usual) = (0, 0.0, 0.0);
    for day in grid.days.iter().filter(|day| weekday(day.weekday)) {
        let slot = day.slots[slot];
        if slot.is_known() {
            days += 1;
            events += slot.seen(slot.total);
            usual += slot.seen(fit.levels[day.place] * slot.coverage);
        }
    }
    let events = usual.max(events);
    Seen { days, events }
}

/// By slot of the day: the share of covered minutes since data began, weighed by age.
fn coverage(grid: &Grid, now: Timestamp) -> Vec<f64> {
    let Some(data) = grid.data else {
        return vec![0.0; grid.slots];
    };
    let since = Span {
        from: data.from,
        to: now,
    };
    let mut covered = vec![0.0; grid.slots];
    let mut there = vec![0.0; grid.slots];
    let (mut days, today) = (grid.days.iter().peekable(), now.slot(86_400));
    let mut weight = None;
    for number in data.from.slot(86_400)..=today {
        let day = days.next_if(|day| day.number == number);
        // A day without data gets the weight of the day before it, which is a little too small.
        weight = day.map(|day| day.weight).or(weight);
        let length = day_span(number).seconds() / i64::try_from(grid.slots).unwrap_or(1);
        for slot in 0..grid.slots {
            let from = day_span(number).from + i64::try_from(slot).unwrap_or(0) * length;
            let whole = Span {
                from,
                to: from + length,
            };
            let share = since.overlap_seconds(whole);
            if share == length {
                let seen = day.map_or(0.0, |day| day.slots[slot].coverage);
                covered[slot] += weight.unwrap_or(1.0) * seen;
                there[slot] += weight.unwrap_or(1.0);
            }
        }
    }
    let share = |(covered, there): (&f64, &f64)| if *there > 0.0 { covered / there } else { 0.0 };
    covered.iter().zip(&there).map(share).collect()
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of days"
)]
fn rounded(n: f64) -> u32 {
    n.round() as u32
}
