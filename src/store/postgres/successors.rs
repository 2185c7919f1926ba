//! Who took a certificate's place.

use sqlx::PgExecutor;

use super::PostgresStore;
use super::certificates::{TRIES, contested};
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::store::row::successor_columns;
use crate::store::{StoreError, Succession};

impl PostgresStore {
    pub(super) async fn write_successor(
        &self,
        id: &CertId,
        successor: &Successor,
    ) -> Result<Succession, StoreError> {
        for _ in 0..TRIES {
            let set = self.set_successor(&self.pool, id, successor).await?;
            if set {
                return Ok(Succession::Set);
            }
            match self.read_certificate(id).await? {
                None => return Ok(Succession::Unknown),
                Some(row) => match row.successor {
                    Some(present) if present == *successor => return Ok(Succession::Same),
                    Some(present) => return Ok(Succession::Other(present)),
                    // Taken back between the two statements.
                    None => {}
                },
            }
        }
        Err(contested())
    }

    pub(super) async fn clear_successor(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
        let update = sqlx::query(
            "UPDATE certificates
             SET successor_id = NULL, successor_order = NULL, changed = pg_current_xact_id()
             WHERE key_identifier = $1 AND serial = $2
               AND (successor_id IS NOT NULL OR successor_order IS NOT NULL)",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let cleared = self
            .queries
            .named("successor_clear", update.execute(&self.pool))
            .await?;
        if cleared.rows_affected() == 1 {
            return Ok(Some(true));
        }
        Ok(self.read_certificate(id).await?.map(|_| false))
    }

    /// Sets the successor of a certificate that has none; whether it did.
    pub(super) async fn set_successor(
        &self,
        executor: impl PgExecutor<'_>,
        id: &CertId,
        successor: &Successor,
    ) -> Result<bool, StoreError> {
        let (successor_id, successor_order) = successor_columns(Some(successor));
        let update = sqlx::query(
            "UPDATE certificates
             SET successor_id = $3, successor_order = $4, changed = pg_current_xact_id()
             WHERE key_identifier = $1 AND serial = $2
               AND successor_id IS NULL AND successor_order IS NULL",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets())
        .bind(successor_id)
        .bind(successor_order);
        let set = self
            .queries
            .named("successor_set", update.execute(executor))
            .await?;
        Ok(set.rows_affected() == 1)
    }
}
