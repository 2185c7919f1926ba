//! Certificates that were delivered before the store had them: one file for each until it has. They
//! survive a restart.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::names::Names;
use crate::domain::certificate::{Submission, Validity};
use crate::domain::time::Timestamp;
use crate::store::IssuedFor;

/// The most files. A CA with 10 million certificates a day fills them in a quarter of an hour. They
/// take 400 MB on a disk with blocks of 4 KiB.
pub(super) const MOST_FILES: usize = 100_000;

/// The extensions of complete files, and of files being written.
const COMPLETE: &str = "json";
const INCOMPLETE: &str = "part";

/// A folder of certificates that wait.
#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    waiting: Mutex<HashMap<CertId, Waiting>>,
}

/// A certificate that waits for the store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Waiting {
    /// The registration.
    pub(super) submission: Submission,
    /// For whom it was issued, if the request said so.
    pub(super) issued_for: Option<IssuedFor>,
}

/// The content of a file: the data of a registration, without names.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    cert_id: String,
    not_before: i64,
    not_after: i64,
    issued_at: Option<i64>,
    replaces: Option<String>,
    /// Keyed hashes in hexadecimal: account, all names, each name.
    issued_for: Option<(String, String, Vec<u64>)>,
}

impl Spool {
    /// Opens a folder, creating it if necessary, and reads the certificates in it. Unreadable files
    /// are logged and left.
    ///
    /// # Errors
    /// The folder can be neither created nor read.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut waiting = HashMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(COMPLETE) => {
                    if let Some(kept) = read(&path) {
                        waiting.insert(kept.submission.id.clone(), kept);
                    } else {
                        tracing::error!(event = "spool_unreadable", file = %path.display());
                    }
                }
                // It was being written when the process ended, so its chain was not delivered.
                Some(INCOMPLETE) => fs::remove_file(&path)?,
                _ => {}
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            waiting: Mutex::new(waiting),
        })
    }

    /// The number of waiting certificates.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// The waiting certificate with this CertID, in either spelling.
    pub(super) fn find(&self, id: &CertId) -> Option<Submission> {
        let waiting = self.waiting();
        let other = || waiting.get(&id.with_sign_octet()?);
        let found = waiting.get(id).or_else(other)?;
        Some(found.submission.clone())
    }

    /// Some of the waiting certificates.
    pub(super) fn some(&self, most: usize) -> Vec<Waiting> {
        self.waiting().values().take(most).cloned().collect()
    }

    /// Keeps a certificate in memory only, so that it is answered; [`Spool::write`] makes it
    /// durable. `false` if there are too many.
    pub(super) fn remember(&self, one: &Waiting) -> bool {
        let id = &one.submission.id;
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_FILES && !waiting.contains_key(id) {
            return false;
        }
        waiting.insert(id.clone(), one.clone());
        true
    }

    /// Writes a certificate so that it survives a power failure. This blocks.
    ///
    /// # Errors
    /// The disk does not accept it.
    pub(super) fn write(&self, one: &Waiting) -> io::Result<()> {
        let Waiting {
            submission,
            issued_for,
        } = one;
        let kept = Kept {
            issued_for: issued_for.as_ref().map(|issued| {
                let hash = |hash: u128| format!("{hash:032x}");
                let each_name = issued.each_name.clone();
                (hash(issued.account), hash(issued.names), each_name)
            }),
            cert_id: submission.id.to_string(),
            not_before: submission.validity.not_before.unix(),
            not_after: submission.validity.not_after.unix(),
            issued_at: submission.issued_at.map(Timestamp::unix),
            replaces: submission.replaces.as_ref().map(ToString::to_string),
        };
        let path = self.path_of(&submission.id);
        let part = path.with_extension(INCOMPLETE);
        let mut file = File::create(&part)?;
        file.write_all(&serde_json::to_vec(&kept)?)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(&self.folder)?.sync_all()?;
        if !self.waiting().contains_key(&submission.id) {
            // The store has accepted it in the meantime.
            self.forget(&submission.id);
        }
        Ok(())
    }

    /// Removes a certificate that is in the store. This blocks.
    pub(super) fn forget(&self, id: &CertId) {
        self.waiting().remove(id);
        // If the file stays, it is registered once more, which changes nothing.
        let _ = fs::remove_file(self.path_of(id));
    }

    fn path_of(&self, id: &CertId) -> PathBuf {
        // 130 characters of base64url and a dot.
        self.folder.join(format!("{id}.{COMPLETE}"))
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<CertId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Option<Waiting> {
    let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let replaces = match kept.replaces {
        Some(replaces) => Some(replaces.parse().ok()?),
        None => None,
    };
    let submission = Submission {
        id: kept.cert_id.parse().ok()?,
        validity: Validity {
            not_before: Timestamp::from_unix(kept.not_before),
            not_after: Timestamp::from_unix(kept.not_after),
        },
        issued_at: kept.issued_at.map(Timestamp::from_unix),
        replaces,
        // It is matched by account and names together, if these are known.
        names: Names::default(),
    };
    let issued_for = match kept.issued_for {
        None => None,
        Some((account, names, each_name)) => Some(IssuedFor {
            id: submission.id.clone(),
            account: u128::from_str_radix(&account, 16).ok()?,
            names: u128::from_str_radix(&names, 16).ok()?,
            each_name,
            not_after: submission.validity.not_after,
        }),
    };
    Some(Waiting {
        submission,
        issued_for,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(id: &str) -> Waiting {
        let id: CertId = id.parse().unwrap();
        let issued_for = IssuedFor {
            id: id.clone(),
            account: 1 << 127,
            names: 2,
            each_name: vec![3, u64::MAX],
            not_after: Timestamp::from_unix(9_000),
        };
        let submission = Submission {
            id,
            validity: Validity {
                not_before: Timestamp::from_unix(1_000),
                not_after: Timestamp::from_unix(9_000),
            },
            issued_at: Some(Timestamp::from_unix(1_500)),
            replaces: Some("aYhb.AQ".parse().unwrap()),
            names: Names::default(),
        };
        Waiting {
            submission,
            issued_for: Some(issued_for),
        }
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let kept = waiting("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        let spool = Spool::open(folder.path()).unwrap();
        assert!(spool.remember(&kept));
        spool.write(&kept).unwrap();
        // The state after a process was killed while writing.
        fs::write(folder.path().join("aYhb.AQ.part"), "{").unwrap();
        fs::write(folder.path().join("aYhb.Ag.json"), "{").unwrap();
        drop(spool);
        let spool = Spool::open(folder.path()).unwrap();
        assert_eq!(spool.some(10), std::slice::from_ref(&kept));
        let without_sign_octet = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ".parse().unwrap();
        assert_eq!(
            spool.find(&without_sign_octet),
            Some(kept.submission.clone())
        );
        spool.forget(&kept.submission.id);
        assert_eq!(Spool::open(folder.path()).unwrap().len(), 0);
    }
}
