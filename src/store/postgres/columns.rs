//! Many rows in one statement: each column as one array.

/// How many rows are sent in one statement: about 2 MB.
pub(super) const ROWS: usize = 10_000;

/// One field of all rows, as a column for an array parameter.
pub(super) fn column<'a, S, T>(rows: &'a [S], field: impl Fn(&'a S) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
