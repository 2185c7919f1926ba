//! Writes files safely. At any moment, also after a crash, a reader finds each file complete, old
//! or new, and no file that refers to a missing one.

use std::collections::HashSet;
use std::fs::{self, File as Handle};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::{Builder, TempPath};

use super::plan::File;
use crate::domain::time::Timestamp;

/// The prefix of temporary files; a crash may leave one behind.
const TEMPORARY: &str = ".offpeak-tmp-";

/// What was done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Applied {
    /// Files written.
    pub written: usize,
    /// Files that already had the right content.
    pub unchanged: usize,
    /// Signatures by a previous key that were removed, because files are no longer signed.
    pub unsigned: usize,
}

/// A file could not be written. Earlier files are in place; this and later ones are unchanged.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct ApplyError {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Writes `files` into `root`, which is created if necessary. All are first written under temporary
/// names and then renamed in order, so that a lack of space or permissions changes nothing. Other
/// files stay, because someone may still be reading older copies. Two writers of the same tree wait
/// for each other.
///
/// # Errors
/// [`ApplyError`] names the file. Unless a rename failed, nothing has changed.
pub fn apply(files: &[File], root: &Path) -> Result<Applied, ApplyError> {
    make_folder(root)?;
    let lock = Handle::open(root).map_err(failed("open", root))?;
    lock.lock().map_err(failed("lock", root))?;
    let mut applied = Applied::default();
    let mut tidy = HashSet::new();
    let mut aside = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        let folder = path.parent().unwrap_or(root);
        if tidy.insert(folder.to_owned()) {
            make_folder(folder)?;
            remove_leftovers(folder)?;
        }
        match fs::read(&path) {
            Ok(there) if there == *file.bytes => applied.unchanged += 1,
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(failed("read", &path)(e));
            }
            _ => {
                let written = write_aside(&path, folder, &file.bytes)?;
                aside.push((written, path));
            }
        }
    }
    for (written, path) in aside {
        written
            .persist(&path)
            .map_err(|e| failed("rename a temporary file to", &path)(e.error))?;
        sync(path.parent().unwrap_or(root))?;
        applied.written += 1;
    }
    Ok(applied)
}

/// Removes these files in order; returns how many existed.
///
/// # Errors
/// [`ApplyError`] names the file.
pub fn remove(root: &Path, paths: &[String]) -> Result<usize, ApplyError> {
    let lock = Handle::open(root).map_err(failed("open", root))?;
    lock.lock().map_err(failed("lock", root))?;
    let mut removed = 0;
    for path in paths {
        let path = root.join(path);
        match fs::remove_file(&path) {
            Ok(()) => {
                sync(path.parent().unwrap_or(root))?;
                removed += 1;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("remove", &path)(error)),
        }
    }
    Ok(removed)
}

/// In the folders directly below `below`, removes the files that `is_old` selects by path and that
/// were written before `before`, then empty folders. Returns the number of files.
///
/// # Errors
/// [`ApplyError`] names the file.
pub fn forget(
    root: &Path,
    below: &Path,
    before: Timestamp,
    is_old: &dyn Fn(&str) -> bool,
) -> Result<usize, ApplyError> {
    let lock = Handle::open(root).map_err(failed("open", root))?;
    lock.lock().map_err(failed("lock", root))?;
    let mut removed = 0;
    for folder in names(&root.join(below))? {
        if !folder.is_dir() {
            continue;
        }
        for file in names(&folder)? {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy();
            let metadata = fs::metadata(&file).map_err(failed("read", &file))?;
            let written = metadata.modified().map_err(failed("read", &file))?;
            if is_old(&name.replace('\\', "/")) && before_then(written, before) {
                fs::remove_file(&file).map_err(failed("remove", &file))?;
                removed += 1;
            }
        }
        if names(&folder)?.is_empty() {
            fs::remove_dir(&folder).map_err(failed("remove", &folder))?;
        }
    }
    Ok(removed)
}

fn before_then(written: SystemTime, then: Timestamp) -> bool {
    let since = written.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    i64::try_from(seconds).is_ok_and(|seconds| Timestamp::from_unix(seconds) < then)
}

/// The content of a folder; empty if it does not exist.
fn names(folder: &Path) -> Result<Vec<PathBuf>, ApplyError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths
        .collect::<io::Result<_>>()
        .map_err(failed("list", folder))
}

/// A complete and durable file under a temporary name. It is closed, because a tree may have more
/// files than a process may have open.
fn write_aside(path: &Path, folder: &Path, bytes: &[u8]) -> Result<TempPath, ApplyError> {
    let mut temporary = create(folder).map_err(failed("make a temporary file in", folder))?;
    temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(failed("write a temporary file for", path))?;
    Ok(temporary.into_temp_path())
}

/// Readable by the web server: 0666 minus the process's umask.
#[cfg(unix)]
fn create(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;
    Builder::new()
        .prefix(TEMPORARY)
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(not(unix))]
fn create(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    Builder::new().prefix(TEMPORARY).tempfile_in(folder)
}

/// Creates a folder and its parents, making each durable before the next.
fn make_folder(folder: &Path) -> Result<(), ApplyError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make the folder", folder)(e));
        }
        _ => {}
    }
    sync(above)
}

/// Safe while holding the lock, because nobody else is writing.
fn remove_leftovers(folder: &Path) -> Result<(), ApplyError> {
    let read = |e| failed("list", folder)(e);
    for entry in fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            let path = entry.path();
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// A rename becomes durable when its folder is synced.
fn sync(folder: &Path) -> Result<(), ApplyError> {
    Handle::open(folder)
        .and_then(|handle| handle.sync_all())
        .map_err(failed("sync the folder", folder))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ApplyError {
    let path = path.to_owned();
    move |source| ApplyError {
        operation,
        path,
        source,
    }
}
