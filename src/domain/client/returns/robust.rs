//! Fits counts by reweighted least squares, because the variance of a count is its mean, and so
//! that single outlying hours have little influence.

use super::design::{Candidate, Design};
use super::history::{mean, median};
use crate::math::least_squares::{Problem, Solution};

/// Weights settle after the second round; the third is a safety margin.
const ROUNDS: usize = 3;
/// Residuals beyond this many standard deviations count linearly, not squared (Huber 1964).
const WILD: f64 = 3.0;
/// The median of the square of a standard normal number.
const MEDIAN_OF_CHI_SQUARED: f64 = 0.4549;
/// An hour's variance is at least that of a quarter of the mean hour, because the model is not
/// exact.
const LEAST_VARIANCE: f64 = 0.25;

/// The best fit of a design, and the weight of each hour in it.
#[derive(Debug)]
pub(super) struct Fit<'a> {
    design: &'a Design,
    /// The lags found, and the share that returns at each.
    pub(super) lags: Vec<(Candidate, f64)>,
    fitted: Vec<f64>,
    /// One over the variance; 0 for hours that are not used.
    precision: Vec<f64>,
    /// The same, with lower weight for outliers.
    weights: Vec<f64>,
    /// An orthonormal basis of the free columns.
    basis: Vec<Vec<f64>>,
}

impl<'a> Fit<'a> {
    /// Fits the design.
    pub(super) fn new(design: &'a Design) -> Self {
        let columns: Vec<&[f64]> = design
            .candidates
            .iter()
            .map(|candidate| design.column(*candidate))
            .collect();
        let mean_load = mean(&design.total).max(1.0);
        let mut precision: Vec<f64> = design
            .counts
            .iter()
            .map(|counts| if *counts { 1.0 / mean_load } else { 0.0 })
            .collect();
        let mut weights = precision.clone();
        let mut solution = Solution::default();
        for _ in 0..ROUNDS {
            solution = problem(design, &weights, &columns).solve();
            precision = precisions(design, &solution.fitted, mean_load);
            weights = precision
                .iter()
                .zip(residuals(design, &solution.fitted))
                .map(|(precision, residual)| {
                    precision * (WILD / (residual.abs() * precision.sqrt())).min(1.0)
                })
                .collect();
        }
        let lags = solution
            .coefficients
            .iter()
            .map(|&(column, share)| (design.candidates[column], share))
            .collect();
        let mut fit = Self {
            design,
            lags,
            fitted: solution.fitted,
            precision,
            weights,
            basis: Vec::new(),
        };
        // The Gram–Schmidt process.
        for free in &design.free {
            let mut one = fit.without_free(free);
            let size = fit.product(&one, &one).sqrt().max(f64::MIN_POSITIVE);
            for x in &mut one {
                *x /= size;
            }
            fit.basis.push(one);
        }
        fit
    }

    /// The lags of one class and their shares, in hours.
    pub(super) fn of(&self, class: usize) -> impl Iterator<Item = (usize, f64)> {
        self.lags
            .iter()
            .filter(move |(candidate, _)| candidate.class == class)
            .map(|(candidate, share)| (candidate.lag_hours, *share))
    }

    /// The returns in each hour from the lags found for all other classes.
    pub(super) fn others(&self, class: usize) -> Vec<f64> {
        let mut sum = vec![0.0; self.fitted.len()];
        for (candidate, share) in &self.lags {
            if candidate.class != class {
                for (sum, amount) in sum.iter_mut().zip(self.design.column(*candidate)) {
                    *sum += share * amount;
                }
            }
        }
        sum
    }

    /// How much worse the fit gets with `returning` in place of all lags found, as twice the
    /// log-likelihood. The day with the largest difference is left out.
    pub(super) fn loss_with(&self, returning: &[f64]) -> f64 {
        let other = problem(self.design, &self.weights, &[]).around(returning);
        let losses = self.losses(&other).zip(self.losses(&self.fitted));
        by_all_days_but_one(losses.map(|(other, own)| other - own))
    }

