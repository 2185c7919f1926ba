//! Pages that name the test behind each claim name tests that exist.

use std::collections::HashSet;

use super::files;
use super::source::functions;

/// A page, the column of its tables that names tests (counted from 1), and a number of names that it
/// has at least: a page that was read wrongly has none.
const PAGES: &[(&str, &str, usize, usize)] = &[
    (
        "docs/promises.md",
        include_str!("../../../docs/promises.md"),
        3,
        45,
    ),
    (
        "docs/rfc9773.md",
        include_str!("../../../docs/rfc9773.md"),
        5,
        20,
    ),
];

#[test]
fn every_test_that_a_page_names_is_there() {
    let tests: HashSet<String> = ["src", "tests/it"]
        .into_iter()
        .flat_map(files)
        .flat_map(|(_, text)| functions(&text))
        .collect();
    for &(page, text, column, least) in PAGES {
        let named = names(text, column);
        let absent: Vec<&&str> = named
            .iter()
            .filter(|name| !tests.contains(**name))
            .collect();
        assert!(absent.is_empty(), "{page} names no test by {absent:?}");
        assert!(named.len() >= least, "{page} has {} names", named.len());
    }
}

#[test]
fn each_promise_stands_once_and_has_a_test() {
    let (page, text, column, _) = PAGES[0];
    let mut seen = HashSet::new();
    for line in text.lines().filter(|line| is_promise(line)) {
        let id = line.split('|').nth(1).unwrap_or_default().trim();
        assert!(seen.insert(id), "{page} has {id} twice");
        assert!(
            !names(line, column).is_empty(),
            "{page} shows {id} by no test"
        );
    }
    assert!(seen.len() >= 30, "{page} has {} promises", seen.len());
}

/// What stands in backticks in a column of the tables.
fn names(text: &str, column: usize) -> Vec<&str> {
    text.lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| {
            let cell = line.split('|').nth(column).unwrap_or_default();
            cell.split('`').skip(1).step_by(2)
        })
        .collect()
}

/// A row of a table that begins with an id: a capital and a number.
fn is_promise(line: &str) -> bool {
    line.strip_prefix("| ")
        .and_then(|row| row.split_once(' '))
        .and_then(|(id, _)| id.strip_prefix(|first: char| first.is_ascii_uppercase()))
        .is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}
