//! What gateways keep.

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::time::Timestamp;
use crate::store::gateway::{ClaimRow, FailuresRow, IssuedRow, claim, failures, issued};
use crate::store::row::{misfit, successor_columns};
use crate::store::{Claim, Failures, FailuresChange, GatewayStore, IssuedFor, StoreError};

#[async_trait]
impl GatewayStore for SqliteStore {
    async fn account_key(&self, account: u128) -> Result<Option<Vec<u8>>, StoreError> {
        let select = sqlx::query_scalar("SELECT jwk FROM gateway_accounts WHERE account = ?1")
            .bind(account.to_be_bytes().to_vec());
        self.queries
            .named(
                "gateway_account_select",
                select.fetch_optional(self.readers()),
            )
            .await
    }

    async fn set_account_key(
        &self,
        account: u128,
        jwk: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let upsert = sqlx::query(
            "INSERT INTO gateway_accounts (account, jwk, seen_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (account) DO UPDATE SET jwk = excluded.jwk, seen_at = excluded.seen_at",
        )
        .bind(account.to_be_bytes().to_vec())
        .bind(jwk)
        .bind(now.unix());
        self.write_alone("gateway_account_upsert", upsert).await
    }

    async fn issued_for(&self, id: &CertId) -> Result<Option<IssuedFor>, StoreError> {
        let select = sqlx::query_as::<_, IssuedRow>(
            "SELECT account, names, each_name, not_after FROM gateway_certificates
             WHERE key_identifier = ?1 AND serial = ?2",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let row = self
            .queries
            .named(
                "gateway_issued_select",
                select.fetch_optional(self.readers()),
            )
            .await?;
        row.map(|row| issued(id, row)).transpose()
    }

    async fn issued_last(
        &self,
        account: u128,
        names: u128,
        now: Timestamp,
    ) -> Result<Option<CertId>, StoreError> {
        const QUERY: &str = "gateway_issued_last";
        let select = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(
            "SELECT key_identifier, serial FROM gateway_certificates
             WHERE account = ?1 AND names = ?2 AND not_after > ?3
             ORDER BY not_after DESC LIMIT 1",
        )
        .bind(account.to_be_bytes().to_vec())
        .bind(names.to_be_bytes().to_vec())
        .bind(now.unix());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(self.readers()))
            .await?;
        row.map(|(key_identifier, serial)| {
            let fits = |error| StoreError::from_driver(QUERY, misfit("serial", error));
            Ok(CertId {
                key_identifier: KeyIdentifier::new(&key_identifier).map_err(fits)?,
                serial: Serial::new(&serial).map_err(fits)?,
            })
        })
        .transpose()
    }

    async fn note_issued(&self, issued: &IssuedFor) -> Result<(), StoreError> {
        let each_name: Vec<u8> = issued
            .each_name
            .iter()
            .flat_map(|name| name.to_be_bytes())
            .collect();
        let insert = sqlx::query(
            "INSERT INTO gateway_certificates
                 (key_identifier, serial, account, names, each_name, not_after)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (key_identifier, serial) DO NOTHING",
        )
        .bind(issued.id.key_identifier.octets())
        .bind(issued.id.serial.octets())
        .bind(issued.account.to_be_bytes().to_vec())
        .bind(issued.names.to_be_bytes().to_vec())
        .bind(each_name)
        .bind(issued.not_after.unix());
        self.write_alone("gateway_issued_insert", insert).await
    }

