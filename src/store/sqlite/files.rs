//! The database's files: accessible only to their owner, and checked against replacement.
//!
//! An open file that is deleted or replaced continues to exist without a name, and everything written
//! to it is lost when the process ends. So the names must lead to the files that were opened. The log
//! (`-wal`) has the newest commits. A process that opens a replaced shared memory (`-shm`) does not
//! share locks with us, and would write at the same time. So all three files are checked.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The suffix that SQLite gives to the log.
const LOG: &str = "-wal";
/// … and to the memory that connections share.
const SHARED_MEMORY: &str = "-shm";
/// Only the owner may read and write. SQLite gives the same permissions to the log and the shared
/// memory.
const RIGHTS: u32 = 0o600;
/// The permissions of all other users.
const OF_OTHERS: u32 = 0o077;

/// The files of an open database.
#[derive(Debug)]
pub(super) struct Files {
    database: Opened,
    log: Option<Opened>,
    shared_memory: Option<Opened>,
}

/// A file that was open under this name.
#[derive(Debug)]
struct Opened {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Files {
    /// Makes sure that the database file exists and that only its owner can read it. SQLite accepts an
    /// empty file as a database; it would create one itself with permissions that the umask allows.
    pub(super) fn prepare(path: &Path) -> io::Result<()> {
        let created = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(RIGHTS)
            .open(path);
        match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(drop).map_err(|error| named(path, &error)),
        }
        let real = fs::canonicalize(path).map_err(|error| named(path, &error))?;
        tighten(&real);
        tighten(&with_suffix(&real, LOG));
        tighten(&with_suffix(&real, SHARED_MEMORY));
        Ok(())
    }

    /// The files of a database that is open and has been written to.
    pub(super) fn of_open(path: &Path) -> io::Result<Self> {
        // SQLite follows symbolic links before it appends the suffixes.
        let real = fs::canonicalize(path).map_err(|error| named(path, &error))?;
        Ok(Self {
            database: Opened::at(path.to_owned())?
                .ok_or_else(|| named(path, &io::ErrorKind::NotFound.into()))?,
            log: Opened::at(with_suffix(&real, LOG))?,
            shared_memory: Opened::at(with_suffix(&real, SHARED_MEMORY))?,
        })
    }

    /// The folder of the log.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.log.as_ref()?.path.parent()
    }

    /// Checks that the names still lead to the opened files; returns the length of the log in bytes.
    pub(super) fn check(&self) -> io::Result<u64> {
        self.database.check()?;
        if let Some(opened) = &self.shared_memory {
            opened.check()?;
        }
        match &self.log {
            Some(opened) => Ok(opened.check()?.len()),
            None => Ok(0),
        }
    }
}

impl Opened {
    /// The file with this name, if it exists.
    fn at(path: PathBuf) -> io::Result<Option<Self>> {
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(Self {
                path,
                device: metadata.dev(),
                inode: metadata.ino(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(named(&path, &error)),
        }
    }

    fn check(&self) -> io::Result<Metadata> {
        let path = self.path.display();
        match fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (self.device, self.inode) => Ok(there),
            Ok(_) => Err(io::Error::other(format!("the file {path} was replaced"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("the file {path} was deleted or moved away"),
            )),
            Err(error) => Err(named(&self.path, &error)),
        }
    }
}

/// Removes the permissions of other users. If the file belongs to another user that is impossible, and
/// it is used as it is.
fn tighten(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let rights = metadata.permissions().mode();
    if rights & OF_OTHERS == 0 {
        return;
    }
    let tightened = fs::set_permissions(path, Permissions::from_mode(rights & !OF_OTHERS));
    let (path, rights) = (path.display(), format!("{:04o}", rights & 0o7777));
    match tightened {
        Ok(()) => tracing::info!(event = "database_rights_tightened", %path, rights),
        Err(error) => tracing::warn!(event = "database_rights_lax", %path, rights, %error),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
