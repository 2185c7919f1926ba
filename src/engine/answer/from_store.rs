//! Looks up certificates that the index does not have, several at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::lookups::{Asked, MOST_WAITING};
use super::renewal_info::Miss;
use crate::domain::certificate::certid::CertId;
use crate::engine::index::Fingerprint;
use crate::engine::service::Engine;
use crate::engine::state::change::RowOrigin;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The pause between two statements; requests in between are combined.
const PACE: Duration = Duration::from_millis(10);

/// The pause after the store did not answer.
const LEFT_ALONE: Duration = Duration::from_millis(200);

impl Engine {
    /// Looks up a certificate that another process may have registered, and adds it to the index.
    ///
    /// # Errors
    /// [`Miss::Busy`] if too many wait, or the store does not answer.
    pub(in crate::engine) async fn look_up(
        self: &Arc<Self>,
        fingerprint: Fingerprint,
        id: &CertId,
    ) -> Result<(), Miss> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut queue = self.look_ups.queue();
            if queue.asked.len() >= MOST_WAITING && !queue.asked.contains_key(&fingerprint) {
                return Err(Miss::Busy);
            }
            let asked = queue.asked.entry(fingerprint).or_insert_with(|| Asked {
                id: id.clone(),
                by: Vec::new(),
            });
            asked.by.push(sender);
            if queue.asking.as_ref().is_none_or(JoinHandle::is_finished) {
                // Results are added to the index and the ledger, which background work may have
                // locked. Threads that answer must not wait for these locks.
                let looking = Arc::clone(self).look_all_up();
                queue.asking = Some(self.background().spawn(looking));
            }
        }
        receiver.await.map_err(|_| Miss::Busy)
    }

    /// Looks up waiting certificates until there are none.
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

    /// Looks up these, under either of their two spellings; returns whether the store answered.
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
        let memory = self.memory();
        for certificate in &certificates {
            memory.put(certificate, RowOrigin::Read);
        }
        let found: HashSet<CertId> = certificates.into_iter().map(|found| found.id).collect();
        for (fingerprint, Asked { id, by }) in batch {
            let is_found = |spelling: &CertId| found.contains(spelling);
            if !spellings(&id).iter().flatten().any(is_found) {
                self.look_ups.absent.insert(fingerprint, ());
            }
            for sender in by {
                // A caller that has left needs no answer.
                let _ = sender.send(());
            }
        }
        true
    }
}
