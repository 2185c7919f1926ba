//! `docs/logging.md` lists the events that there are, and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::architecture::files;

const LEVELS: [(&str, &str); 3] = [("error", "ERROR"), ("info", "INFO"), ("warn", "WARN")];

/// The events of a source file that stand in the table, `LEVEL name`; in place of its name, where
/// an event without one is.
fn events(path: &str, text: &str) -> Vec<String> {
    // Tests come last in a file, and nobody reads their logs.
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let mut found = Vec::new();
    for (macro_name, level) in LEVELS {
        for (at, call) in text.match_indices(&format!("{macro_name}!(")) {
            let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let written_alone =
                text[..at].ends_with("tracing::") || text[line_start..at].trim().is_empty();
            if text[line_start..at].contains("//") || !written_alone {
                continue;
            }
            let arguments = text[at + call.len()..].trim_start();
            let name = arguments
                .strip_prefix("event = \"")
                .and_then(|rest| rest.split_once('"'));
            found.push(match name {
                Some((name, _)) => format!("{level} {name}"),
                None => format!("{path}:{}", text[..at].matches('\n').count() + 1),
            });
        }
    }
    found
}

fn listed(table: &str) -> BTreeSet<String> {
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let level = cells.next()?;
            let event = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            LEVELS
                .iter()
                .any(|(_, known)| *known == level)
                .then(|| format!("{level} {event}"))
        })
        .collect()
}

#[test]
fn every_event_is_listed_with_its_level() {
    let there_are: BTreeSet<String> = files("src")
        .iter()
        .flat_map(|(path, text)| events(path, text))
        .collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logging.md");
    let listed = listed(&fs::read_to_string(page).unwrap());
    assert_eq!(
        there_are, listed,
        "the code's events on the left, the page's on the right"
    );
}

#[test]
fn events_are_found_and_those_without_a_name_told_by_their_line() {
    let text = "fn f() {\n    tracing::warn!(event = \"a\", %error);\n    \
                info!(\n        event = \"b\",\n    );\n    // tracing::error!(x)\n    \
                tracing::error!(%error, \"words\");\n    tracing::debug!(x);\n}\n\
                #[cfg(test)]\nmod tests {\n    tracing::info!(x);\n}\n";
    let mut found = events("src/x.rs", text);
    found.sort();
    assert_eq!(found, ["INFO b", "WARN a", "src/x.rs:7"]);
    let table = "| level | event |\n|---|---|\n| WARN | `a` | f | m |\n| text | `x` |\n";
    assert_eq!(listed(table), BTreeSet::from(["WARN a".to_owned()]));
}
