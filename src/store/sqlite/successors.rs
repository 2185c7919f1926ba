//! The successors of certificates.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::store::certificates::CERTIFICATE;
use crate::store::row::{StoredCertificate, misfit, successor_columns};
use crate::store::{StoreError, Succession, SuccessorStore};

#[async_trait]
impl SuccessorStore for SqliteStore {
    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError> {
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        let set = self
            .set_successor(&mut transaction, stamp, id, successor)
            .await?;
        if set {
            self.commit(transaction).await?;
            return Ok(Succession::Set);
        }
        // The write lock is still held, so this is why the update changed nothing.
        let succession = match self.successor(&mut transaction, id).await? {
            None => Succession::Unknown,
            Some(Some(present)) if present == *successor => Succession::Same,
            Some(Some(present)) => Succession::Other(present),
            Some(None) => {
                return Err(StoreError::from_driver(
                    "successor_set",
                    misfit("successor_id", "neither set nor settable"),
                ));
            }
        };
        self.rollback(transaction).await?;
        Ok(succession)
    }

    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
        let mut transaction = self.write().await?;
        let present = self.successor(&mut transaction, id).await?;
        if let Some(Some(_)) = present {
            let stamp = self.stamp(&mut transaction).await?;
            let update = sqlx::query(
                "UPDATE certificates
                 SET successor_id = NULL, successor_order = NULL, changed = ?3
                 WHERE key_identifier = ?1 AND serial = ?2",
            )
            .bind(id.key_identifier.octets())
            .bind(id.serial.octets())
            .bind(stamp);
            self.run_in(&mut transaction, "successor_clear", update)
                .await?;
        }
        self.commit(transaction).await?;
        Ok(present.map(|successor| successor.is_some()))
    }

    async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, StoreError> {
        let (from_id, from_order) = successor_columns(Some(from));
        let (to_id, to_order) = successor_columns(to);
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        let update = sqlx::query(
            "UPDATE certificates SET successor_id = ?5, successor_order = ?6, changed = ?7
             WHERE key_identifier = ?1 AND serial = ?2
               AND successor_id IS ?3 AND successor_order IS ?4",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets())
        .bind(from_id)
        .bind(from_order)
        .bind(to_id)
        .bind(to_order)
        .bind(stamp);
        let done = self
            .run_in(&mut transaction, "successor_swap", update)
            .await?;
        let swapped = done == 1;
        if swapped {
            self.commit(transaction).await?;
        } else {
            self.rollback(transaction).await?;
        }
        Ok(swapped)
    }
}

impl SqliteStore {
    /// Sets the successor of a certificate that has none; returns whether it did.
    pub(super) async fn set_successor(
        &self,
        connection: &mut SqliteConnection,
        stamp: i64,
        id: &CertId,
        successor: &Successor,
    ) -> Result<bool, StoreError> {
        let (successor_id, successor_order) = successor_columns(Some(successor));
        let update = sqlx::query(
            "UPDATE certificates SET successor_id = ?3, successor_order = ?4, changed = ?5
             WHERE key_identifier = ?1 AND serial = ?2
               AND successor_id IS NULL AND successor_order IS NULL",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets())
        .bind(successor_id)
        .bind(successor_order)
        .bind(stamp);
        let set = self.run_in(connection, "successor_set", update).await?;
        Ok(set == 1)
    }

    /// The successor of a certificate, if that is stored.
    async fn successor(
        &self,
        connection: &mut SqliteConnection,
        id: &CertId,
    ) -> Result<Option<Option<Successor>>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(CERTIFICATE)
            .bind(id.key_identifier.octets())
            .bind(id.serial.octets());
        let row = self
            .row_in(connection, "certificate_select", select)
            .await?;
        Ok(row.map(|row| row.0.successor))
    }
}
