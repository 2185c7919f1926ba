//! The files of an SQLite database: whose they are, and whether they are still those.

use super::*;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::support::fresh_sqlite;

const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn rights(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn taken(store: &dyn Store, serial: u32) -> Result<(), StoreError> {
    let certificates = [certificate(serial)];
    let registration = Registration {
        certificates: &certificates,
        ..Registration::default()
    };
    store.register(registration).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_read_by_nobody_but_its_owner() {
    let database = fresh_sqlite();
    let store = open(&database.url()).await;
    taken(&*store, 0).await.unwrap();
    for suffix in SUFFIXES {
        assert_eq!(
            rights(&with_suffix(&database.path(), suffix)),
            0o600,
            "{suffix}"
        );
    }
    // One that was made before offpeak saw to that, or elsewhere.
    for suffix in SUFFIXES {
        let lax = Permissions::from_mode(0o644);
        fs::set_permissions(with_suffix(&database.path(), suffix), lax).unwrap();
    }
    let another = open(&database.url()).await;
    taken(&*another, 1).await.unwrap();
    for suffix in SUFFIXES {
        assert_eq!(
            rights(&with_suffix(&database.path(), suffix)),
            0o600,
            "{suffix}"
        );
    }
}

/// What would be written into a file without a name is not called accepted: whether the database is
/// gone, its log, or what connections share to keep out of each other's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_taken_while_the_names_lead_elsewhere() {
    let database = fresh_sqlite();
    let store = open(&database.url()).await;
    let mut serial = 0;
    for suffix in SUFFIXES {
        taken(&*store, serial).await.unwrap();
        assert_eq!(store.trouble(), None);
        let path = with_suffix(&database.path(), suffix);
        let away = with_suffix(&database.path(), "-away");
        fs::rename(&path, &away).unwrap();
        for (there, word) in [(false, "was deleted or moved away"), (true, "was replaced")] {
            if there {
                fs::copy(&away, &path).unwrap();
            }
            let refused = taken(&*store, serial + 1).await.unwrap_err();
            assert!(
                matches!(refused, StoreError::Unavailable { .. }),
                "{refused}"
            );
            for said in [refused.to_string(), store.trouble().unwrap()] {
                assert!(
                    said.contains(&format!("{} {word}", path.display())),
                    "{said}"
                );
            }
        }
        // What was read once is still read.
        assert!(store.certificate(&id(serial)).await.unwrap().is_some());
        // It is found as soon as it is there again.
        fs::rename(&away, &path).unwrap();
        assert_eq!(store.trouble(), None);
        taken(&*store, serial + 1).await.unwrap();
        serial += 2;
    }
}
