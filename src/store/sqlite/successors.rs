//! The successors of certificates.

use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::store::row::{StoredCertificate, certificate_columns, misfit, successor_columns};
use crate::store::{StoreError, Succession};

impl SqliteStore {
    pub(super) async fn write_successor(
        &self,
        id: &CertId,
        successor: &Successor,
    ) -> Result<Succession, StoreError> {
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        let set = self
            .set_successor(&mut transaction, stamp, id, successor)
            .await?;
        if set {
            self.commit(transaction).await?;
            return Ok(Succession::Set);
        }
        // The write lock is still held: this is why the update found nothing.
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
        self.queries
            .named("rollback", transaction.rollback())
            .await?;
        Ok(succession)
    }

    pub(super) async fn clear_successor(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
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
            self.queries
                .named("successor_clear", update.execute(&mut *transaction))
                .await?;
        }
        self.commit(transaction).await?;
        Ok(present.map(|successor| successor.is_some()))
    }

    /// Sets the successor of a certificate that has none; whether it did.
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
        let set = self
            .queries
            .named("successor_set", update.execute(connection))
            .await?;
        Ok(set.rows_affected() == 1)
    }

    /// The successor of a certificate, where there is such a certificate.
    async fn successor(
        &self,
        connection: &mut SqliteConnection,
        id: &CertId,
    ) -> Result<Option<Option<Successor>>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE key_identifier = ?1 AND serial = ?2"
        ))
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let row = self
            .queries
            .named("certificate_select", select.fetch_optional(connection))
            .await?;
        Ok(row.map(|row| row.0.successor))
    }
}
