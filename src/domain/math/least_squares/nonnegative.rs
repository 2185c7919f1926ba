//! Non-negative least squares: the active-set method of Lawson and Hanson (Solving Least Squares
//! Problems, 1974, chapter 23), on normal equations (Bro and de Jong, 1997). It stops early, when a
//! further column explains no more than chance would.

use std::ops::Range;

use super::normal::Normal;
use super::problem::{Problem, Solution};

/// A column must lower the sum of squares by this, in units of the variance. The best of a thousand
/// columns of noise lowers it by 2 ln 1000 = 13.8.
const WORTH: f64 = 20.0;
/// A column with less variation around its mean than this carries no information.
const LEAST_VARIATION: f64 = 1e-9;
/// The most columns added in one solution; a class of lifetimes keeps 16 of them.
const MOST_STEPS: usize = 96;

impl Problem<'_> {
    /// Solves, starting without columns.
    pub(crate) fn solve(&self) -> Solution {
        let mut normal = Normal::new(self);
        let mut barred: Vec<bool> = (0..self.columns.len())
            .map(|at| normal.variation(at) <= LEAST_VARIATION * normal.square(at))
            .collect();
        let mut chosen = Chosen::default();
        chosen.fit(&mut normal);
        for _ in 0..MOST_STEPS {
            let slopes: Vec<f64> = (0..self.columns.len())
                .map(|at| {
                    let asked = !barred[at] && !chosen.columns.contains(&at);
                    let slope = || normal.slope(at, &chosen.columns, &chosen.all);
                    if asked { slope().max(0.0) } else { 0.0 }
                })
                .collect();
            let plain = |at: usize| slopes[at].powi(2) / normal.variation(at);
            let Some(next) = self.best(&slopes, plain).or_else(|| {
                let residual = normal.residual(&chosen.columns);
                let exact = |at: usize| {
                    let own = residual.rest(at);
                    let redundant = own <= LEAST_VARIATION * normal.variation(at);
                    if redundant {
                        0.0
                    } else {
                        slopes[at].powi(2) / own
                    }
                };
                self.best(&slopes, exact)
            }) else {
                break;
            };
            chosen.columns.push(next);
            chosen.coefficients.push(0.0);
            chosen.fit(&mut normal);
            // Added and dropped at once: only rounding made it look useful, and would again.
            barred[next] = !chosen.columns.contains(&next);
        }
        chosen.thin_out(&mut normal);
        Solution {
            fitted: normal.sum(&chosen.columns, &chosen.all),
            coefficients: chosen
                .columns
                .into_iter()
                .zip(chosen.coefficients)
                .collect(),
        }
    }

    /// The column with the largest gain, if that is large enough: from the first ones, else from
    /// all.
    fn best(&self, slopes: &[f64], gain: impl Fn(usize) -> f64) -> Option<usize> {
        let best = |range: Range<usize>| {
            range
                .filter(|at| slopes[*at] > 0.0)
                .map(|at| (at, gain(at)))
                .filter(|(_, gain)| *gain > WORTH)
                .max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let next = best(0..self.first).or_else(|| best(self.first..self.columns.len()));
        next.map(|(at, _)| at)
    }

    /// The fit of the free columns to what `fixed` does not explain, plus `fixed`.
    pub(crate) fn around(&self, fixed: &[f64]) -> Vec<f64> {
        let observed: Vec<f64> = zip(self.observed, fixed).map(|(o, f)| o - f).collect();
        let rest = Problem {
            observed: &observed,
            columns: &[],
            first: 0,
            ..*self
        };
        zip(&rest.solve().fitted, fixed)
            .map(|(free, fixed)| free + fixed)
            .collect()
    }
}

/// The columns in use.
#[derive(Clone, Debug, Default)]
struct Chosen {
    columns: Vec<usize>,
    coefficients: Vec<f64>,
    /// The coefficients of the free columns, followed by these.
    all: Vec<f64>,
}

impl Chosen {
    /// Sets the coefficients to the best non-negative ones, dropping columns on the way.
    fn fit(&mut self, normal: &mut Normal<'_>) {
        loop {
            let all = normal.least_squares(&self.columns);
            let best = &all[all.len() - self.columns.len()..];
            if best.iter().all(|coefficient| *coefficient > 0.0) {
                self.coefficients = best.to_vec();
                self.all = all;
                return;
            }
            self.step_towards(best);
        }
    }

    /// Drops columns that are no longer useful next to those added later.
    fn thin_out(&mut self, normal: &mut Normal<'_>) {
        loop {
            let explained = normal.explained(&self.columns, &self.all);
            let least = (0..self.columns.len())
                .map(|at| {
                    let mut fewer = self.clone();
                    fewer.columns.remove(at);
                    fewer.coefficients.remove(at);
                    fewer.fit(normal);
                    (
                        explained - normal.explained(&fewer.columns, &fewer.all),
                        fewer,
                    )
                })
                .min_by(|a, b| a.0.total_cmp(&b.0));
            match least {
                Some((loss, fewer)) if loss < WORTH / 2.0 => *self = fewer,
                _ => return,
            }
        }
    }

