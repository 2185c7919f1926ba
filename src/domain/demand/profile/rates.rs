//! Learned values other than the coefficients: failures, latency, the minute of the hour.

use super::grid::Grid;
use super::robust::{Estimate, Prior, Sample, count, estimate};
use super::shape::Rate;

/// The fewest days for the minutes of the hour, as for any slot of the day …
const LEAST_DAYS: usize = 5;
/// … and the fewest events: 20 for each of the 60 minutes.
const LEAST_EVENTS: f64 = 1_200.0;

/// The rates of one slot of the day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rates {
    pub(super) failures: Option<Rate>,
    pub(super) latency_ms: Option<f64>,
    pub(super) latency_p95_ms: Option<f64>,
}

pub(super) fn rates(grid: &Grid) -> Vec<Rates> {
    (0..grid.slots)
        .map(|slot| {
            let sum = |of: &dyn Fn(usize) -> (f64, f64)| {
                let all = grid.days.iter().enumerate();
                all.fold((0.0, 0.0), |(above, below), (i, day)| {
                    let (a, b) = of(i);
                    (above + day.weight * a, below + day.weight * b)
                })
            };
            let sums = |day: usize| grid.days[day].sums[slot];
            let ratio = |(above, below): (f64, f64)| (below > 0.0).then(|| above / below);
            Rates {
                failures: failures(grid, slot),
                latency_ms: ratio(sum(&|day| sums(day).latency)),
                latency_p95_ms: ratio(sum(&|day| sums(day).latency_p95)),
            }
        })
        .collect()
}

/// The load of the minutes of the hour, relative to their mean: the shares of each week, averaged
/// robustly over the weeks.
pub(super) fn minutes(grid: &Grid) -> Option<Vec<f64>> {
    let events: f64 = grid.minutes.iter().flatten().sum();
    if grid.minute_days < LEAST_DAYS || events < LEAST_EVENTS {
        return None;
    }
    let found: Vec<f64> = (0..60)
        .map(|minute| {
            let samples: Vec<Sample> = grid
                .minutes
                .iter()
                .enumerate()
                .filter_map(|(age, week)| {
                    let usual = week.iter().sum::<f64>() / 60.0;
                    (usual > 0.0).then(|| Sample {
                        value: week[minute] / usual,
                        // Half after 14 days, so each week weighs 1/√2 of the next.
                        weight: (-count(age) / 2.0).exp2(),
                        expected: usual,
                    })
                })
                .collect();
            estimate(&samples, Prior::default()).map_or(1.0, |Estimate { mean, .. }| mean)
        })
        .collect();
    let average = found.iter().sum::<f64>() / 60.0;
    (average > 0.0).then(|| found.iter().map(|minute| minute / average).collect())
}

fn failures(grid: &Grid, slot: usize) -> Option<Rate> {
    let (mut tried, mut failed, mut seen, mut squares) = (0.0, 0.0, 0.0, 0.0);
    for day in &grid.days {
        let sums = day.sums[slot];
        tried += day.weight * sums.tried;
        failed += day.weight * sums.failed;
        squares += day.weight * day.weight * sums.tried;
        seen += sums.tried;
    }
    if tried <= 0.0 {
        return None;
    }
    let share = (failed / tried).min(1.0);
    let (low, high) = wilson(share, tried * tried / squares);
    Some(Rate {
        share,
        low,
        high,
        samples: seen,
    })
}

/// Wilson's 95 % interval of a share measured in `n` attempts.
fn wilson(share: f64, n: f64) -> (f64, f64) {
    let z2 = 1.96 * 1.96 / n;
    let center = (share + z2 / 2.0) / (1.0 + z2);
    let half = (share * (1.0 - share) * z2 + z2 * z2 / 4.0).sqrt() / (1.0 + z2);
    ((center - half).max(0.0), (center + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::wilson;

    #[test]
    fn wilson_agrees_with_the_tables() {
        let (low, high) = wilson(0.1, 100.0);
        assert!((low - 0.0552).abs() < 1e-3 && (high - 0.1744).abs() < 1e-3);
        assert!(wilson(0.0, 20.0).0 < 1e-12);
    }
}
