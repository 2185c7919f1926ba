//! `kind = "folder"`: certificates placed in a folder are registered.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::progress::SourceError;
use crate::config::{FolderConfig, SourceConfig, SourceKind};
use crate::engine::Engine;
use crate::ingest::{KnownFile, register};
use watch::Watch;

#[cfg_attr(not(target_os = "linux"), path = "unwatched.rs")]
mod watch;

/// How often the folder is checked, even without notifications. A certificate gets its window
/// before its client wakes again.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The delay after a change, because whoever writes one file often writes another.
const GATHERED_WITHIN: Duration = Duration::from_millis(200);

/// After a change, the pause is this many times the duration of the last check, so that a folder of
/// a million files that changes constantly takes a fifth of a core.
const REST: u32 = 4;

/// The most files; for a CA's archive of a year, use `import certificates`.
const MOST_FILES: usize = 1_000_000;

/// The largest file: ten thousand certificates. For a larger one, use `import certificates`.
const MOST_OCTETS: u64 = 64 << 20;

/// A file's size and modification time.
type Stamp = (u64, SystemTime);

/// What is known about a folder.
#[derive(Debug, Default)]
struct Seen {
    /// The files already read. Registering a certificate again changes nothing, so after a restart
    /// all are read again.
    files: BTreeMap<PathBuf, Stamp>,
    /// The unreadable files and folders already reported.
    unreadable: BTreeSet<PathBuf>,
    /// The source of notifications; `None` without one.
    watch: Option<Arc<Watch>>,
}

/// The result of a check.
#[derive(Debug, Default)]
struct Found {
    files: BTreeMap<PathBuf, Stamp>,
    /// Subfolders that cannot be read.
    unreadable: Vec<(PathBuf, io::Error)>,
}

/// Follows a folder until it cannot be read.
pub(super) async fn read(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &FolderConfig,
) -> Result<Infallible, SourceError> {
    follow(engine, source, config, LOOK_EVERY).await
}

/// Follows a folder, checking it on notifications and regularly, for tests.
///
/// # Errors
/// [`SourceError`], also if the source is not a folder.
pub async fn read_every(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    every: Duration,
) -> Result<Infallible, SourceError> {
    let config = folder(source)?;
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    follow(engine, source, config, every).await
}

/// Reads what is in the folder now.
pub(super) async fn read_once(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &FolderConfig,
) -> Result<(), SourceError> {
    look_through(engine, &source.name, &config.path, &mut Seen::default()).await
}

fn folder(source: &SourceConfig) -> Result<&FolderConfig, SourceError> {
    let SourceKind::Folder(config) = &source.kind else {
        let reason = format!("{} is no folder", source.name);
        return Err(SourceError::Wrong(reason));
    };
    Ok(config)
}

async fn follow(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &FolderConfig,
    every: Duration,
) -> Result<Infallible, SourceError> {
    let watch = Watch::begin();
    if let Err(error) = &watch {
        tracing::info!(event = "folder_not_watched", source = source.name, %error);
    }
    let mut seen = Seen {
        watch: watch.ok().map(Arc::new),
        ..Seen::default()
    };
    loop {
        let begun = Instant::now();
        look_through(engine, &source.name, &config.path, &mut seen).await?;
        let took = begun.elapsed();
        let changed = async {
            match &seen.watch {
                Some(watch) => watch.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = changed => tokio::time::sleep(GATHERED_WITHIN.max(took * REST)).await,
            () = tokio::time::sleep(every) => {}
        }
    }
}

async fn look_through(
    engine: &Arc<Engine>,
    source: &str,
    folder: &Path,
    seen: &mut Seen,
) -> Result<(), SourceError> {
    let begun = engine.now();
    let (looked, watch) = (folder.to_owned(), seen.watch.clone());
    let found = tokio::task::spawn_blocking(move || find(&looked, watch.as_deref()));
    let found = found
        .await
        .map_err(|error| SourceError::Wrong(error.to_string()))?;
    let mut found = found.map_err(|source| SourceError::File {
        path: folder.display().to_string(),
        source,
    })?;
    let mut accepted = 0;
    for (path, is) in &found.files {
        if seen.files.get(path) == Some(is) {
            continue;
        }
        let opened = match KnownFile::open(path).await {
            Ok(opened) => opened,
            // It was there a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            // A key next to its certificate may be readable only by its owner; continue with the
            // other files.
            Err(error) => {
                found.unreadable.push((path.clone(), error));
                continue;
            }
        };
        // Keys and other files may lie next to certificates.
        if let Some(format) = opened.certificate_format() {
            let report = register(engine, format, opened.bytes_from(0)).await;
            let report = report.map_err(|error| SourceError::Wrong(error.to_string()))?;
            accepted += report.accepted;
        }
    }
    for (path, error) in &found.unreadable {
        // It is tried again the next time.
        found.files.remove(path);
        if !seen.unreadable.contains(path) {
            let path = path.display();
            tracing::warn!(event = "folder_file_unreadable", source, %path, %error);
        }
    }
    seen.unreadable = found.unreadable.into_iter().map(|(path, _)| path).collect();
    seen.files = found.files;
    engine.source_read(source, accepted, Some(begun));
    Ok(())
}

/// The files in a folder and its subfolders, with their sizes and dates. Each folder is watched
/// before it is read. Links to files are followed, links to folders are not, so that there are no
/// cycles.
fn find(folder: &Path, watch: Option<&Watch>) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        if let Some(watch) = watch {
            // If it cannot be watched, it is still checked regularly.
            let _ = watch.add(&inner);
        }
        match list(&inner, &mut folders, &mut found.files) {
            Ok(()) => {}
            Err(error) if inner == folder => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found.unreadable.push((inner, error)),
        }
        if found.files.len() > MOST_FILES {
            let reason = format!("it holds more than {MOST_FILES} files");
            return Err(io::Error::other(reason));
        }
    }
    Ok(found)
}

fn list(
    folder: &Path,
    folders: &mut Vec<PathBuf>,
    files: &mut BTreeMap<PathBuf, Stamp>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
            continue;
        }
        let Ok(metadata) = fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() && metadata.len() <= MOST_OCTETS {
            files.insert(entry.path(), (metadata.len(), metadata.modified()?));
        }
        if files.len() > MOST_FILES {
            break;
        }
    }
    Ok(())
}
