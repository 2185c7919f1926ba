//! The list of replicas: empty, because one process uses the file.

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::{Replica, ReplicaStore, StoreError};

#[async_trait]
impl ReplicaStore for SqliteStore {
    async fn note_replica(&self, _: &Replica) -> Result<(), StoreError> {
        Ok(())
    }

    async fn end_replica(&self, _: i64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        Ok(Vec::new())
    }
}