    /// How much better the residuals `after` are than `before`, in the same units. The day with the
    /// largest difference is left out.
    pub(super) fn gain(&self, before: &[f64], after: impl Iterator<Item = f64>) -> f64 {
        let squares = before.iter().zip(after).zip(&self.weights);
        by_all_days_but_one(
            squares.map(|((before, after), weight)| weight * (before * before - after * after)),
        )
    }

    /// The amounts that the free columns do not explain.
    pub(super) fn without_free(&self, amounts: &[f64]) -> Vec<f64> {
        let mut rest = amounts.to_vec();
        for one in &self.basis {
            let part = self.product(one, &rest);
            for (rest, one) in rest.iter_mut().zip(one) {
                *rest -= part * one;
            }
        }
        rest
    }

    /// The weighted inner product of two lists.
    pub(super) fn product(&self, a: &[f64], b: &[f64]) -> f64 {
        let products = a.iter().zip(b).zip(&self.weights);
        products.map(|((a, b), weight)| weight * a * b).sum()
    }

    /// The number of hours used.
    pub(super) fn hours(&self) -> usize {
        self.precision.iter().filter(|one| **one > 0.0).count()
    }

    /// Huber's loss in each hour.
    fn losses<'f>(&'f self, fitted: &'f [f64]) -> impl Iterator<Item = f64> + 'f {
        residuals(self.design, fitted)
            .zip(&self.precision)
            .map(|(residual, precision)| {
                let deviation = residual.abs() * precision.sqrt();
                if deviation <= WILD {
                    deviation * deviation
                } else {
                    2.0 * WILD * deviation - WILD * WILD
                }
            })
    }
}

/// The sum over hours without the day that contributes most. One outlying hour can be explained by
/// many wrong lags and can outweigh weeks, so no single day may decide.
fn by_all_days_but_one(hours: impl Iterator<Item = f64>) -> f64 {
    let (mut all, mut most, mut day) = (0.0, 0.0, 0.0);
    for (hour, amount) in hours.enumerate() {
        if hour % 24 == 0 {
            day = 0.0;
        }
        all += amount;
        day += amount;
        if hour % 24 == 23 {
            most = f64::max(most, day);
        }
    }
    all - f64::max(most, day)
}

fn problem<'p>(design: &'p Design, weights: &'p [f64], columns: &'p [&'p [f64]]) -> Problem<'p> {
    Problem {
        observed: &design.observed,
        weights,
        free: &design.free,
        columns,
        first: design.first.min(columns.len()),
    }
}

fn residuals<'r>(design: &'r Design, fitted: &'r [f64]) -> impl Iterator<Item = f64> + 'r {
    design
        .observed
        .iter()
        .zip(fitted)
        .map(|(observed, fitted)| observed - fitted)
}

/// One over the variance of each hour used. The variance is the expected count, times the
/// overdispersion of the counts, which is estimated by the median because outliers do not move it.
fn precisions(design: &Design, fitted: &[f64], mean_load: f64) -> Vec<f64> {
    let variances: Vec<f64> = residuals(design, fitted)
        .zip(&design.total)
        .map(|(residual, total)| (total - residual).max(LEAST_VARIANCE * mean_load))
        .collect();
    let squares = residuals(design, fitted)
        .zip(&variances)
        .zip(&design.counts)
        .filter(|(_, counts)| **counts)
        .map(|((residual, variance), _)| residual * residual / variance);
    let dispersion = (median(squares.collect()) / MEDIAN_OF_CHI_SQUARED).max(1.0);
    variances
        .iter()
        .zip(&design.counts)
        .map(|(variance, counts)| {
            if *counts {
                1.0 / (dispersion * variance)
            } else {
                0.0
            }
        })
        .collect()
}
