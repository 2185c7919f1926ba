//! `kind = "log"`: a growing log file, and its rotated files.
//!
//! Each file is identified by its beginning, so that a rotated one continues at its position. The
//! position in each, at the end of a line, is stored with the counts of the lines before it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use super::progress::{Batch, Progress, SourceError};
use crate::config::{LogConfig, SourceConfig};
use crate::domain::accesslog::tally::Tally;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::demand::observation::Observation;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{DAY, MINUTE, Span, Timestamp};

mod certificates;
mod chunk;
mod files;
mod place;

use chunk::Reading;
use files::Files;
use place::{Cursor, Place};

/// How often the files are checked. New lines are counted within ten seconds, and a busy log causes
/// nine thousand commits a day.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// After a longer silence the log may be written elsewhere. Taking silence for low load would draw
/// clients into hours that may be busy. The next line shows that it was in fact quiet.
const LONGEST_SILENCE_SECONDS: i64 = DAY;

/// Follows a log until it cannot be read.
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

/// Reads everything that the files have now.
pub(super) async fn read_once(
    progress: Progress,
    source: &SourceConfig,
    config: &LogConfig,
) -> Result<(), SourceError> {
    Following::new(progress, source, config)?.catch_up().await
}

struct Following {
    progress: Progress,
    cursor: Cursor,
    reading: Reading,
    ca: CaName,
    /// The vantage of the counts. Counts of several processes with the same vantage are added.
    vantage: String,
    path: PathBuf,
    files: Files,
    /// The log's newest file, as it was when read to its end.
    newest: Option<files::File>,
    /// Whether lines after the known ones are lost.
    lost: bool,
}

impl Following {
    fn new(
        progress: Progress,
        source: &SourceConfig,
        config: &LogConfig,
    ) -> Result<Self, SourceError> {
        let mut cursor: Cursor = progress.cursor()?;
        cursor.adopt();
        // Lines skipped under another format may have contained demand that nobody counted.
        let now = format!("{:?}", config.format);
        let lost = cursor.doubtful.as_ref().is_some_and(|then| *then != now);
        Ok(Self {
            cursor,
            lost,
            progress,
            reading: Reading {
                format: config.format.clone(),
                by_client: config.by_client,
            },
            ca: source.ca.clone().unwrap_or_default(),
            vantage: config
                .vantage
                .clone()
                .unwrap_or_else(|| source.name.clone()),
            path: config.path.clone(),
            files: Files::default(),
            newest: None,
        })
    }

    /// Reads everything that is new, oldest file first.
    async fn catch_up(&mut self) -> Result<(), SourceError> {
        let path = self.path.clone();
        let failed = |source| SourceError::File {
            path: path.display().to_string(),
            source,
        };
        let found = files::found(&self.path).map_err(failed)?;
        let newest = found.last().cloned();
        let mut open = Vec::new();
        // On the first start nothing can be missing before the oldest file.
        let mut continues = self.cursor.alive.is_none();
        for file in found {
            let last = self.newest.as_ref();
            if self.files.is_unchanged(&file) {
                continues |= last == Some(&file);
                continue;
            }
            // A file that was empty then cannot be identified otherwise.
            continues |= last.is_some_and(|last| last.octets == 0 && last.is_same_as(&file));
            let is_newest = newest.as_ref() == Some(&file);
            match self.read_file(&file, is_newest, &mut continues).await {
                // A rotated file that is unreadable, or was compressed onto a full disk, is lost.
                Err(error @ SourceError::File { .. }) if !is_newest => {
                    let source = self.progress.source();
                    tracing::warn!(event = "log_file_passed_over", source, %error);
                    continues = false;
                }
                read => read?,
            }
            open.push(file);
        }
        self.files.note(open);
        self.newest = newest;
        self.know_the_quiet(continues).await
    }

