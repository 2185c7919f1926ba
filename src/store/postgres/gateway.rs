//! What gateways keep.

use async_trait::async_trait;

use super::PostgresStore;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::time::Timestamp;
use crate::store::gateway::{ClaimRow, FailuresRow, IssuedRow, claim, failures, issued};
use crate::store::row::misfit;
use crate::store::{Claim, Failures, FailuresChange, GatewayStore, IssuedFor, StoreError};

#[async_trait]
impl GatewayStore for PostgresStore {
    async fn account_key(&self, account: u128) -> Result<Option<Vec<u8>>, StoreError> {
        let select = sqlx::query_scalar("SELECT jwk FROM gateway_accounts WHERE account = $1")
            .bind(account.to_be_bytes().to_vec());
        self.queries
            .named("gateway_account_select", select.fetch_optional(&self.pool))
            .await
    }

    async fn set_account_key(
        &self,
        account: u128,
        jwk: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let upsert = sqlx::query(
            "INSERT INTO gateway_accounts (account, jwk, seen_at) VALUES ($1, $2, $3)
             ON CONFLICT (account) DO UPDATE SET jwk = excluded.jwk, seen_at = excluded.seen_at",
        )
        .bind(account.to_be_bytes().to_vec())
        .bind(jwk)
        .bind(now.unix());
        self.queries
            .named("gateway_account_upsert", upsert.execute(&self.pool))
            .await
            .map(drop)
    }

    async fn issued_for(&self, id: &CertId) -> Result<Option<IssuedFor>, StoreError> {
        let select = sqlx::query_as::<_, IssuedRow>(
            "SELECT account, names, each_name, not_after FROM gateway_certificates
             WHERE key_identifier = $1 AND serial = $2",
        )
        .bind(id.key_identifier.octets())
        .bind(id.serial.octets());
        let row = self
            .queries
            .named("gateway_issued_select", select.fetch_optional(&self.pool))
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
             WHERE account = $1 AND names = $2 AND not_after > $3
             ORDER BY not_after DESC LIMIT 1",
        )
        .bind(account.to_be_bytes().to_vec())
        .bind(names.to_be_bytes().to_vec())
        .bind(now.unix());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(&self.pool))
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
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (key_identifier, serial) DO NOTHING",
        )
        .bind(issued.id.key_identifier.octets())
        .bind(issued.id.serial.octets())
        .bind(issued.account.to_be_bytes().to_vec())
        .bind(issued.names.to_be_bytes().to_vec())
        .bind(each_name)
        .bind(issued.not_after.unix());
        self.queries
            .named("gateway_issued_insert", insert.execute(&self.pool))
            .await
            .map(drop)
    }

    async fn claim(&self, claim: &Claim, urls: &[u128], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for url in urls {
            let insert = sqlx::query(
                "INSERT INTO gateway_claims
                     (url, order_url, replaces, predecessor, expires_at, made_at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (url) DO NOTHING",
            )
            .bind(url.to_be_bytes().to_vec())
            .bind(claim.order.to_be_bytes().to_vec())
            .bind(&claim.replaces)
            .bind(claim.predecessor.to_string())
            .bind(claim.expires_at.map(Timestamp::unix))
            .bind(now.unix());
            self.queries
                .named("gateway_claim_insert", insert.execute(&mut transaction))
                .await?;
        }
        self.commit(transaction).await
    }

    async fn claim_at(&self, url: u128) -> Result<Option<Claim>, StoreError> {
        const QUERY: &str = "gateway_claim_select";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE url = $1",
        )
        .bind(url.to_be_bytes().to_vec());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(&self.pool))
            .await?;
        row.map(|row| claim(QUERY, row)).transpose()
    }

    async fn claim_on(&self, predecessor: &CertId) -> Result<Option<Claim>, StoreError> {
        const QUERY: &str = "gateway_claim_on";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE predecessor = $1 AND url = order_url ORDER BY made_at DESC LIMIT 1",
        )
        .bind(predecessor.to_string());
        let row = self
            .queries
            .named(QUERY, select.fetch_optional(&self.pool))
            .await?;
        row.map(|row| claim(QUERY, row)).transpose()
    }

    async fn settle_claim(&self, order: u128) -> Result<(), StoreError> {
        let update =
            sqlx::query("UPDATE gateway_claims SET expires_at = NULL WHERE order_url = $1")
                .bind(order.to_be_bytes().to_vec());
        self.queries
            .named("gateway_claim_settle", update.execute(&self.pool))
            .await
            .map(drop)
    }

    async fn drop_claim(&self, order: u128) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM gateway_claims WHERE order_url = $1")
            .bind(order.to_be_bytes().to_vec());
        self.queries
            .named("gateway_claim_delete", delete.execute(&self.pool))
            .await
            .map(drop)
    }

    async fn expired_claims(&self, now: Timestamp, limit: u32) -> Result<Vec<Claim>, StoreError> {
        const QUERY: &str = "gateway_claims_expired";
        let select = sqlx::query_as::<_, ClaimRow>(
            "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
             WHERE expires_at < $1 AND url = order_url ORDER BY expires_at LIMIT $2",
        )
        .bind(now.unix())
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named(QUERY, select.fetch_all(&self.pool))
            .await?;
        rows.into_iter().map(|row| claim(QUERY, row)).collect()
    }

    async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, StoreError> {
        self.told(self.swap_successor(id, from, to).await)
    }

    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        // A step of its own each, and rows are waited for in the order of their keys alone, so that no two
        // processes wait for each other. What adds comes last: an error before it has added nothing.
        self.drop_failures(changes).await?;
        let sweep = sqlx::query(
            "DELETE FROM gateway_failures WHERE (account, names) IN (
                 SELECT account, names FROM gateway_failures WHERE failed_at < $1
                 FOR UPDATE SKIP LOCKED)",
        )
        .bind(since.unix());
        self.queries
            .named("gateway_failures_sweep", sweep.execute(&self.pool))
            .await?;
        self.add_failures(changes, since).await
    }

    async fn failures_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Failures>, StoreError> {
        let select = sqlx::query_as::<_, FailuresRow>(
            "SELECT account, names, failures, failed_at FROM gateway_failures
             WHERE failed_at >= $1 ORDER BY failed_at DESC LIMIT $2",
        )
        .bind(since.unix())
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("gateway_failures_select", select.fetch_all(&self.pool))
            .await?;
        rows.iter().map(failures).collect()
    }

    async fn sweep_gateway(&self, before: Timestamp) -> Result<(), StoreError> {
        let accounts =
            sqlx::query("DELETE FROM gateway_accounts WHERE seen_at < $1").bind(before.unix());
        let certificates = sqlx::query("DELETE FROM gateway_certificates WHERE not_after < $1")
            .bind(before.unix());
        let claims =
            sqlx::query("DELETE FROM gateway_claims WHERE made_at < $1").bind(before.unix());
        for (query, delete) in [
            ("sweep_gateway_accounts", accounts),
            ("sweep_gateway_certificates", certificates),
            ("sweep_gateway_claims", claims),
        ] {
            self.queries
                .at_leisure(query, delete.execute(&self.pool))
                .await?;
        }
        Ok(())
    }
}

