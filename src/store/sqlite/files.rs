//! The database's files: accessible to their owner only, and checked against replacement.
//!
//! A file that is deleted or replaced lives on without a name while it is open, and everything
//! written into it is lost with the process. So the names have to lead to the files that were
//! opened. The log (`-wal`) holds the newest commits, and a process that opens a replaced shared
//! memory (`-shm`) shares no locks with us and writes at the same time: all three files count.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What SQLite puts behind the name of a database for its log.
const LOG: &str = "-wal";
/// … and for the memory that connections share.
const SHARED_MEMORY: &str = "-shm";
/// Read and written by their owner. SQLite gives the database's rights to the files beside it.
const RIGHTS: u32 = 0o600;
/// The rights of everybody else.
const OF_OTHERS: u32 = 0o077;

/// The files of an open database.
#[derive(Debug)]
pub(super) struct Files {
    database: Opened,
    log: Option<Opened>,
    shared_memory: Option<Opened>,
}

/// One that was open under this name.
#[derive(Debug)]
struct Opened {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Files {
    /// Sees that there is a database that nobody but its owner can read: an empty file is one to
    /// SQLite, which would make one by itself that the umask leaves open to all.
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
        tighten(&beside(&real, LOG));
        tighten(&beside(&real, SHARED_MEMORY));
        Ok(())
    }

    /// The files of a database that is open now, and has been written to.
    pub(super) fn of_open(path: &Path) -> io::Result<Self> {
        // SQLite follows symbolic links before it puts anything behind the name.
        let real = fs::canonicalize(path).map_err(|error| named(path, &error))?;
        Ok(Self {
            database: Opened::at(path.to_owned())?
                .ok_or_else(|| named(path, &io::ErrorKind::NotFound.into()))?,
            log: Opened::at(beside(&real, LOG))?,
            shared_memory: Opened::at(beside(&real, SHARED_MEMORY))?,
        })
    }

    /// The folder that the log is in.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.log.as_ref()?.path.parent()
    }

    /// Whether the names still lead to the files that were opened; the octets of the log.
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
    /// The file of this name, where there is one.
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

/// Takes away what others may do with a file. One that is not ours cannot be tightened, and is
/// used as it is.
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

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