    /// Reads a file to its end. `continues` says whether it follows what is known of the log. After
    /// its first new line the next file does.
    async fn read_file(
        &mut self,
        file: &files::File,
        is_newest: bool,
        continues: &mut bool,
    ) -> Result<(), SourceError> {
        let failed = |source| SourceError::File {
            path: file.path.display().to_string(),
            source,
        };
        let opened = chunk::Reader::open(file, &mut self.cursor).map_err(failed)?;
        let Some(mut reader) = opened else {
            return Ok(());
        };
        *continues |= reader.continues();
        let is_known = reader.is_known();
        if is_newest && reader.place().head_octets > 0 {
            self.cursor.set_newest(reader.place());
        }
        // Lines about demand that are not in the format, before the first one that is.
        let mut unreadable = 0;
        loop {
            let reading = self.reading.clone();
            // Counting is computation and reading waits for the disk, so neither runs on a thread
            // that answers.
            let read = tokio::task::spawn_blocking(move || {
                let counted = reader.next(&reading);
                counted.map(|counted| (reader, counted))
            });
            let read = read
                .await
                .map_err(|error| SourceError::Wrong(error.to_string()))?;
            let (next, counted) = read.map_err(failed)?;
            reader = next;
            let Some(counted) = counted else {
                break;
            };
            if counted.fits() {
                reader.note_that_it_fits();
            }
            unreadable += counted.tally.unreadable;
            // Whether the format is wrong is judged by the whole file, because clients can cause
            // unreadable lines. Until a line is readable there is nothing to count, so nothing is
            // lost by continuing.
            if !reader.place().fits && unreadable > 0 {
                continue;
            }
            let missing = self.lost || !*continues && !is_known;
            if missing && let Some(first) = counted.first {
                self.cursor.resume_at(first);
                (self.lost, *continues) = (false, true);
            }
            let place = Place {
                newest: is_newest || reader.place().newest,
                ..reader.place().clone()
            };
            self.count(&counted, &place).await?;
            if unreadable > 0 {
                let what = format!(
                    "{}: lines about orders that are not of the configured format",
                    file.path.display()
                );
                let source = self.progress.source();
                self.progress
                    .engine()
                    .source_skipped(source, unreadable, &what);
                unreadable = 0;
            }
        }
        if unreadable == 0 {
            return Ok(());
        }
        Err(SourceError::Wrong(format!(
            "{}: none of {unreadable} lines about orders is of the configured format",
            file.path.display()
        )))
    }

    async fn count(&mut self, counted: &chunk::Counted, place: &Place) -> Result<(), SourceError> {
        let tally = &counted.tally;
        // If lines are unreadable and none is readable, it is unknown whether there was demand,
        // until a line in the format appears.
        if counted.fits() {
            self.cursor.doubtful = None;
        } else if tally.unreadable > 0 {
            self.cursor.doubtful = Some(format!("{:?}", self.reading.format));
        }
        // The time of a clock that is ahead of ours says nothing about the future.
        let last = counted.last.map(|last| last.min(self.progress.now()));
        let alive = if self.cursor.doubtful.is_some() {
            None
        } else {
            self.cursor.alive_until(counted.first, last)
        };
        let issuer = self.issuer();
        let shown = counted.shown.iter();
        let batch = Batch {
            observations: self.observations(tally, alive),
            certificates: shown
                .filter_map(|shown| certificates::submission(shown, issuer.as_ref()))
                .collect(),
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

    fn observations(&self, tally: &Tally, alive: Option<Span>) -> Vec<Observation> {
        let complete = (alive, self.reading.format.kinds());
        tally.observations(&self.ca, &self.vantage, complete)
    }

    /// The CA's issuer, if it has only one, for lines that contain only a certificate's dates.
    fn issuer(&self) -> Option<KeyIdentifier> {
        let config = self.progress.engine().config();
        let policy = config.cas.iter().find(|policy| policy.name == self.ca)?;
        match &policy.issuers[..] {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// If a log was read to its end and has no new lines, it is alive and there was no demand, up
    /// to the minute before this one. Not if earlier lines are lost and its newest file is empty.
    async fn know_the_quiet(&mut self, continues: bool) -> Result<(), SourceError> {
        let now = self.progress.now();
        let this_minute = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
        let due = self
            .cursor
            .alive
            .is_some_and(|alive| this_minute - alive >= 5 * MINUTE);
        let spoken = self.cursor.spoken.or(self.cursor.alive);
        let silent = spoken.is_none_or(|spoken| now - spoken > LONGEST_SILENCE_SECONDS);
        let says_nothing = continues && silent || self.cursor.doubtful.is_some() || self.lost;
        if !due || says_nothing {
            self.progress.read(0, self.cursor.alive);
            return Ok(());
        }
        let alive: Option<Span> = self.cursor.alive_until(None, Some(this_minute));
        let alive = alive.filter(|_| continues);
        let batch = Batch {
            observations: self.observations(&Tally::default(), alive),
            ..Batch::default()
        };
        let through = self.cursor.alive;
        let Self {
            progress, cursor, ..
        } = self;
        progress.advance(cursor, batch, through).await
    }
}
