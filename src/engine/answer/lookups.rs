//! Misses that fall through to a shared store: asked for together, one statement at a time,
//! remembered for a second, and not too many, so that a flood of random CertIDs cannot hurt.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use crate::domain::certificate::certid::CertId;
use crate::engine::index::Fingerprint;

/// "Not found" is believed for this long.
const BELIEVED: Duration = Duration::from_secs(1);

/// CertIDs remembered as not found: each costs about 100 bytes.
const MOST_REMEMBERED: u64 = 100_000;

/// CertIDs that wait for a look-up. With the pace below that is 6,400 a second, more than a hundred
/// million certificates poll. Few CertIDs wait because others registered them a moment ago; a flood
/// beyond this number is turned away from memory, so that it does not use up the database.
pub(in crate::engine) const MOST_WAITING: usize = 64;

/// Documents looked up at once: the pool has ten connections, and registrations need some of them.
const MOST_DOCUMENTS_AT_ONCE: usize = 4;

/// Asks the store for what the index does not know.
#[derive(Debug)]
pub(in crate::engine) struct LookUps {
    pub(in crate::engine) absent: Cache<Fingerprint, ()>,
    queue: Mutex<Queue>,
    documents: Semaphore,
}

/// What waits for the next statement.
#[derive(Debug, Default)]
pub(in crate::engine) struct Queue {
    pub(in crate::engine) asked: HashMap<Fingerprint, Asked>,
    /// Who asks the store, while somebody does.
    pub(in crate::engine) asking: Option<JoinHandle<()>>,
}

/// A CertID that is asked for. Whoever asks looks into the index again once the store has
/// answered; if he is forgotten instead, it has not.
#[derive(Debug)]
pub(in crate::engine) struct Asked {
    pub(in crate::engine) id: CertId,
    pub(in crate::engine) by: Vec<oneshot::Sender<()>>,
}

impl LookUps {
    pub(in crate::engine) fn new() -> Self {
        Self {
            absent: Cache::builder()
                .max_capacity(MOST_REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
            queue: Mutex::default(),
            documents: Semaphore::new(MOST_DOCUMENTS_AT_ONCE),
        }
    }

    /// A place among the documents that are looked up; `None` where all are taken.
    pub(in crate::engine) fn document(&self) -> Option<SemaphorePermit<'_>> {
        self.documents.try_acquire().ok()
    }

    /// Whether the store said a moment ago that it does not hold this certificate.
    pub(in crate::engine) fn is_absent(&self, fingerprint: Fingerprint) -> bool {
        self.absent.contains_key(&fingerprint)
    }

    /// Whether as many wait as may.
    pub(in crate::engine) fn are_full(&self) -> bool {
        self.queue().asked.len() >= MOST_WAITING
    }

    pub(in crate::engine) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits; with nothing there nobody is asking any more.
    pub(in crate::engine) fn take(&self) -> Option<HashMap<Fingerprint, Asked>> {
        let mut queue = self.queue();
        if queue.asked.is_empty() {
            queue.asking = None;
            return None;
        }
        Some(std::mem::take(&mut queue.asked))
    }
}
