//! `kind = "csv"`: a file to which load is exported, read again when it has changed.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::columns::Rows;
use super::progress::{Batch, Progress, SourceError};
use crate::config::{CsvConfig, SourceConfig};
use crate::domain::demand::observation::Observation;
use crate::domain::time::{MINUTE, Span, Timestamp};

/// How often the file is checked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The largest file: ten million rows of 100 octets, read in some seconds.
const MOST_OCTETS: u64 = 1 << 30;

/// Counts written to the database in one step.
const STEP: usize = 10_000;

/// The position in the file.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// Rows before this have been counted, or came too late.
    through: Option<Timestamp>,
    /// The file's length and date when it was last read, the date in nanoseconds since 1970.
    seen: Option<(u64, u64)>,
}

/// Follows a file until it cannot be read.
pub(super) async fn read(
    mut progress: Progress,
    source: &SourceConfig,
    config: &CsvConfig,
) -> Result<Infallible, SourceError> {
    loop {
        look(&mut progress, source, config).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads the present content.
pub(super) async fn look(
    progress: &mut Progress,
    source: &SourceConfig,
    config: &CsvConfig,
) -> Result<(), SourceError> {
    let mut cursor: Cursor = progress.cursor()?;
    let file = |source| SourceError::File {
        path: config.path.display().to_string(),
        source,
    };
    let (length, changed) = stamp(&config.path).await.map_err(file)?;
    if cursor.seen == Some((length, changed)) {
        progress.read(0, cursor.through);
        return Ok(());
    }
    if length > MOST_OCTETS {
        let reason = format!(
            "{} has more than {MOST_OCTETS} octets",
            config.path.display()
        );
        return Err(SourceError::Wrong(reason));
    }
    // A row is complete if its span was over when the file was written.
    let written = i64::try_from(changed / 1_000_000_000).unwrap_or(i64::MAX);
    let over = Timestamp::from_unix(written)
        .min(progress.now())
        .slot(MINUTE)
        * MINUTE;
    // An event has no span, and is added to those of its minute.
    let (spans, step_seconds) = if config.columns.has("count") {
        (config.columns.row_seconds - 1, 1)
    } else {
        (0, MINUTE)
    };
    let end = Timestamp::from_unix(over - spans);
    let from = cursor.through.unwrap_or(Timestamp::MIN);
    let counts = if end > from {
        let (source, config) = (source.clone(), config.clone());
        let span = Span { from, to: end };
        let reading = tokio::task::spawn_blocking(move || counts(&source, &config, span));
        reading
            .await
            .map_err(|error| SourceError::Wrong(error.to_string()))??
    } else {
        Vec::new()
    };
    // The file was replaced or extended while it was read; the next check decides.
    if stamp(&config.path).await.map_err(file)? != (length, changed) {
        return Ok(());
    }
    let mut rest = counts.as_slice();
    while !rest.is_empty() {
        // Steps end between two instants, because the cursor is an instant.
        let most = rest.len().min(STEP);
        let last = rest[most - 1].at;
        let step = rest.partition_point(|one| one.at <= last);
        let (now, later) = rest.split_at(step);
        cursor.through = Some(last + step_seconds);
        advance(progress, &cursor, now.to_vec()).await?;
        rest = later;
    }
    cursor.through = Some(end.max(from));
    cursor.seen = Some((length, changed));
    advance(progress, &cursor, Vec::new()).await
}

async fn advance(
    progress: &mut Progress,
    cursor: &Cursor,
    observations: Vec<Observation>,
) -> Result<(), SourceError> {
    let batch = Batch {
        records: observations.len() as u64,
        observations,
        ..Batch::default()
    };
    progress.advance(cursor, batch, cursor.through).await
}

async fn stamp(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = tokio::fs::metadata(path).await?;
    let changed = metadata.modified()?;
    let since = changed.duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_nanos();
    Ok((metadata.len(), u64::try_from(since).unwrap_or(u64::MAX)))
}

fn counts(
    source: &SourceConfig,
    config: &CsvConfig,
    span: Span,
) -> Result<Vec<Observation>, SourceError> {
    let path = config.path.display();
    let wrong = |reason: String| SourceError::Wrong(format!("{path}: {reason}"));
    let opened = File::open(&config.path).map_err(|source| SourceError::File {
        path: path.to_string(),
        source,
    })?;
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(BufReader::with_capacity(1 << 16, opened));
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?;
    let mut places = Vec::new();
    for (field, column) in &config.columns.columns {
        let place = header
            .iter()
            .position(|name| name.trim_start_matches('\u{feff}').trim() == column);
        places.push(place.ok_or_else(|| {
            let names: Vec<&str> = header.iter().take(50).collect();
            wrong(format!(
                "no column is named {column:?}, which columns.{field} names; there are {}",
                names.join(", ")
            ))
        })?);
    }
    let ca = source.ca.clone().unwrap_or_default();
    let mut rows = Rows::new(&config.columns, ca, &source.name, span);
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| wrong(error.to_string()))?
    {
        rows.push(places.iter().map(|place| record.get(*place).unwrap_or("")))?;
    }
    rows.finish().map_err(|error| wrong(error.to_string()))
}
