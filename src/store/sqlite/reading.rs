//! Reading certificates.

use async_trait::async_trait;

use super::SqliteStore;
use super::certificates::{IDS, json};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::certificates::CERTIFICATE;
use crate::store::row::{StoredCertificate, certificate_columns};
use crate::store::{CertificateStore, IdRange, StoreError};

#[async_trait]
impl CertificateStore for SqliteStore {
    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(CERTIFICATE)
            .bind(id.key_identifier.octets())
            .bind(id.serial.octets());
        let row = self.row("certificate_select", select).await?;
        Ok(row.map(|row| row.0))
    }

    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, StoreError> {
        let ids: Vec<&CertId> = ids.iter().collect();
        let mut found = Vec::new();
        for ids in ids.chunks(IDS) {
            let select = sqlx::query_as::<_, StoredCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM certificates WHERE (key_identifier, serial) IN
                 (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1))"
            ))
            .bind(json(ids));
            let rows = self.rows("certificate_look_up", select).await?;
            found.extend(rows.into_iter().map(|row| row.0));
        }
        Ok(found)
    }
    async fn certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.first_in(range, limit).await
    }
}

impl SqliteStore {
    /// The first issuer after this one that has certificates, and its first and last serial.
    pub(in crate::store) async fn serials_after(
        &self,
        issuer: &[u8],
    ) -> Result<Option<(Vec<u8>, Vec<u8>, Vec<u8>)>, StoreError> {
        // Three look-ups in the primary key.
        let select = sqlx::query_as(
            "SELECT key_identifier, serial,
                    (SELECT max(serial) FROM certificates AS others
                     WHERE others.key_identifier = first.key_identifier)
             FROM (SELECT key_identifier, serial FROM certificates WHERE key_identifier > ?1
                   ORDER BY key_identifier, serial LIMIT 1) AS first",
        )
        .bind(issuer);
        self.row("certificate_issuer", select).await
    }
}
