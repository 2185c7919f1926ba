//! The successors of certificates.

use async_trait::async_trait;

use super::PostgresStore;
use super::columns::column;
use super::outbox::Outbox;
use super::session::Transaction;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Successor};
use crate::store::outcome::TRIES;
use crate::store::row::{StoredCertificate, certificate_columns, successor_columns};
use crate::store::{CertificateStore, StoreError, Succession, SuccessorStore};

#[async_trait]
impl SuccessorStore for PostgresStore {
    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError> {
        for _ in 0..TRIES {
            let mut transaction = self.write().await?;
            let one = [(id, successor)];
            let set = self.set_successors(&mut transaction, &one).await?;
            if let Some(row) = set.first() {
                self.commit_changed(transaction, row).await?;
                return Ok(Succession::Set);
            }
            drop(transaction);
            match self.certificate(id).await? {
                None => return Ok(Succession::Unknown),
                Some(row) => match row.successor {
                    Some(present) if present == *successor => return Ok(Succession::Same),
                    Some(present) => return Ok(Succession::Other(present)),
                    // Removed between the two statements.
                    None => {}
                },
            }
        }
        Err(StoreError::contested("successor_set"))
    }

    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
        let mut transaction = self.write().await?;
        let update = sqlx::query_as::<_, StoredCertificate>(concat!(
            "UPDATE certificates SET successor_id = NULL, successor_order = NULL
             WHERE key_identifier = $1 AND serial = $2
               AND (successor_id IS NOT NULL OR successor_order IS NOT NULL)
             RETURNING ",
            certificate_columns!()
        ))
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let cleared = self
            .row_in(&mut transaction, "successor_clear", update)
            .await?;
        if let Some(row) = cleared {
            self.commit_changed(transaction, &row.0).await?;
            return Ok(Some(true));
        }
        drop(transaction);
        Ok(self.certificate(id).await?.map(|_| false))
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
        let update = sqlx::query_as::<_, StoredCertificate>(concat!(
            "UPDATE certificates SET successor_id = $5, successor_order = $6
             WHERE key_identifier = $1 AND serial = $2
               AND successor_id IS NOT DISTINCT FROM $3
               AND successor_order IS NOT DISTINCT FROM $4
             RETURNING ",
            certificate_columns!()
        ))
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets())
        .bind(from_id)
        .bind(from_order)
        .bind(to_id)
        .bind(to_order);
        let swapped = self
            .row_in(&mut transaction, "successor_swap", update)
            .await?;
        let Some(row) = swapped else {
            return Ok(false);
        };
        self.commit_changed(transaction, &row.0).await?;
        Ok(true)
    }
}

impl PostgresStore {
    /// Sets the successors of certificates that have none, each CertID once; returns the rows of those
    /// that had none. It uses one statement, so that slow round trips do not add up: other writers of
    /// these rows wait until all are set and committed. The rows are locked in the order given.
    pub(super) async fn set_successors(
        &self,
        connection: &mut Transaction,
        successions: &[(&CertId, &Successor)],
    ) -> Result<Vec<Certificate>, StoreError> {
        let (ids, orders): (Vec<_>, Vec<_>) = successions
            .iter()
            .map(|(_, successor)| successor_columns(Some(*successor)))
            .unzip();
        let update = sqlx::query_as::<_, StoredCertificate>(concat!(
            "UPDATE certificates SET successor_id = given_id, successor_order = given_order
             FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[])
                 AS successions (issuer, number, given_id, given_order)
             WHERE key_identifier = issuer AND serial = number
               AND successor_id IS NULL AND successor_order IS NULL
             RETURNING ",
            certificate_columns!()
        ))
        .bind(column(successions, |(id, _)| id.key_identifier.octets()))
        .bind(column(successions, |(id, _)| id.serial.octets()))
        .bind(ids)
        .bind(orders);
        let rows = self.rows_in(connection, "successor_set", update).await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// Adds a certificate that the transaction has changed to the outbox, and commits.
    async fn commit_changed(
        &self,
        transaction: Transaction,
        row: &Certificate,
    ) -> Result<(), StoreError> {
        let mut outbox = Outbox::default();
        outbox.certificates(&[row])?;
        self.commit_changes(transaction, &outbox).await
    }
}
