//! Restarts: the index from its file answers at once, while all is summed anew from the store.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::watch;

use super::clock::Clock;
use super::index::{Header, Index, Unusable};
use super::world::World;
use super::{Engine, EngineError};
use crate::config::Config;
use crate::domain::hash::HashKey;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::store::{FeedPosition, Store};

/// How often the index is written: what polls showed since is lost in a crash, but for what the
/// store was told. 300 MB of ten million certificates in this time are a third of a megabyte a
/// second.
const EVERY_SECONDS: i64 = 15 * MINUTE;
/// The feed tells removals for a day: what is older than this may hold what was removed.
const MOST_AGE_SECONDS: i64 = 20 * HOUR;

/// The index's file, and how far a process has come that began with it.
#[derive(Debug)]
pub(super) struct Resuming {
    /// `None`: no file is kept.
    path: Option<PathBuf>,
    written_at: AtomicI64,
    /// Whether the ledger and all other sums are there, or the index alone.
    summed: watch::Sender<bool>,
}

impl Resuming {
    /// Everything is summed, and no file kept.
    pub(super) fn complete() -> Self {
        Self {
            path: None,
            written_at: AtomicI64::new(0),
            summed: watch::Sender::new(true),
        }
    }

    /// With a file.
    pub(super) fn at(path: PathBuf, now: Timestamp, summed: bool) -> Self {
        Self {
            path: Some(path),
            written_at: AtomicI64::new(now.unix()),
            summed: watch::Sender::new(summed),
        }
    }
}

/// Reads the index's file; `None`, and a line in the log where there is one, if it is of no use.
pub(super) async fn read(
    path: &Path,
    config: &Config,
    key: HashKey,
    now: Timestamp,
) -> Option<(Index, FeedPosition)> {
    let opened = path.to_owned();
    let reading = move || -> Result<(Index, Header), Unusable> {
        let file = File::open(opened)?;
        let octets = file.metadata()?.len();
        Index::read_from(BufReader::new(file), octets, key)
    };
    let outcome = tokio::task::spawn_blocking(reading).await.ok()?;
    let reason = match outcome {
        Err(Unusable::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
        Ok((_, header)) if header.claims != claims(config) => {
            "it was written under another configuration of CAs and issuers".to_owned()
        }
        Ok((_, header)) if !(0..=MOST_AGE_SECONDS).contains(&(now - header.written_at)) => {
            format!("it was written at {}", header.written_at)
        }
        Ok((index, header)) => {
            tracing::info!(
                event = "snapshot_loaded",
                certificates = index.certificates(),
                age_seconds = now - header.written_at,
            );
            return Some((index, FeedPosition(header.position)));
        }
    };
    tracing::warn!(event = "snapshot_ignored", path = %path.display(), reason);
    None
}

/// Which issuers belong to which CA, as one number: what entries name is a CA's place.
fn claims(config: &Config) -> i64 {
    let mut octets = vec![u8::from(config.strict_issuers)];
    for ca in &config.cas {
        octets.extend(ca.name.as_str().as_bytes());
        octets.push(0);
        for issuer in &ca.issuers {
            octets.push(1);
            octets.extend(issuer.octets().len().to_le_bytes());
            octets.extend(issuer.octets());
        }
    }
    crate::domain::hash::content_number(&octets)
}

impl Engine {
    /// As [`Engine::open`], and answers before everything is summed where `snapshot` names the file
    /// that such an engine wrote: what is summed is summed by [`Engine::run`], and whoever
    /// registers or publishes waits for it. The file is written anew from time to time, and by
    /// [`Engine::keep_snapshot`].
    ///
    /// # Errors
    /// [`EngineError::Store`] where the store cannot be read.
    pub async fn resume(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        snapshot: PathBuf,
    ) -> Result<Arc<Self>, EngineError> {
        let key = store.hash_key().await?;
        let now = clock.now();
        let Some((index, position)) = read(&snapshot, &config, key, now).await else {
            let resuming = Resuming::at(snapshot, now, true);
            return Self::open_with(store, config, clock, resuming).await;
        };
        let world = World::around(index, config, key, now);
        for incident in store.incidents().await? {
            world.heed(incident);
        }
        let publication = store.publication_after(0).await?.map(Arc::new);
        let resuming = Resuming::at(snapshot, now, false);
        let engine = Self::new(store, clock, key, world, position, publication, resuming);
        // What was written since the file: with the index alone, it does not matter what else it
        // would change.
        let mut position = engine.feed.lock().await;
        engine.read_feed(&engine.world(), &mut position).await?;
        drop(position);
        Ok(Arc::new(engine))
    }

    /// Whether the ledger and all other sums are there.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        *self.resuming.summed.borrow()
    }

    /// Waits until they are.
    pub(super) async fn summed(&self) {
        let mut summed = self.resuming.summed.subscribe();
        // It ends early only with the engine.
        let _ = summed.wait_for(|summed| *summed).await;
    }

    /// They are.
    pub(super) fn note_summed(&self) {
        self.resuming.summed.send_replace(true);
    }

    /// Sums everything from the store, where that was not done at the start.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn sum_up(&self) -> Result<(), EngineError> {
        let mut position = self.feed.lock().await;
        if !self.is_summed() {
            let config = Config::clone(&self.config());
            self.sum_anew(config, &mut position).await?;
        }
        Ok(())
    }

    /// Writes the index's file where that is due.
    pub(super) async fn keep_snapshot_if_due(&self) -> io::Result<()> {
        let age_seconds = self.now().unix() - self.resuming.written_at.load(Ordering::Relaxed);
        if age_seconds < EVERY_SECONDS {
            return Ok(());
        }
        self.keep_snapshot().await
    }

    /// Writes the index's file, where one is kept and there is something to be kept.
    ///
    /// # Errors
    /// Those of the file: the one before stays.
    pub async fn keep_snapshot(&self) -> io::Result<()> {
        let Some(path) = self.resuming.path.clone().filter(|_| self.is_summed()) else {
            return Ok(());
        };
        // The world and the position that belongs to it.
        let position = self.feed.lock().await;
        let world = self.world();
        let header = Header {
            claims: claims(&world.config),
            position: position.0,
            written_at: self.now(),
        };
        drop(position);
        let writing = move || write(&path, &world.index, header);
        let certificates = tokio::task::spawn_blocking(writing)
            .await
            .map_err(io::Error::other)??;
        let written_at = header.written_at.unix();
        self.resuming
            .written_at
            .store(written_at, Ordering::Relaxed);
        tracing::debug!(certificates, "the index was written");
        Ok(())
    }
}

/// Whoever reads the file, at any moment or after a crash, finds the old one or the new one.
fn write(path: &Path, index: &Index, header: Header) -> io::Result<u64> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".offpeak-tmp-")
        .tempfile_in(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    let certificates = index.write_to(&mut buffered, header)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(certificates)
}
