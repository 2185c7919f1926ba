//! The known columns of a list, and unknown ones that look like a misspelt known one.

use strsim::levenshtein;

/// The known columns; others are kept and written out again.
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

/// A name shorter than this with another letter is a word of its own: `arn` is not `ari`.
const LENGTH_OF_A_SLIP: usize = 5;

/// Unknown columns, each with the known one that was perhaps meant: a different notation
/// (`dead_line`, `Not After`), or one letter more, less or different (`name`). If the known one is
/// present too, the other is the owner's own.
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

/// A header cell in the form used for comparison.
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
            // The known one is present too.
            ("name,names", vec![]),
            // Other words.
            ("names,customer,notes,ip,arn,date,DEADLINE", vec![]),
        ] {
            let cells: Vec<String> = header.split(',').map(str::to_owned).collect();
            assert_eq!(look_alikes(&cells), want, "{header}");
        }
    }
}
