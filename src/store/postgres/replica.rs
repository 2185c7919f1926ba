//! The processes that share a database.

use async_trait::async_trait;

use super::PostgresStore;
use crate::store::replica::{MOST_REPLICAS, SUCCEEDED_AFTER_SECONDS};
use crate::store::{REPLICAS_KEPT_SECONDS, Replica, ReplicaStore, StoreError};

#[async_trait]
impl ReplicaStore for PostgresStore {
    async fn note_replica(&self, replica: &Replica) -> Result<(), StoreError> {
        let clean = sqlx::query(
            "DELETE FROM replicas WHERE heard_at < $1::bigint
                OR (name = $2::text AND address = $3::text AND id <> $4::bigint AND heard_at < $5::bigint)",
        )
        .bind((replica.heard_at - REPLICAS_KEPT_SECONDS).unix())
        .bind(&replica.name)
        .bind(&replica.address)
        .bind(replica.id)
        .bind((replica.heard_at - SUCCEEDED_AFTER_SECONDS).unix());
        self.write_alone("replica_clean", clean).await?;
        let note = sqlx::query(
            "INSERT INTO replicas (id, name, address, software, started_at, heard_at, fed_at)
             VALUES ($1::bigint, $2::text, $3::text, $4::text, $5::bigint, $6::bigint, $7::bigint)
             ON CONFLICT (id) DO UPDATE SET heard_at = excluded.heard_at, fed_at = excluded.fed_at",
        )
        .bind(replica.id)
        .bind(&replica.name)
        .bind(&replica.address)
        .bind(&replica.software)
        .bind(replica.started_at.unix())
        .bind(replica.heard_at.unix())
        .bind(replica.fed_at.unix());
        self.write_alone("replica_note", note).await?;
        Ok(())
    }

    async fn end_replica(&self, id: i64) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM replicas WHERE id = $1::bigint").bind(id);
        self.write_alone("replica_end", delete).await?;
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let select = sqlx::query_as::<_, Replica>(
            "SELECT id, name, address, software, started_at, heard_at, fed_at FROM replicas
             ORDER BY name, address, started_at LIMIT $1::bigint",
        )
        .bind(MOST_REPLICAS);
        self.rows("replica_select", select).await
    }
}
