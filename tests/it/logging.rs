//! `docs/logging.md` lists the events that there are, and no others; and every line has a name.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Executor as _, Row as _};

use crate::architecture::files;
use crate::process::{Server, offpeak};
use crate::support::{databases, fresh_postgres};

/// Those that stand in the table.
const LEVELS: [(&str, &str); 3] = [("error", "ERROR"), ("info", "INFO"), ("warn", "WARN")];

/// Those for whoever reads the code beside them: they have names, and stand in no table.
const UNLISTED: [(&str, &str); 2] = [("debug", "DEBUG"), ("trace", "TRACE")];

/// The events of a source file that stand in the table, `LEVEL name`; in place of its name, where
/// an event without one is.
fn events(path: &str, text: &str) -> Vec<String> {
    // Tests come last in a file, and nobody reads their logs.
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let mut found = Vec::new();
    for (macro_name, level) in LEVELS.iter().chain(&UNLISTED) {
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
            match name {
                Some((name, _)) if LEVELS.iter().any(|(_, listed)| listed == level) => {
                    found.push(format!("{level} {name}"));
                }
                Some(_) => {}
                None => found.push(format!("{path}:{}", text[..at].matches('\n').count() + 1)),
            }
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
fn events_are_found_and_those_without_a_name_reported_by_line() {
    let text = "fn f() {\n    tracing::warn!(event = \"a\", %error);\n    \
                info!(\n        event = \"b\",\n    );\n    // tracing::error!(x)\n    \
                tracing::error!(%error, \"words\");\n    tracing::debug!(x);\n    \
                tracing::trace!(event = \"c\");\n}\n\
                #[cfg(test)]\nmod tests {\n    tracing::info!(x);\n}\n";
    let mut found = events("src/x.rs", text);
    found.sort();
    assert_eq!(found, ["INFO b", "WARN a", "src/x.rs:7", "src/x.rs:8"]);
    let table = "| level | event |\n|---|---|\n| WARN | `a` | f | m |\n| text | `x` |\n";
    assert_eq!(listed(table), BTreeSet::from(["WARN a".to_owned()]));
}

/// The lines of a log, each an object with a name.
fn lines(log: &str) -> Vec<Value> {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        let name = line["event"].as_str().unwrap_or_default();
        assert_ne!(name, "", "an event without a name: {line}");
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_has_a_name_those_of_libraries_too() {
    for database in databases().await {
        let server = Server::start(
            offpeak()
                .args(["serve", "--database", &database.url()])
                .env("OFFPEAK_LOG", "debug,sqlx=trace,h2=trace"),
        );
        let client = reqwest::Client::builder()
            .no_proxy()
            .http2_prior_knowledge()
            .build()
            .unwrap();
        let asked = client.get(format!("{}/directory", server.api.public));
        assert!(asked.send().await.unwrap().status().is_success());
        server.api.admin_get("/v1/certificates").await;
        let lines = lines(&server.log());
        for library in ["sqlx", "h2"] {
            let theirs = lines.iter().find(|line| {
                let target = line["target"].as_str().unwrap_or_default();
                target.split("::").next() == Some(library)
            });
            let theirs = theirs.unwrap_or_else(|| panic!("no event of {library}"));
            assert_eq!(theirs["event"], "dependency", "{theirs}");
        }
        let ours = lines.iter().find(|line| line["event"] == "answered");
        assert_eq!(ours.unwrap()["level"], "DEBUG");
    }
}

/// sqlx warns of a statement that took more than a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_statement_is_logged_under_a_name() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    let server = Server::on(&database.url());
    let mut holder = crate::support::open_connection(&database.url()).await;
    holder.execute("BEGIN").await.unwrap();
    let lock = "LOCK TABLE certificates IN ACCESS EXCLUSIVE MODE";
    holder.execute(lock).await.unwrap();
    let api = server.api.clone();
    let asking = tokio::spawn(async move { api.admin_get("/v1/certificates").await });
    // By the database's own clock, so that the statement has been slow by anybody's.
    let waited = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                  AND clock_timestamp() - query_start > interval '1.2 s' \
                  AND query LIKE '%certificates%'";
    let deadline = Instant::now() + Duration::from_mins(1);
    // Within a transaction the activity stays as it was first seen.
    let mut watcher = crate::support::open_connection(&database.url()).await;
    loop {
        let row = watcher.fetch_one(waited).await.unwrap();
        if row.get::<i64, _>(0) > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder.execute("COMMIT").await.unwrap();
    assert!(asking.await.unwrap().status().is_success());
    let line: Value = serde_json::from_str(&server.logged("dependency")).unwrap();
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(
        line["target"].as_str().unwrap().starts_with("sqlx"),
        "{line}"
    );
    let said = line["message"].as_str().unwrap();
    assert!(said.contains("slow statement"), "{line}");
    lines(&server.log());
}
