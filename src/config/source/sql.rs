//! `kind = "sql"`: a query to another database.

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value::{self, database_url};
use super::columns::{self, ColumnsConfig};
use crate::domain::time::DAY;

/// How far back a new source begins.
const USUAL_BACKFILL_SECONDS: i64 = 14 * DAY;

/// The longest query in bytes.
const MOST_QUERY_OCTETS: usize = 4_000;

/// A query, and the columns of its result.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlConfig {
    /// The database: `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The query, with two parameters in Unix seconds: the first instant, and the end of the span.
    pub query: String,
    /// The columns of its result.
    pub columns: ColumnsConfig,
    /// How far back a new source begins.
    pub backfill_seconds: i64,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<SqlConfig> {
    let database = section.require("database", problems, |v| {
        value::text(v).and_then(database_url)
    });
    let query = section.require("query", problems, |v| {
        let text = value::text(v)?.trim();
        if !(1..=MOST_QUERY_OCTETS).contains(&text.len()) {
            Err(format!("takes 1 to {MOST_QUERY_OCTETS} octets"))
        } else if text.ends_with(';') {
            Err("ends with a semicolon: write it without".to_owned())
        } else if !(text.contains("$1") && text.contains("$2")) {
            Err(
                "needs $1 and $2, the first second of the rows that are wanted and the first after \
                 them"
                .to_owned(),
            )
        } else {
            Ok(text.to_owned())
        }
    });
    let columns = columns::read(section, problems);
    let backfill = section.read("backfill", problems, |v| value::duration(v, 0..=400 * DAY));
    Some(SqlConfig {
        database: database?,
        query: query?,
        columns: columns?,
        backfill_seconds: backfill.unwrap_or(USUAL_BACKFILL_SECONDS),
    })
}
