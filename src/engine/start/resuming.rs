//! Restarts: the index from its file answers at once, while its certificates are summed. This
//! module handles the file, and waiting for the sums.

use std::fs::{File, Permissions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::stage::{Stage, ignore};
use crate::config::Config;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::index::{Header, Index, Snapshot, SnapshotExtras, Unusable};
use crate::engine::service::Engine;
use crate::store::Publication;

/// How often the index is written. A crash loses the polls since then, except those already stored.
/// 300 MB for ten million certificates are a third of a megabyte a second.
const EVERY_SECONDS: i64 = 15 * MINUTE;
/// The feed keeps removals for a day, so an older file may contain removed certificates.
const MOST_AGE_SECONDS: i64 = 20 * HOUR;
/// How long requests wait for the sums: as long as for an unresponsive database. A small registry
/// is summed by then; for a large one clients must try again.
const SUMMED_WITHIN: Duration = Duration::from_secs(5);

/// Reads the index's file. `None` if it cannot be used; if it exists, the reason is logged. `of` is
/// the store's key. If the key is unknown, the store is unavailable, and an old file is better than
/// none: certificates removed since are found when everything is summed.
pub(in crate::engine) async fn read(
    path: &Path,
    config: &Config,
    of: Option<HashKey>,
    now: Timestamp,
) -> Option<Snapshot> {
    let opened = path.to_owned();
    let reading = move || -> Result<Snapshot, Unusable> {
        let file = File::open(opened)?;
        let octets = file.metadata()?.len();
        Index::read_from(BufReader::new(file), octets, of)
    };
    let outcome = tokio::task::spawn_blocking(reading).await.ok()?;
    let reason = match outcome {
        Err(Unusable::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
        Ok(Snapshot { header, .. }) if header.claims != claims(config) => {
            "it was written under another configuration of CAs and issuers".to_owned()
        }
        Ok(Snapshot { header, .. }) if of.is_some() && is_old(header.written_at, now) => {
            format!("it was written at {}", header.written_at)
        }
        Ok(snapshot) => {
            tracing::info!(
                event = "snapshot_loaded",
                certificates = snapshot.index.certificates(),
                age_seconds = now - snapshot.header.written_at,
            );
            return Some(snapshot);
        }
    };
    ignore(path, &reason);
    None
}

/// Whether the feed may lack removals since then.
pub(in crate::engine) fn is_old(written_at: Timestamp, now: Timestamp) -> bool {
    !(0..=MOST_AGE_SECONDS).contains(&(now - written_at))
}

/// The assignment of issuers to CAs as one number, because entries refer to CAs by index.
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
    crate::domain::certificate::hash::content_number(&octets)
}

impl Engine {
    /// Whether the ledger and all other sums exist.
    #[must_use]
    pub fn is_summed(&self) -> bool {
        self.resuming.stage() == Stage::Ready
    }

    /// Waits a little until they exist; not at all if it is unknown when they will.
    pub(in crate::engine) async fn wait_until_ready(&self) -> Result<(), EngineError> {
        let mut stage = self.resuming.stage.subscribe();
        if *stage.borrow() == Stage::Offline {
            return Err(EngineError::NotSummed);
        }
        let ready = stage.wait_for(|stage| *stage == Stage::Ready);
        match tokio::time::timeout(SUMMED_WITHIN, ready).await {
            // It ends early only with the engine.
            Ok(_) => Ok(()),
            Err(_) => Err(EngineError::NotSummed),
        }
    }

    /// Sums everything, unless that was done at the start.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn sum_up(&self) -> Result<(), EngineError> {
        let mut position = self.feed.lock().await;
        // If that fails or is not sufficient, everything is read from the store.
        if !self.is_summed() && self.resuming.follows.swap(false, Ordering::Relaxed) {
            self.sum_index(&mut position).await?;
        }
        if !self.is_summed() {
            let config = Config::clone(&self.config());
            self.rebuild(config, &mut position).await?;
        }
        Ok(())
    }

    /// Writes the index's file if that is due.
    pub(in crate::engine) async fn keep_snapshot_if_due(&self) -> io::Result<()> {
        let age_seconds = self.now().unix() - self.resuming.written_at.load(Ordering::Relaxed);
        if age_seconds < EVERY_SECONDS {
            return Ok(());
        }
        self.keep_snapshot().await
    }

    /// Writes the index's file, if there is one and there is something to write.
    ///
    /// # Errors
    /// The file's; the previous one stays.
    pub async fn keep_snapshot(&self) -> io::Result<()> {
        let Some(path) = self.resuming.path.clone().filter(|_| self.is_summed()) else {
            return Ok(());
        };
        // The state, and the feed position that belongs to it.
        let position = self.feed.lock().await;
        let memory = self.memory();
        let header = Header {
            claims: claims(&memory.config),
            position: position.0,
            written_at: self.now(),
        };
        drop(position);
        let extras = SnapshotExtras {
            incidents: memory.incidents().values().cloned().collect(),
            publication: self.publication().map(|one| Publication::clone(&one)),
            awaited: memory.awaited.all(),
        };
        let writing = move || write(&path, &memory.index, header, &extras);
        let certificates = tokio::task::spawn_blocking(writing)
            .await
            .map_err(io::Error::other)??;
        let written_at = header.written_at.unix();
        self.resuming
            .written_at
            .store(written_at, Ordering::Relaxed);
        tracing::debug!(event = "index_written", certificates);
        Ok(())
    }
}

/// A reader finds the old file or the new one, at any moment and after a crash. It contains the
/// store's key, so only its owner may read it.
fn write(path: &Path, index: &Index, header: Header, extras: &SnapshotExtras) -> io::Result<u64> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".offpeak-tmp-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    let certificates = index.write_to(&mut buffered, header, extras)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()?;
    Ok(certificates)
}
