//! `kind = "sql"`: a query to another database. It is back-filled first and then followed.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::columns::Rows;
use super::progress::{Batch, Progress, SourceError};
use crate::config::{SourceConfig, SqlConfig};
use crate::domain::time::{HOUR, MINUTE, Span, Timestamp};
use crate::store::outside;

/// How often the query runs.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The span of one query: 1 million rows at 300 rows a second.
const SPAN_SECONDS: i64 = HOUR;

/// After this time rows are available: a CA's transactions take seconds.
const LATE_SECONDS: i64 = 2 * MINUTE;

/// The most rows of an answer.
const MOST_ROWS: usize = 2_000_000;

/// The position in time.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// Rows before this have been counted.
    through: Option<Timestamp>,
}

/// Follows a query until it fails.
pub(super) async fn read(
    mut progress: Progress,
    source: &SourceConfig,
    config: &SqlConfig,
) -> Result<Infallible, SourceError> {
    loop {
        catch_up(&mut progress, source, config).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads everything up to now.
pub(super) async fn catch_up(
    progress: &mut Progress,
    source: &SourceConfig,
    config: &SqlConfig,
) -> Result<(), SourceError> {
    let row = config.columns.row_seconds;
    // A row is complete once its span is over. Queried spans begin where rows begin.
    let whole = |at: Timestamp| Timestamp::from_unix(at.slot(row) * row);
    let end = whole(progress.now() - LATE_SECONDS);
    let cursor: Cursor = progress.cursor()?;
    let mut from = cursor
        .through
        .unwrap_or_else(|| whole(end - config.backfill_seconds));
    let step = SPAN_SECONDS.max(row);
    while from < end {
        let to = (from + step).min(end);
        let batch = ask(source, config, Span { from, to }).await?;
        from = to;
        let through = Some(to);
        progress
            .advance(&Cursor { through }, batch, through)
            .await?;
    }
    Ok(())
}

async fn ask(source: &SourceConfig, config: &SqlConfig, span: Span) -> Result<Batch, SourceError> {
    let ca = source.ca.clone().unwrap_or_default();
    let mut rows = Rows::new(&config.columns, ca, &source.name, span).all_known();
    let columns: Vec<&str> = config
        .columns
        .columns
        .iter()
        .map(|(_, column)| column.as_str())
        .collect();
    let query = outside::Query {
        text: &config.query,
        columns: &columns,
        from: span.from.unix(),
        to: span.to.unix(),
        most_rows: MOST_ROWS,
    };
    let mut failed = None;
    let mut on_row = |values: &[String]| {
        if failed.is_none() {
            failed = rows.push(values.iter().map(String::as_str)).err();
        }
    };
    outside::ask(&config.database, query, &mut on_row)
        .await
        .map_err(|error| SourceError::Wrong(error.to_string()))?;
    if let Some(error) = failed {
        return Err(error);
    }
    let outside_span = rows.outside();
    let observations = rows.finish()?;
    if let Some(at) = outside_span {
        return Err(SourceError::Wrong(format!(
            "the query gives a row of {at} where those from {} up to {} were asked for: let it compare \
             with $1 and $2",
            span.from, span.to
        )));
    }
    Ok(Batch {
        records: observations.len() as u64,
        observations,
        ..Batch::default()
    })
}
