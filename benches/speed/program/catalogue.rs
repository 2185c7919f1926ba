//! All rows.

use super::compared::ANSWERED;
use super::compared_sources::READ;
use super::compared_writes::WRITTEN;
use super::gateway::rows::ROWS as FRONTED;
use super::rows::Row;

/// All rows, in the order in which they are shown.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    ANSWERED.iter().chain(WRITTEN).chain(FRONTED).chain(READ)
}

/// The row of this name.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_have_names_and_meanings_of_their_own_and_ratios_are_to_rows() {
        let names: HashSet<_> = rows().map(|row| row.name).collect();
        let meanings: HashSet<_> = rows().map(|row| row.meaning).collect();
        let count = rows().count();
        assert_eq!((names.len(), meanings.len()), (count, count));
        for row in rows() {
            assert!(row.ratio_to.is_none_or(|other| names.contains(other)));
            assert!(row.unit != "ratio" || row.name == "flood_memory" || row.ratio_to.is_some());
        }
    }
}
