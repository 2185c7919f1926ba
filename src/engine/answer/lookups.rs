//! Look-ups of unknown certificates in a shared store. They are combined, with one statement at a
//! time; results are remembered for a second; and their number is limited, so that a flood of
//! random CertIDs does no harm.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::task::JoinHandle;

use crate::domain::certificate::certid::CertId;
use crate::engine::index::Fingerprint;

/// How long "not found" is remembered.
const BELIEVED: Duration = Duration::from_secs(1);

/// CertIDs remembered as not found, about 100 bytes each.
const MOST_REMEMBERED: u64 = 100_000;

/// CertIDs that may wait for a look-up. At the pace below this is 6,400 a second, more than a
/// hundred million certificates poll. Few wait because another process has just registered them.
/// Further requests are answered from memory, so that a flood does not exhaust the database.
pub(in crate::engine) const MOST_WAITING: usize = 64;

/// Documents looked up at the same time. The pool has ten connections, and registrations need some
/// of them.
const MOST_DOCUMENTS_AT_ONCE: usize = 4;

/// The pending look-ups and their recent results.
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
    /// The task that queries the store, if there is one.
    pub(in crate::engine) asking: Option<JoinHandle<()>>,
}

/// A CertID being looked up. Its callers check the index again when the store has answered. If they
/// are dropped instead, it has not.
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

    /// A permit to look up a document; `None` if all are in use.
    pub(in crate::engine) fn document(&self) -> Option<SemaphorePermit<'_>> {
        self.documents.try_acquire().ok()
    }

    /// Whether the store recently did not have this certificate.
    pub(in crate::engine) fn is_absent(&self, fingerprint: Fingerprint) -> bool {
        self.absent.contains_key(&fingerprint)
    }

    /// Whether the limit of waiting CertIDs is reached.
    pub(in crate::engine) fn are_full(&self) -> bool {
        self.queue().asked.len() >= MOST_WAITING
    }

    pub(in crate::engine) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is waiting; if nothing is, the querying task ends.
    pub(in crate::engine) fn take(&self) -> Option<HashMap<Fingerprint, Asked>> {
        let mut queue = self.queue();
        if queue.asked.is_empty() {
            queue.asking = None;
            return None;
        }
        Some(std::mem::take(&mut queue.asked))
    }
}