    async fn claim(&self, claim: &Claim, urls: &[u128], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for url in urls {
            let insert = sqlx::query(
                "INSERT INTO gateway_claims
                     (url, order_url, replaces, predecessor, expires_at, made_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (url) DO NOTHING",
            )
            .bind(url.to_be_bytes().to_vec())
            .bind(claim.order.to_be_bytes().to_vec())
            .bind(&claim.replaces)
            .bind(claim.predecessor.to_string())
            .bind(claim.expires_at.map(Timestamp::unix))
            .bind(now.unix());
            self.queries
                .named("gateway_claim_insert", insert.execute(&mut *transaction))
                .await?;
        }
        self.commit(transaction).await
    }

    async fn claim_at(&self, url: u128) -> Result<Option<Claim>, StoreError> {
        const QUERY: &str = "gateway_claim_select";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE url = ?1",
        )
        .bind(url.to_be_bytes().to_vec());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(self.readers()))
            .await?;
        row.map(|row| claim(QUERY, row)).transpose()
    }

    async fn claim_on(&self, predecessor: &CertId) -> Result<Option<Claim>, StoreError> {
        const QUERY: &str = "gateway_claim_on";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE predecessor = ?1 AND url = order_url ORDER BY made_at DESC LIMIT 1",
        )
        .bind(predecessor.to_string());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(self.readers()))
            .await?;
        row.map(|row| claim(QUERY, row)).transpose()
    }

    async fn settle_claim(&self, order: u128) -> Result<(), StoreError> {
        let update =
            sqlx::query("UPDATE gateway_claims SET expires_at = NULL WHERE order_url = ?1")
                .bind(order.to_be_bytes().to_vec());
        self.write_alone("gateway_claim_settle", update).await
    }

    async fn drop_claim(&self, order: u128) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM gateway_claims WHERE order_url = ?1")
            .bind(order.to_be_bytes().to_vec());
        self.write_alone("gateway_claim_delete", delete).await
    }

    async fn expired_claims(&self, now: Timestamp, limit: u32) -> Result<Vec<Claim>, StoreError> {
        const QUERY: &str = "gateway_claims_expired";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE expires_at < ?1 AND url = order_url ORDER BY expires_at LIMIT ?2",
        )
        .bind(now.unix())
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named(QUERY, select.fetch_all(self.readers()))
            .await?;
        rows.into_iter().map(|row| claim(QUERY, row)).collect()
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
            .queries
            .named("successor_swap", update.execute(&mut *transaction))
            .await?;
        let swapped = done.rows_affected() == 1;
        if swapped {
            self.commit(transaction).await?;
        } else {
            self.queries
                .named("rollback", transaction.rollback())
                .await?;
        }
        Ok(swapped)
    }

    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        let mut transaction = self.write().await?;
        let sweep =
            sqlx::query("DELETE FROM gateway_failures WHERE failed_at < ?1").bind(since.unix());
        self.queries
            .named("gateway_failures_sweep", sweep.execute(&mut *transaction))
            .await?;
        let mut kept = Vec::new();
        for change in changes {
            let (account, names) = (change.account.to_be_bytes(), change.names.to_be_bytes());
            if change.succeeded {
                let delete =
                    sqlx::query("DELETE FROM gateway_failures WHERE account = ?1 AND names = ?2")
                        .bind(account.to_vec())
                        .bind(names.to_vec());
                self.queries
                    .named("gateway_failures_delete", delete.execute(&mut *transaction))
                    .await?;
            }
            if change.failed == 0 {
                continue;
            }
            let upsert = sqlx::query_as::<_, FailuresRow>(
                "INSERT INTO gateway_failures (account, names, failures, failed_at)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (account, names) DO UPDATE SET
                     failures = failures + excluded.failures,
                     failed_at = max(failed_at, excluded.failed_at)
                 RETURNING account, names, failures, failed_at",
            )
            .bind(account.to_vec())
            .bind(names.to_vec())
            .bind(i64::from(change.failed))
            .bind(change.at.unix());
            let row = self
                .queries
                .named(
                    "gateway_failures_upsert",
                    upsert.fetch_one(&mut *transaction),
                )
                .await?;
            kept.push(failures(&row)?);
        }
        self.commit(transaction).await?;
        Ok(kept)
    }

    async fn failures_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Failures>, StoreError> {
        let select = sqlx::query_as::<_, FailuresRow>(
            "SELECT account, names, failures, failed_at FROM gateway_failures
             WHERE failed_at >= ?1 ORDER BY failed_at DESC LIMIT ?2",
        )
        .bind(since.unix())
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("gateway_failures_select", select.fetch_all(self.readers()))
            .await?;
        rows.iter().map(failures).collect()
    }

    async fn sweep_gateway(&self, before: Timestamp) -> Result<(), StoreError> {
        let accounts =
            sqlx::query("DELETE FROM gateway_accounts WHERE seen_at < ?1").bind(before.unix());
        let certificates = sqlx::query("DELETE FROM gateway_certificates WHERE not_after < ?1")
            .bind(before.unix());
        let claims =
            sqlx::query("DELETE FROM gateway_claims WHERE made_at < ?1").bind(before.unix());
        for (query, delete) in [
            ("sweep_gateway_accounts", accounts),
            ("sweep_gateway_certificates", certificates),
            ("sweep_gateway_claims", claims),
        ] {
            self.write_alone(query, delete).await?;
        }
        Ok(())
    }
}
