//! `kind = "log"`: a log file that grows, and its rotated ones.
//!
//! Each file is known by its beginning, so that a rotated one goes on where it was left under its old
//! name. The place in each, at the end of a line, is stored with the counts of the lines before it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::progress::{Batch, Progress, SourceError};
use crate::config::{LogConfig, SourceConfig, SourceKind};
use crate::domain::accesslog::Format;
use crate::domain::accesslog::tally::Tally;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Span, Timestamp};
use crate::engine::Engine;

mod chunk;
mod files;
mod place;

use files::Files;
use place::{Cursor, Place};

/// How often the files are looked at: what is new is counted within ten seconds, and a busy log makes
/// nine thousand commits a day.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Of lines about demand so many may be of another format before the source is said to fail: half.
const MOST_UNREADABLE: u64 = 2;

/// Follows a log for as long as it can be read.
pub(super) async fn read(
    progress: Progress,
    source: &SourceConfig,
    config: &LogConfig,
) -> Result<Infallible, SourceError> {
    let mut following = Following::new(progress, source, config)?;
    loop {
        following.catch_up().await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what a source's files have up to now, and ends: for commands and tests.
///
/// # Errors
/// [`SourceError`]; and where the source is no log.
pub async fn read_once(engine: &Arc<Engine>, source: &SourceConfig) -> Result<(), SourceError> {
    let SourceKind::Log(config) = &source.kind else {
        let reason = format!("{} is no log source", source.name);
        return Err(SourceError::Wrong(reason));
    };
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    let progress = Progress::open(engine, &source.name).await?;
    Following::new(progress, source, config)?.catch_up().await
}

struct Following {
    progress: Progress,
    cursor: Cursor,
    format: Format,
    ca: CaName,
    path: PathBuf,
    files: Files,
}

impl Following {
    fn new(
        progress: Progress,
        source: &SourceConfig,
        config: &LogConfig,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            cursor: progress.cursor()?,
            progress,
            format: config.format.clone(),
            ca: source.ca.clone().unwrap_or_default(),
            path: config.path.clone(),
            files: Files::default(),
        })
    }

    /// Reads everything that is new, the oldest file first.
    async fn catch_up(&mut self) -> Result<(), SourceError> {
        let path = self.path.clone();
        let failed = |source| SourceError::File {
            path: path.display().to_string(),
            source,
        };
        let found = files::found(&self.path).map_err(failed)?;
        let mut open = Vec::new();
        for file in found {
            if self.files.is_unchanged(&file) {
                continue;
            }
            self.read_file(&file).await?;
            open.push(file);
        }
        self.files.note(open);
        self.know_the_quiet().await
    }

    async fn read_file(&mut self, file: &files::File) -> Result<(), SourceError> {
        let failed = |source| SourceError::File {
            path: file.path.display().to_string(),
            source,
        };
        let mut reader = chunk::Reader::open(file, &mut self.cursor).map_err(failed)?;
        loop {
            let format = self.format.clone();
            // Counting is arithmetic and reading waits for the disk: neither on a thread that answers.
            let read = tokio::task::spawn_blocking(move || {
                let counted = reader.next(&format);
                counted.map(|counted| (reader, counted))
            });
            let read = read
                .await
                .map_err(|error| SourceError::Wrong(error.to_string()))?;
            let (next, counted) = read.map_err(failed)?;
            reader = next;
            let Some(counted) = counted else {
                return Ok(());
            };
            let place = reader.place().clone();
            self.count(&counted, &place, &file.path).await?;
        }
    }

    async fn count(
        &mut self,
        counted: &chunk::Counted,
        place: &Place,
        path: &Path,
    ) -> Result<(), SourceError> {
        let tally = &counted.tally;
        if tally.unreadable > 0 && tally.unreadable * MOST_UNREADABLE > tally.requests {
            return Err(SourceError::Wrong(format!(
                "{}: {} of {} lines about orders are not of the configured format",
                path.display(),
                tally.unreadable,
                tally.unreadable + tally.requests
            )));
        }
        let alive = self.cursor.alive_until(counted.first, counted.last);
        let batch = Batch {
            observations: tally.observations(&self.ca, self.progress.source(), alive),
            records: tally.requests,
            ..Batch::default()
        };
        self.cursor.set(place);
        let through = self.cursor.alive;
        let Self {
            progress, cursor, ..
        } = self;
        progress.advance(cursor, batch, through).await
    }

    /// A log that was read to its end and says nothing is alive, and nothing was asked: up to the minute
    /// before this one.
    async fn know_the_quiet(&mut self) -> Result<(), SourceError> {
        let now = self.progress.now();
        let this_minute = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
        let due = self
            .cursor
            .alive
            .is_some_and(|alive| this_minute - alive >= 5 * MINUTE);
        if !due {
            self.progress.read(0, self.cursor.alive);
            return Ok(());
        }
        let alive: Option<Span> = self.cursor.alive_until(None, Some(this_minute));
        let batch = Batch {
            observations: Tally::default().observations(&self.ca, self.progress.source(), alive),
            ..Batch::default()
        };
        let through = self.cursor.alive;
        let Self {
            progress, cursor, ..
        } = self;
        progress.advance(cursor, batch, through).await
    }
}