    /// Moves towards `best` until a coefficient reaches 0, and drops the columns that reach it.
    fn step_towards(&mut self, best: &[f64]) {
        let falls = |(now, best): (&f64, &f64)| (*best <= 0.0).then(|| now / (now - best));
        let part = zip(&self.coefficients, best)
            .filter_map(falls)
            // A column just added starts at 0; it falls only if rounding alone had added it.
            .map(|part| if part.is_finite() { part } else { 0.0 })
            .fold(1.0, f64::min);
        let moved: Vec<f64> = zip(&self.coefficients, best)
            .map(|(now, best)| now + part * (best - now))
            .collect();
        let least = zip(&moved, best)
            .filter(|(_, best)| **best <= 0.0)
            .map(|(moved, _)| *moved)
            .fold(f64::INFINITY, f64::min);
        let stays: Vec<bool> = zip(&moved, best)
            .map(|(moved, best)| *best > 0.0 || *moved > least)
            .collect();
        let keep = |list: Vec<(usize, f64)>| -> Vec<(usize, f64)> {
            zip(&list, &stays)
                .filter(|(_, stays)| **stays)
                .map(|(item, _)| *item)
                .collect()
        };
        let kept = keep(self.columns.iter().copied().zip(moved).collect());
        (self.columns, self.coefficients) = kept.into_iter().unzip();
    }
}

fn zip<'a, A, B>(a: &'a [A], b: &'a [B]) -> impl Iterator<Item = (&'a A, &'a B)> {
    a.iter().zip(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::least_squares::normal::dot;
    use crate::math::number::{real, signed};

    fn wave(length: usize, seed: i64) -> Vec<f64> {
        (0..signed(length))
            .map(|at| real((at * 7_919 + seed * 104_729 + at * at * 31) % 1_009) / 1_009.0)
            .collect()
    }

    fn mixed(parts: &[(f64, &[f64])], length: usize) -> Vec<f64> {
        (0..length)
            .map(|at| parts.iter().map(|(part, column)| part * column[at]).sum())
            .collect()
    }

    #[test]
    fn finds_what_it_was_mixed_from() {
        let waves: Vec<Vec<f64>> = (1..8).map(|seed| wave(200, seed)).collect();
        let columns: Vec<&[f64]> = waves.iter().map(Vec::as_slice).collect();
        let free = [vec![1.0; 200], (0..200).map(real).collect()];
        let parts = [
            (-50.0, &free[0][..]),
            (0.25, &free[1]),
            (3.0, columns[2]),
            (0.5, columns[5]),
        ];
        let mut observed = mixed(&parts, 200);
        let mut weights = vec![1e6; 200];
        // Excluded: it would dominate the fit.
        (observed[17], weights[17]) = (1e9, 0.0);
        let problem = Problem {
            observed: &observed,
            weights: &weights,
            free: &free,
            columns: &columns,
            first: columns.len(),
        };
        let mut found = problem.solve().coefficients;
        found.sort_by_key(|(column, _)| *column);
        assert_eq!(
            found.iter().map(|(column, _)| *column).collect::<Vec<_>>(),
            [2, 5]
        );
        assert!((found[0].1 - 3.0).abs() < 1e-6 && (found[1].1 - 0.5).abs() < 1e-6);
        let fixed = mixed(&[(3.0, columns[2]), (0.5, columns[5])], 200);
        let around = problem.around(&fixed);
        assert!((around[50] - observed[50]).abs() < 1e-6);
    }

    #[test]
    fn no_coefficient_is_negative_and_none_could_help() {
        let waves: Vec<Vec<f64>> = (1..30).map(|seed| wave(60, seed)).collect();
        let columns: Vec<&[f64]> = waves.iter().map(Vec::as_slice).collect();
        for seed in 100..140 {
            let observed = wave(60, seed);
            let weights = vec![4e4; 60];
            let problem = Problem {
                observed: &observed,
                weights: &weights,
                free: &[vec![1.0; 60]],
                columns: &columns,
                first: columns.len(),
            };
            let solution = problem.solve();
            assert!(!solution.coefficients.is_empty());
            assert!(solution.coefficients.iter().all(|(_, c)| *c > 0.0));
            // The Karush–Kuhn–Tucker conditions, except for the minimum gain of a column.
            let pull: Vec<f64> = zip(&observed, &solution.fitted)
                .map(|(observed, fitted)| 4e4 * (observed - fitted))
                .collect();
            let normal = Normal::new(&problem);
            for (at, column) in columns.iter().enumerate() {
                let slope = dot(&pull, column);
                let gain = slope.max(0.0).powi(2) / normal.variation(at);
                assert!(gain <= WORTH * 1.001, "{seed}: {gain}");
                if solution.coefficients.iter().any(|(used, _)| *used == at) {
                    assert!(
                        (slope / normal.variation(at)).abs() < 1e-6,
                        "{seed}: {slope}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_was_tried_first_is_preferred_and_a_constant_says_nothing() {
        let (a, flat) = (wave(100, 3), vec![5.0; 100]);
        let observed: Vec<f64> = a.iter().map(|x| 7.0 * x).collect();
        let columns = [&flat[..], &a, &a];
        let problem = Problem {
            observed: &observed,
            weights: &vec![1e4; 100],
            free: &[vec![1.0; 100]],
            columns: &columns,
            first: 2,
        };
        let solution = problem.solve();
        assert_eq!(solution.coefficients.len(), 1);
        assert_eq!(solution.coefficients[0].0, 1);
        assert!((solution.coefficients[0].1 - 7.0).abs() < 1e-6);
    }
}
