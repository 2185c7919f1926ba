//! Many rows in one statement: each column as one array.

/// Rows sent in one statement: 2 MB or so.
pub(super) const ROWS: usize = 10_000;

/// One field of all rows: a column on its way into an array parameter.
pub(super) fn column<'a, S, T>(rows: &'a [S], field: impl Fn(&'a S) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
