//! Certificates, read.

use sqlx::PgExecutor;

use super::PostgresStore;
use super::columns::column;
use super::pool::{hurried, hurried_step};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::row::{StoredCertificate, certificate_columns};
use crate::store::{IdRange, StoreError};

/// For so many keys at once the planner may rather read the whole table: 0.3 s for 10,000 of 200,000, where
/// their keys take 0.06 s.
const MANY: usize = 1_000;

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
        let ids: Vec<&CertId> = ids.iter().collect();
        let find = async {
            if ids.len() < MANY {
                return self.read_among(&self.pool, &ids).await;
            }
            let mut transaction = self.begin_by_key().await?;
            let found = self.read_among(&mut transaction, &ids).await?;
            self.commit(transaction).await?;
            Ok(found)
        };
        hurried_step("certificate_look_up", find).await
    }

    /// Those of these certificates that are there.
    pub(super) async fn read_among(
        &self,
        executor: impl PgExecutor<'_>,
        ids: &[&CertId],
    ) -> Result<Vec<Certificate>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM unnest($1::bytea[], $2::bytea[]) AS ids (issuer, wanted)
             JOIN certificates ON key_identifier = issuer AND serial = wanted"
        ))
        .bind(column(ids, |id| id.key_identifier.octets()))
        .bind(column(ids, |id| id.serial.octets()));
        let rows = self
            .queries
            .named("certificate_look_up", select.fetch_all(executor))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    pub(super) async fn read_certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        if self.servers.are_several() {
            return self.read_ranges(None, range, limit).await;
        }
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE (key_identifier, serial) > ($1, $2)
                 AND (key_identifier, serial) <= ($3, $4)
             ORDER BY key_identifier, serial LIMIT $5"
        ))
        .bind(from_issuer)
        .bind(from)
        .bind(to_issuer)
        .bind(to)
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("certificate_page", select.fetch_all(&self.pool))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}
