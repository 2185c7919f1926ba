//! Normal equations. Rows are computed only on request: of hundreds of candidate columns, about a
//! dozen are used.

use super::cholesky::solve;
use super::problem::Problem;

/// Weighted inner products of the columns with each other and with the observations.
pub(super) struct Normal<'a> {
    problem: &'a Problem<'a>,
    /// The products with the observations: the free columns' first, then the others'.
    right: Vec<f64>,
    /// The square of each column, and its variation around the mean.
    squares: Vec<(f64, f64)>,
    /// The products of a column with all others, where needed: the free columns' first, then the
    /// others'.
    rows: Vec<Option<Vec<f64>>>,
}

/// The part of columns that others do not explain.
pub(super) struct Residual<'n> {
    normal: &'n Normal<'n>,
    numbers: Vec<usize>,
    gram: Vec<Vec<f64>>,
}

impl<'a> Normal<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        let weight = problem.weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let squares = problem.columns.iter().map(|column| {
            let weighted = weighted(problem.weights, column);
            let (sum, square) = (weighted.iter().sum::<f64>(), dot(&weighted, column));
            (square, square - sum * sum / weight)
        });
        let mut normal = Self {
            problem,
            right: Vec::new(),
            squares: squares.collect(),
            rows: vec![None; problem.free.len() + problem.columns.len()],
        };
        normal.right = normal.products(problem.observed);
        for free in 0..problem.free.len() {
            normal.need(free);
        }
        normal
    }

    /// A column's weighted square.
    pub(super) fn square(&self, column: usize) -> f64 {
        self.squares[column].0
    }

    /// Its variation around the mean.
    pub(super) fn variation(&self, column: usize) -> f64 {
        self.squares[column].1
    }

    /// The least-squares coefficients: the free columns' first, then those of the chosen ones.
    pub(super) fn least_squares(&mut self, chosen: &[usize]) -> Vec<f64> {
        let numbers = self.numbers(chosen);
        for number in &numbers {
            self.need(*number);
        }
        let right = numbers.iter().map(|number| self.right[*number]).collect();
        solve(self.gram(&numbers), right)
    }

    /// How fast the sum of squares falls if a column is added to the chosen ones.
    pub(super) fn slope(&self, column: usize, chosen: &[usize], coefficients: &[f64]) -> f64 {
        let at = self.problem.free.len() + column;
        let numbers = self.numbers(chosen);
        let said: f64 = numbers
            .iter()
            .zip(coefficients)
            .map(|(number, coefficient)| coefficient * self.product(*number, at))
            .sum();
        self.right[at] - said
    }

    /// How much columns with their best coefficients lower the sum of squares.
    pub(super) fn explained(&self, chosen: &[usize], coefficients: &[f64]) -> f64 {
        let numbers = self.numbers(chosen);
        let parts = numbers.iter().zip(coefficients);
        parts
            .map(|(number, coefficient)| coefficient * self.right[*number])
            .sum()
    }

    /// The fitted value for each observation, from the free and the chosen columns.
    pub(super) fn sum(&self, chosen: &[usize], coefficients: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.problem.observed.len()];
        for (number, coefficient) in self.numbers(chosen).into_iter().zip(coefficients) {
            for (sum, x) in sum.iter_mut().zip(self.column(number)) {
                *sum += coefficient * x;
            }
        }
        sum
    }

    /// What columns explain beyond the chosen ones.
    pub(super) fn residual(&self, chosen: &[usize]) -> Residual<'_> {
        let numbers = self.numbers(chosen);
        Residual {
            gram: self.gram(&numbers),
            normal: self,
            numbers,
        }
    }

    fn numbers(&self, chosen: &[usize]) -> Vec<usize> {
        let free = self.problem.free.len();
        let chosen = chosen.iter().map(|column| free + column);
        (0..free).chain(chosen).collect()
    }

    fn column(&self, number: usize) -> &[f64] {
        let free = self.problem.free;
        free.get(number)
            .map_or_else(|| self.problem.columns[number - free.len()], Vec::as_slice)
    }

    fn need(&mut self, number: usize) {
        if self.rows[number].is_none() {
            self.rows[number] = Some(self.products(self.column(number)));
        }
    }

    fn products(&self, amounts: &[f64]) -> Vec<f64> {
        let weighted = weighted(self.problem.weights, amounts);
        (0..self.rows.len())
            .map(|number| dot(&weighted, self.column(number)))
            .collect()
    }

    /// The inner product of a column whose row was computed with any other.
    fn product(&self, needed: usize, number: usize) -> f64 {
        self.rows[needed].as_ref().map_or(0.0, |row| row[number])
    }

    /// The lower half of the Gram matrix.
    fn gram(&self, numbers: &[usize]) -> Vec<Vec<f64>> {
        let row = |row: usize| {
            let columns = numbers[..=row].iter();
            columns
                .map(|column| self.product(*column, numbers[row]))
                .collect()
        };
        (0..numbers.len()).map(row).collect()
    }
}

impl Residual<'_> {
    /// The square of the part of a column that the others do not explain.
    pub(super) fn rest(&self, column: usize) -> f64 {
        let at = self.normal.problem.free.len() + column;
        let products: Vec<f64> = self
            .numbers
            .iter()
            .map(|number| self.normal.product(*number, at))
            .collect();
        let said = dot(&solve(self.gram.clone(), products.clone()), &products);
        self.normal.square(column) - said
    }
}

fn weighted(weights: &[f64], amounts: &[f64]) -> Vec<f64> {
    let products = weights.iter().zip(amounts);
    products.map(|(weight, amount)| weight * amount).collect()
}

/// The inner product, in four lanes that a processor can add in parallel. With one, each addition
/// would wait for the previous one.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<4>();
    let (b, b_rest) = b.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    for (a, b) in a.iter().zip(b) {
        lanes[0] += a[0] * b[0];
        lanes[1] += a[1] * b[1];
        lanes[2] += a[2] * b[2];
        lanes[3] += a[3] * b[3];
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::number::real;

    #[test]
    fn products_are_sums_of_all() {
        for length in 0..10 {
            let a: Vec<f64> = (0..length).map(real).collect();
            let b: Vec<f64> = (0..length).map(|n| real(n * n)).collect();
            let want = (0..length).map(|n| n * n * n).sum::<i64>();
            assert!((dot(&a, &b) - real(want)).abs() < 1e-9, "{length}");
        }
    }

    #[test]
    fn a_column_counts_with_what_the_others_leave_of_it() {
        let (a, b) = (vec![1.0, 0.0, 0.0], vec![3.0, 2.0, 4.0]);
        let problem = Problem {
            observed: &[5.0, 1.0, 7.0],
            weights: &[1.0, 1.0, 0.25],
            free: &[vec![0.0, 1.0, 0.0]],
            columns: &[&a, &b],
            first: 2,
        };
        let mut normal = Normal::new(&problem);
        let coefficients = normal.least_squares(&[0]);
        assert_eq!(coefficients, [1.0, 5.0]);
        // Only the third observation is left, at a quarter of its weight.
        assert!((normal.residual(&[0]).rest(1) - 4.0).abs() < 1e-9);
        assert!((normal.slope(1, &[0], &coefficients) - 7.0).abs() < 1e-9);
        assert!((normal.explained(&[0], &coefficients) - 26.0).abs() < 1e-9);
        assert_eq!(normal.sum(&[0], &coefficients), [5.0, 1.0, 0.0]);
    }
}
