//! The files of a log: the one being written, and the rotated ones next to it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The compression of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Packing {
    /// gzip, `.gz`.
    Gzip,
    /// Zstandard, `.zst`.
    Zstd,
}

/// A log file and its attributes when it was listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) octets: u64,
    modified: SystemTime,
    pub(super) packed: Option<Packing>,
}

impl File {
    /// Whether both are the same file, whatever its content.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The files that were read to their end.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<File>);

impl Files {
    /// Whether a file was read to its end and has not changed since.
    pub(super) fn is_unchanged(&self, file: &File) -> bool {
        self.0.contains(file)
    }

    /// Records that these files were read to their end.
    pub(super) fn note(&mut self, files: Vec<File>) {
        for file in files {
            self.0.retain(|known| known.path != file.path);
            self.0.push(file);
        }
        self.0.retain(|file| file.path.exists());
    }
}

/// The file at a path, and those whose names continue after a dot or a hyphen, such as `x.1`,
/// `x.2.gz`, `x.3.zst` and `x-20261128`. The one written longest ago comes first, the one at the
/// path last.
pub(super) fn found(path: &Path) -> io::Result<Vec<File>> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "it names no file");
    let name = path
        .file_name()
        .and_then(OsStr::to_str)
        .ok_or_else(missing)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let other = entry.file_name();
        let Some(rest) = other.to_str().and_then(|other| other.strip_prefix(name)) else {
            continue;
        };
        if !(rest.is_empty() || rest.starts_with(['.', '-'])) || is_packed_otherwise(rest) {
            continue;
        }
        // A missing file was rotated; it is found under its new name the next time.
        let Ok(metadata) = std::fs::metadata(entry.path()) else {
            continue;
        };
        if metadata.is_file() {
            found.push(File {
                path: entry.path(),
                device: metadata.dev(),
                inode: metadata.ino(),
                octets: metadata.len(),
                modified: metadata.modified()?,
                packed: packing(&entry.path()),
            });
        }
    }
    if found.is_empty() {
        return Err(missing());
    }
    found.sort_by(|one, other| {
        let key = |file: &File| (file.path == *path, file.modified, file.path.clone());
        key(one).cmp(&key(other))
    });
    Ok(found)
}

fn packing(path: &Path) -> Option<Packing> {
    match path.extension()?.to_str()? {
        "gz" => Some(Packing::Gzip),
        "zst" => Some(Packing::Zstd),
        _ => None,
    }
}

/// Other compressions are not supported; as text the file would only be unreadable.
fn is_packed_otherwise(rest: &str) -> bool {
    [".xz", ".bz2", ".lz4", ".tmp", ".swp"]
        .iter()
        .any(|end| rest.ends_with(end))
}
