//! Misses that fall through to a shared store: asked for together, one statement at a time,
//! remembered for a second, and not too many, so that a flood of random CertIDs cannot hurt.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::index::Fingerprint;
use super::world::Told;
use super::{Engine, Miss};
use crate::domain::certificate::certid::CertId;

/// "Not found" is believed for this long.
const BELIEVED: Duration = Duration::from_secs(1);

/// CertIDs remembered as not found: each costs about 100 bytes.
const MOST_REMEMBERED: u64 = 100_000;

/// CertIDs that wait to be asked for: with the pace below 6,400 a second, more than a hundred
/// million certificates poll. Those whom others registered a moment ago are few; what a flood brings
/// beyond this is turned away from memory, so that it does not take what the database has.
const MOST_WAITING: usize = 64;

/// From one statement to the next: what is asked for meanwhile goes together.
const PACE: Duration = Duration::from_millis(10);

/// How long a store that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_millis(200);

/// Documents looked up at once: the pool has ten connections, and registrations need some of them.
const MOST_DOCUMENTS_AT_ONCE: usize = 4;

/// Asks the store for what the index does not know.
#[derive(Debug)]
pub(super) struct LookUps {
    absent: Cache<Fingerprint, ()>,
    queue: Mutex<Queue>,
    documents: Semaphore,
}

/// What waits for the next statement.
#[derive(Debug, Default)]
struct Queue {
    asked: HashMap<Fingerprint, Asked>,
    /// Who asks the store, while somebody does.
    asking: Option<JoinHandle<()>>,
}

/// A CertID that is asked for. Whoever asks looks into the index again once the store has
/// answered; if he is forgotten instead, it has not.
#[derive(Debug)]
struct Asked {
    id: CertId,
    by: Vec<oneshot::Sender<()>>,
}

impl LookUps {
    pub(super) fn new() -> Self {
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
    pub(super) fn document(&self) -> Option<SemaphorePermit<'_>> {
        self.documents.try_acquire().ok()
    }

    /// Whether the store said a moment ago that it does not hold this certificate.
    pub(super) fn is_absent(&self, fingerprint: Fingerprint) -> bool {
        self.absent.contains_key(&fingerprint)
    }

    /// Whether as many wait as may.
    pub(super) fn are_full(&self) -> bool {
        self.queue().asked.len() >= MOST_WAITING
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits; with nothing there nobody is asking any more.
    fn take(&self) -> Option<HashMap<Fingerprint, Asked>> {
        let mut queue = self.queue();
        if queue.asked.is_empty() {
            queue.asking = None;
            return None;
        }
        Some(std::mem::take(&mut queue.asked))
    }
}

impl Engine {
    /// Asks the store for what the index may not know yet, since others registered it, and puts it
    /// into the index.
    ///
    /// # Errors
    /// [`Miss::Busy`] where too many wait, or the store does not answer.
    pub(super) async fn look_up(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        id: &CertId,
    ) -> Result<(), Miss> {
        let (teller, told) = oneshot::channel();
        {
            let mut queue = self.look_ups.queue();
            if queue.asked.len() >= MOST_WAITING && !queue.asked.contains_key(&fingerprint) {
                return Err(Miss::Busy);
            }
            let asked = queue.asked.entry(fingerprint).or_insert_with(|| Asked {
                id: id.clone(),
                by: Vec::new(),
            });
            asked.by.push(teller);
            if queue.asking.as_ref().is_none_or(JoinHandle::is_finished) {
                // What is found goes into the index and the ledger, whose locks those hold who work:
                // no thread that answers may wait for them.
                let looking = Arc::clone(self).look_all_up();
                queue.asking = Some(self.background().spawn(looking));
            }
        }
        told.await.map_err(|_| Miss::Busy)
    }

    /// Asks for what waits until nothing does.
    async fn look_all_up(self: Arc<Self>) {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let Some(batch) = self.look_ups.take() else {
                return;
            };
            if !self.look_batch_up(batch).await {
                sleep(LEFT_ALONE).await;
            }
        }
    }

    /// Asks for these, under either of their two spellings; whether the store answered.
    async fn look_batch_up(&self, batch: HashMap<Fingerprint, Asked>) -> bool {
        let spellings = |id: &CertId| [Some(id.clone()), id.with_sign_octet()];
        let ids: Vec<CertId> = batch
            .values()
            .flat_map(|asked| spellings(&asked.id).into_iter().flatten())
            .collect();
        let certificates = match self.store().certificates(&ids).await {
            Ok(certificates) => certificates,
            Err(error) => {
                tracing::warn!(event = "look_up_failed", %error);
                return false;
            }
        };
        let world = self.world();
        for certificate in &certificates {
            world.put(certificate, Told::Read);
        }
        let found: HashSet<CertId> = certificates.into_iter().map(|found| found.id).collect();
        for (fingerprint, Asked { id, by }) in batch {
            let is_found = |spelling: &CertId| found.contains(spelling);
            if !spellings(&id).iter().flatten().any(is_found) {
                self.look_ups.absent.insert(fingerprint, ());
            }
            for teller in by {
                // Who has gone meanwhile needs no answer.
                let _ = teller.send(());
            }
        }
        true
    }
}
