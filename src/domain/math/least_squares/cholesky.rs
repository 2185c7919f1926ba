//! Symmetric systems of linear equations.

/// Rows that are linearly dependent on earlier ones up to this tolerance differ only by rounding.
const RIDGE: f64 = 1e-11;

/// Solves a symmetric system, given by its lower half, by Cholesky decomposition. A row that is
/// linearly dependent on earlier ones gets 0.
pub(super) fn solve(mut gram: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for row in 0..size {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| gram[row][k] * gram[column][k]).sum();
            let rest = gram[row][column] - known;
            gram[row][column] = if row == column {
                let varies = rest > RIDGE * gram[row][row];
                if varies { rest.sqrt() } else { f64::INFINITY }
            } else {
                rest / gram[column][column]
            };
        }
        let known: f64 = (0..row).map(|k| gram[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / gram[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| gram[k][row] * right[k]).sum();
        right[row] = (right[row] - known) / gram[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_leaves_out_what_says_the_same() {
        // 4x + 2y = 10, 2x + 3y = 11.
        let gram = vec![vec![4.0], vec![2.0, 3.0]];
        let solved = solve(gram, vec![10.0, 11.0]);
        assert!((solved[0] - 1.0).abs() < 1e-12 && (solved[1] - 3.0).abs() < 1e-12);
        // The second row is twice the first.
        let gram = vec![vec![1.0], vec![2.0, 4.0], vec![0.0, 0.0, 4.0]];
        assert_eq!(solve(gram, vec![3.0, 6.0, 8.0]), [3.0, 0.0, 2.0]);
    }
}
