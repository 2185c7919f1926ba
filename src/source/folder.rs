//! `kind = "folder"`: certificates that somebody puts into a folder are registered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::progress::SourceError;
use crate::config::{FolderConfig, SourceConfig, SourceKind};
use crate::engine::Engine;
use crate::ingest::{KnownFile, register};

/// How often the folder is looked through: a certificate has its window before its client wakes again.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Files that are looked at: a CA's archive of a year and more is a matter for `import certificates`.
const MOST_FILES: usize = 1_000_000;

/// The longest file: ten thousand certificates. A longer one is a matter for `import certificates` too.
const MOST_OCTETS: u64 = 64 << 20;

/// The files that were read, by their size and date: registering one again changes nothing, so after a
/// restart all are read again.
#[derive(Debug, Default)]
struct Seen(BTreeMap<PathBuf, (u64, SystemTime)>);

/// Follows a folder for as long as it can be read.
pub(super) async fn read(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &FolderConfig,
) -> Result<Infallible, SourceError> {
    let mut seen = Seen::default();
    loop {
        look_through(engine, &source.name, &config.path, &mut seen).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what is in the folder now, and ends: for commands and tests.
///
/// # Errors
/// [`SourceError`]; and where the source is no folder.
pub async fn read_once(engine: &Arc<Engine>, source: &SourceConfig) -> Result<(), SourceError> {
    let SourceKind::Folder(config) = &source.kind else {
        let reason = format!("{} is no folder", source.name);
        return Err(SourceError::Wrong(reason));
    };
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    look_through(engine, &source.name, &config.path, &mut Seen::default()).await
}

async fn look_through(
    engine: &Arc<Engine>,
    source: &str,
    folder: &Path,
    seen: &mut Seen,
) -> Result<(), SourceError> {
    let failed = |path: &Path, source| SourceError::File {
        path: path.display().to_string(),
        source,
    };
    let begun = engine.now();
    let looked = folder.to_owned();
    let files = tokio::task::spawn_blocking(move || files(&looked));
    let files = files
        .await
        .map_err(|error| SourceError::Wrong(error.to_string()))?;
    let files = files.map_err(|error| failed(folder, error))?;
    let mut accepted = 0;
    for (path, is) in &files {
        if seen.0.get(path) == Some(is) {
            continue;
        }
        let opened = match KnownFile::open(path).await {
            Ok(opened) => opened,
            // It was there a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(path, error)),
        };
        // Keys and other files lie beside certificates.
        if let Some(format) = opened.certificate_format() {
            let report = register(engine, format, opened.bytes_from(0)).await;
            let report = report.map_err(|error| SourceError::Wrong(error.to_string()))?;
            accepted += report.accepted;
        }
    }
    seen.0 = files;
    engine.source_read(source, accepted, Some(begun));
    Ok(())
}

/// The files in a folder and the folders in it, with their sizes and dates. Linked files count, linked
/// folders do not, so that there are no circles.
fn files(folder: &Path) -> io::Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
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
                found.insert(entry.path(), (metadata.len(), metadata.modified()?));
            }
            if found.len() > MOST_FILES {
                let reason = format!("it holds more than {MOST_FILES} files");
                return Err(io::Error::other(reason));
            }
        }
    }
    Ok(found)
}
