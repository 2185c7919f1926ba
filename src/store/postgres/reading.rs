//! Certificates, read.

use super::PostgresStore;
use super::certificates::column;
use super::pool::hurried;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::StoreError;
use crate::store::row::{StoredCertificate, certificate_columns};

impl PostgresStore {
    pub(super) async fn read_certificate(
        &self,
        id: &CertId,
    ) -> Result<Option<Certificate>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE key_identifier = $1 AND serial = $2"
        ))
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let row = self
            .queries
            .named(
                "certificate_select",
                hurried(select.fetch_optional(&self.pool)),
            )
            .await?;
        Ok(row.map(|row| row.0))
    }

    pub(super) async fn read_certificates(
        &self,
        ids: &[CertId],
    ) -> Result<Vec<Certificate>, StoreError> {
        // OFFSET 0 keeps the planner from making a join of it.
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM unnest($1::bytea[], $2::bytea[]) AS ids (issuer, number),
             LATERAL (
                 SELECT ",
            certificate_columns!(),
            " FROM certificates
                 WHERE key_identifier = issuer AND serial = number OFFSET 0
             ) AS found"
        ))
        .bind(column(ids, |id| id.key_identifier.octets()))
        .bind(column(ids, |id| id.serial.octets()));
        let rows = self
            .queries
            .named("certificate_look_up", hurried(select.fetch_all(&self.pool)))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    pub(super) async fn read_certificates_after(
        &self,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        // No key identifier is empty: the empty one comes before all.
        let (key_identifier, serial) = after.map_or((&[][..], &[][..]), |id| {
            (id.key_identifier.octets(), id.serial.octets())
        });
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE (key_identifier, serial) > ($1, $2)
             ORDER BY key_identifier, serial LIMIT $3"
        ))
        .bind(key_identifier)
        .bind(serial)
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("certificate_page", select.fetch_all(&self.pool))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}
