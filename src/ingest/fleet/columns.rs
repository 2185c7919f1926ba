//! The columns of a list that are read, and those of its owner that look like one of them.

use strsim::levenshtein;

/// Columns that are read; any other is kept and printed again.
pub(super) const COLUMNS: [&str; 9] = [
    "id",
    "cert_id",
    "names",
    "not_before",
    "not_after",
    "earliest",
    "deadline",
    "account",
    "ari",
];

/// A shorter name is a word of its own when a letter of it is another: `arn` is no `ari`.
const LENGTH_OF_A_SLIP: usize = 5;

/// Columns that are kept and not read, each with the one that it was perhaps meant to be: the same
/// letters written otherwise (`dead_line`, `Not After`), or one letter more, less or another (`name`).
/// Where that one is there too, it is a column of its owner's.
#[must_use]
pub fn look_alikes(header: &[String]) -> Vec<(&str, &'static str)> {
    let is_there = |name: &&str| header.iter().any(|cell| bare(cell) == *name);
    let absent: Vec<&'static str> = COLUMNS.into_iter().filter(|n| !is_there(n)).collect();
    let meant = |cell: &str| {
        let given = letters(cell);
        let same = |known: &&&'static str| letters(known) == given;
        let near = |known: &&&'static str| {
            let known = letters(known);
            known.len() >= LENGTH_OF_A_SLIP && levenshtein(&known, &given) == 1
        };
        let found = absent.iter().find(same);
        found.or_else(|| absent.iter().find(near)).copied()
    };
    let cells = header.iter().map(|cell| cell.trim());
    cells
        .filter(|cell| !COLUMNS.contains(&bare(cell).as_str()))
        .filter_map(|cell| Some((cell, meant(cell)?)))
        .collect()
}

/// A cell of the header as it is compared.
pub(super) fn bare(cell: &str) -> String {
    cell.trim().trim_matches('"').to_ascii_lowercase()
}

fn letters(text: &str) -> String {
    let kept = text.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_nearly_one_of_ours_is_found_and_others_are_not() {
        for (header, want) in [
            ("names,dead_line", vec![("dead_line", "deadline")]),
            ("names, Dead Line", vec![("Dead Line", "deadline")]),
            (
                "names,notAfter,deadlines",
                vec![("notAfter", "not_after"), ("deadlines", "deadline")],
            ),
            ("cert_id,name", vec![("name", "names")]),
            // There is the one that it might have been.
            ("name,names", vec![]),
            // Words of their own.
            ("names,customer,notes,ip,arn,date,DEADLINE", vec![]),
        ] {
            let cells: Vec<String> = header.split(',').map(str::to_owned).collect();
            assert_eq!(look_alikes(&cells), want, "{header}");
        }
    }
}