impl PostgresStore {
    /// Drops the failures that are kept for accounts and names with a success.
    async fn drop_failures(&self, changes: &[FailuresChange]) -> Result<(), StoreError> {
        let of = |change: &&FailuresChange| change.succeeded;
        let (accounts, names) = keys(changes.iter().filter(of));
        if accounts.is_empty() {
            return Ok(());
        }
        let delete = sqlx::query(
            "DELETE FROM gateway_failures WHERE (account, names) IN (
                 SELECT account, names FROM gateway_failures
                 JOIN unnest($1::bytea[], $2::bytea[]) AS given (of, named)
                   ON account = of AND names = named
                 ORDER BY account, names FOR UPDATE OF gateway_failures)",
        )
        .bind(accounts)
        .bind(names);
        self.queries
            .named("gateway_failures_delete", delete.execute(&self.pool))
            .await
            .map(drop)
    }

    /// Adds failures to those that are kept, and says how many there are then.
    async fn add_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        const QUERY: &str = "gateway_failures_upsert";
        let failed: Vec<&FailuresChange> =
            changes.iter().filter(|change| change.failed > 0).collect();
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let (accounts, names) = keys(failed.iter().copied());
        let counts: Vec<i64> = failed.iter().map(|change| change.failed.into()).collect();
        let at: Vec<i64> = failed.iter().map(|change| change.at.unix()).collect();
        let upsert = sqlx::query_as::<_, FailuresRow>(
            "INSERT INTO gateway_failures (account, names, failures, failed_at)
             SELECT given.* FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
                 AS given (account, names, failures, failed_at) ORDER BY 1, 2
             ON CONFLICT (account, names) DO UPDATE SET
                 failures = excluded.failures + CASE
                     WHEN gateway_failures.failed_at < $5 THEN 0 ELSE gateway_failures.failures END,
                 failed_at = greatest(gateway_failures.failed_at, excluded.failed_at)
             RETURNING account, names, failures, failed_at",
        )
        .bind(accounts)
        .bind(names)
        .bind(counts)
        .bind(at)
        .bind(since.unix());
        let rows = self
            .queries
            .named(QUERY, upsert.fetch_all(&self.pool))
            .await?;
        rows.iter().map(failures).collect()
    }
}

/// The keys of changes, column by column.
fn keys<'a>(of: impl Iterator<Item = &'a FailuresChange>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    of.map(|change| {
        let (account, names) = (change.account.to_be_bytes(), change.names.to_be_bytes());
        (account.to_vec(), names.to_vec())
    })
    .unzip()
}
