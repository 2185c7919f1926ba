//! The processes that share the store. This one reports its state, and keeps the last known state
//! of the others, so that an operator can read it while the store is away too.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::replicas::Introduced;
use super::service::Engine;
use crate::domain::time::Timestamp;
use crate::store::{Replica, Sharing, StoreError};

/// How often this process reports. An operator looks every 15 s, and a tenth of a write a second is
/// nothing for a PostgreSQL.
pub(super) const NOTE_REPLICA_EVERY: Duration = Duration::from_secs(10);

impl Engine {
    /// Sets the identity of this process: the name of its machine, and the address of its admin
    /// listener. Call it once, before serving.
    pub fn introduce(&self, name: String, address: String) {
        let id = rand::random();
        // The first call counts.
        let _ = self.replicas.own.set(Introduced { id, name, address });
    }

    /// The present state of this process, the last known states of the others, and whether others
    /// can share the store at all.
    #[must_use]
    pub fn replicas(&self) -> (Option<Replica>, Vec<Replica>, Sharing) {
        let others = self.replicas.others.load();
        (self.itself(), others.to_vec(), self.store.sharing())
    }

    /// Reports the state of this process, and reads those of the others.
    ///
    /// # Errors
    /// The store's; the last known states stay.
    pub async fn note_replica(&self) -> Result<(), StoreError> {
        let Some(itself) = self.itself() else {
            return Ok(());
        };
        self.store.note_replica(&itself).await?;
        let mut others = self.store.replicas().await?;
        others.retain(|one| one.id != itself.id);
        self.replicas.others.store(others.into());
        Ok(())
    }

    /// Reports that this process is about to end. After [`Engine::run`] has ended, it no longer
    /// reports.
    ///
    /// # Errors
    /// The store's; the others then notice its silence.
    pub async fn leave(&self) -> Result<(), StoreError> {
        match self.replicas.own.get() {
            Some(own) => self.store.end_replica(own.id).await,
            None => Ok(()),
        }
    }

    fn itself(&self) -> Option<Replica> {
        let own = self.replicas.own.get()?;
        let fed_at = self.fed_at.load(Ordering::Relaxed);
        Some(Replica {
            id: own.id,
            name: own.name.clone(),
            address: own.address.clone(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            heard_at: self.now(),
            fed_at: Timestamp::from_unix(fed_at),
        })
    }
}
