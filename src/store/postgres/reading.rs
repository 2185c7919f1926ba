//! Reading certificates.

use async_trait::async_trait;
use sqlx::PgExecutor;

use super::PostgresStore;
use super::columns::column;
use super::pool::{hurried, hurried_step};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::certificates::CERTIFICATE;
use crate::store::row::{StoredCertificate, certificate_columns};
use crate::store::{CertificateStore, IdRange, StoreError};

/// With at least this many keys the planner might scan the whole table: that takes 0.3 s for 10,000 of
/// 200,000 certificates, while using their keys takes 0.06 s.
const MANY: usize = 1_000;

#[async_trait]
impl CertificateStore for PostgresStore {
    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError> {
        let select = sqlx::query_as::<_, StoredCertificate>(CERTIFICATE)
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

    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, StoreError> {
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
    async fn certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        if self.servers.are_several() {
            return self.read_ranges(None, range, limit).await;
        }
        self.first_in(range, limit).await
    }
}

impl PostgresStore {
    /// The first issuer after this one that has certificates, and its first serial.
    pub(super) async fn first_after(
        &self,
        issuer: &[u8],
    ) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let select = sqlx::query_as(
            "SELECT key_identifier, serial FROM certificates WHERE key_identifier > $1
             ORDER BY key_identifier, serial LIMIT 1",
        )
        .bind(issuer);
        self.row("certificate_issuer", select).await
    }

    /// The first issuer after this one that has certificates, and its first and last serial.
    pub(in crate::store) async fn serials_after(
        &self,
        issuer: &[u8],
    ) -> Result<Option<(Vec<u8>, Vec<u8>, Vec<u8>)>, StoreError> {
        let Some((issuer, first)) = self.first_after(issuer).await? else {
            return Ok(None);
        };
        // It may have been removed in the meantime; then there is nothing to divide.
        let last = self
            .last_of(&issuer)
            .await?
            .unwrap_or_else(|| first.clone());
        Ok(Some((issuer, first, last)))
    }

    /// The last serial of an issuer.
    async fn last_of(&self, issuer: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let select = sqlx::query_scalar(
            "SELECT serial FROM certificates WHERE key_identifier = $1
             ORDER BY serial DESC LIMIT 1",
        )
        .bind(issuer);
        self.queries
            .named("certificate_issuer", select.fetch_optional(&self.pool))
            .await
    }

    /// Those of these certificates that are stored.
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
}
