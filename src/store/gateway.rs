//! Data of the gateways: keys of accounts, the accounts for which certificates were issued, and
//! which orders replace which certificates.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::failures::{Failures, failures};
use super::row::{cert_id, hash, misfit};
use crate::domain::certificate::certid::{CertId, CertIdError};
use crate::domain::time::Timestamp;

/// For whom a certificate was issued, as keyed hashes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuedFor {
    /// The certificate.
    pub id: CertId,
    /// The account.
    pub account: u128,
    /// All its names together.
    pub names: u128,
    /// Each of its names, ascending.
    pub each_name: Vec<u64>,
    /// The last second of its life.
    pub not_after: Timestamp,
}

impl IssuedFor {
    /// Whether any of these names, ascending, is one of its own.
    #[must_use]
    pub fn shares_a_name(&self, each_name: &[u64]) -> bool {
        each_name
            .iter()
            .any(|name| self.each_name.binary_search(name).is_ok())
    }
}

/// An order that replaces a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The keyed hash of the order's URL.
    pub order: u128,
    /// The certificate, as the client wrote it.
    pub replaces: String,
    /// The certificate, as it is registered.
    pub predecessor: CertId,
    /// Until when the order may still succeed; `None`: it has.
    pub expires_at: Option<Timestamp>,
}

/// The most certificates for one set of names that expire in the same second and are told apart: a CA
/// that shortens lives to the end of its own issues no more of them before it ends.
const MOST_OF_ONE_SECOND: i64 = 64;

/// What gateways keep. As with [`super::durable::Store`], every method is one durable step or one consistent
/// read.
#[async_trait]
pub trait GatewayStore {
    /// The public key of an account, in the octets that it was kept in.
    async fn account_key(&self, account: u128) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps the key of an account in the place of any before it.
    async fn set_account_key(
        &self,
        account: u128,
        jwk: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// For whom a certificate was issued.
    async fn issued_for(&self, id: &CertId) -> Result<Option<IssuedFor>, StoreError>;

    /// Of the certificates of an account for exactly these names that live beyond `now`, the one that
    /// lives longest; several, 64 at most, if they expire in the same second.
    async fn issued_last(
        &self,
        account: u128,
        names: u128,
        now: Timestamp,
    ) -> Result<Vec<CertId>, StoreError>;

    /// Keeps for whom a certificate was issued. One that is there stays as it is.
    async fn note_issued(&self, issued: &IssuedFor) -> Result<(), StoreError>;

    /// Keeps a claim under these URLs. A URL that is there stays with its order.
    async fn claim(&self, claim: &Claim, urls: &[u128], now: Timestamp) -> Result<(), StoreError>;

    /// The claim that a URL belongs to.
    async fn claim_at(&self, url: u128) -> Result<Option<Claim>, StoreError>;

    /// The newest claim on a certificate.
    async fn claim_on(&self, predecessor: &CertId) -> Result<Option<Claim>, StoreError>;

    /// An order has succeeded: its claim does not expire any more.
    async fn settle_claim(&self, order: u128) -> Result<(), StoreError>;

    /// Forgets a claim.
    async fn drop_claim(&self, order: u128) -> Result<(), StoreError>;

    /// Up to `limit` claims of orders that can no longer succeed at `now`, each once.
    async fn expired_claims(&self, now: Timestamp, limit: u32) -> Result<Vec<Claim>, StoreError>;

    /// Failures whose last one was at `since` or later: the newest `limit`, newest first.
    async fn failures_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Failures>, StoreError>;

    /// Drops keys that were seen last before `before`, claims made before it, and what is kept of
    /// certificates that expired before it.
    async fn sweep_gateway(&self, before: Timestamp) -> Result<(), StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl GatewayStore for ThisStore {
        async fn account_key(&self, account: u128) -> Result<Option<Vec<u8>>, StoreError> {
            let select = sqlx::query_as::<_, (Vec<u8>,)>(
                "SELECT jwk FROM gateway_accounts WHERE account = $1",
            )
            .bind(account.to_be_bytes().to_vec());
            let row = self.row("gateway_account_select", select).await?;
            Ok(row.map(|(jwk,)| jwk))
        }

        async fn set_account_key(
            &self,
            account: u128,
            jwk: &[u8],
            now: Timestamp,
        ) -> Result<(), StoreError> {
            let upsert = sqlx::query(
                "INSERT INTO gateway_accounts (account, jwk, seen_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account)
                 DO UPDATE SET jwk = excluded.jwk, seen_at = excluded.seen_at",
            )
            .bind(account.to_be_bytes().to_vec())
            .bind(jwk)
            .bind(now.unix());
            self.write_alone("gateway_account_upsert", upsert).await
        }

        async fn issued_for(&self, id: &CertId) -> Result<Option<IssuedFor>, StoreError> {
            let select = sqlx::query_as(
                "SELECT account, names, each_name, not_after FROM gateway_certificates
                 WHERE key_identifier = $1 AND serial = $2",
            )
            .bind(id.key_identifier.octets())
            .bind(id.serial.octets());
            let row = self.row("gateway_issued_select", select).await?;
            row.map(|row| issued(id, row)).transpose()
        }

        async fn issued_last(
            &self,
            account: u128,
            names: u128,
            now: Timestamp,
        ) -> Result<Vec<CertId>, StoreError> {
            const QUERY: &str = "gateway_issued_last";
            let select = sqlx::query_as::<_, (Vec<u8>, Vec<u8>, i64)>(
                "SELECT key_identifier, serial, not_after FROM gateway_certificates
                 WHERE account = $1 AND names = $2 AND not_after > $3
                 ORDER BY not_after DESC LIMIT $4",
            )
            .bind(account.to_be_bytes().to_vec())
            .bind(names.to_be_bytes().to_vec())
            .bind(now.unix())
            .bind(MOST_OF_ONE_SECOND);
            let rows = self.rows(QUERY, select).await?;
            let last = rows.first().map(|row| row.2);
            let of_last = rows.into_iter().take_while(|row| Some(row.2) == last);
            of_last.map(|(key, serial, _)| cert_id(QUERY, (key, serial))).collect()
        }

        async fn note_issued(&self, issued: &IssuedFor) -> Result<(), StoreError> {
            let each_name = issued.each_name.iter().flat_map(|name| name.to_be_bytes());
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
            .bind(each_name.collect::<Vec<u8>>())
            .bind(issued.not_after.unix());
            self.write_alone("gateway_issued_insert", insert).await
        }

        async fn claim(
            &self,
            claim: &Claim,
            urls: &[u128],
            now: Timestamp,
        ) -> Result<(), StoreError> {
            let mut transaction = self.write().await?;
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
                self.run_in(&mut transaction, "gateway_claim_insert", insert).await?;
            }
            self.commit(transaction).await
        }

        async fn claim_at(&self, url: u128) -> Result<Option<Claim>, StoreError> {
            const QUERY: &str = "gateway_claim_select";
            let select = sqlx::query_as(
                "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
                 WHERE url = $1",
            )
            .bind(url.to_be_bytes().to_vec());
            let row = self.row(QUERY, select).await?;
            row.map(|row| claim(QUERY, row)).transpose()
        }

        async fn claim_on(&self, predecessor: &CertId) -> Result<Option<Claim>, StoreError> {
            const QUERY: &str = "gateway_claim_on";
            let select = sqlx::query_as(
                "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
                 WHERE predecessor = $1 AND url = order_url ORDER BY made_at DESC LIMIT 1",
            )
            .bind(predecessor.to_string());
            let row = self.row(QUERY, select).await?;
            row.map(|row| claim(QUERY, row)).transpose()
        }

        async fn settle_claim(&self, order: u128) -> Result<(), StoreError> {
            let update =
                sqlx::query("UPDATE gateway_claims SET expires_at = NULL WHERE order_url = $1")
                    .bind(order.to_be_bytes().to_vec());
            self.write_alone("gateway_claim_settle", update).await
        }

        async fn drop_claim(&self, order: u128) -> Result<(), StoreError> {
            let delete = sqlx::query("DELETE FROM gateway_claims WHERE order_url = $1")
                .bind(order.to_be_bytes().to_vec());
            self.write_alone("gateway_claim_delete", delete).await
        }

        async fn expired_claims(
            &self,
            now: Timestamp,
            limit: u32,
        ) -> Result<Vec<Claim>, StoreError> {
            const QUERY: &str = "gateway_claims_expired";
            let select = sqlx::query_as(
                "SELECT order_url, replaces, predecessor, expires_at FROM gateway_claims
                 WHERE expires_at < $1 AND url = order_url ORDER BY expires_at LIMIT $2",
            )
            .bind(now.unix())
            .bind(i64::from(limit));
            let rows = self.rows(QUERY, select).await?;
            rows.into_iter().map(|row| claim(QUERY, row)).collect()
        }

        async fn failures_since(
            &self,
            since: Timestamp,
            limit: u32,
        ) -> Result<Vec<Failures>, StoreError> {
            let select = sqlx::query_as(
                "SELECT account, names, failures, failed_at FROM gateway_failures
                 WHERE failed_at >= $1 ORDER BY failed_at DESC LIMIT $2",
            )
            .bind(since.unix())
            .bind(i64::from(limit));
            let rows = self.rows("gateway_failures_select", select).await?;
            rows.iter().map(failures).collect()
        }

        async fn sweep_gateway(&self, before: Timestamp) -> Result<(), StoreError> {
            let before = before.unix();
            let old = sqlx::query("DELETE FROM gateway_accounts WHERE seen_at < $1").bind(before);
            self.sweep("sweep_gateway_accounts", old).await?;
            let old =
                sqlx::query("DELETE FROM gateway_certificates WHERE not_after < $1").bind(before);
            self.sweep("sweep_gateway_certificates", old).await?;
            let old = sqlx::query("DELETE FROM gateway_claims WHERE made_at < $1").bind(before);
            self.sweep("sweep_gateway_claims", old).await
        }
    }
}

/// A claim: order, as written, as registered, when it expires.
type ClaimRow = (Vec<u8>, String, String, Option<i64>);

/// For whom: account, names, each name, the last second of life.
type IssuedRow = (Vec<u8>, Vec<u8>, Vec<u8>, i64);

fn issued(id: &CertId, row: IssuedRow) -> Result<IssuedFor, StoreError> {
    let (account, names, each_name, not_after) = row;
    let (each_name, _) = each_name.as_chunks();
    Ok(IssuedFor {
        id: id.clone(),
        account: hash("gateway_issued_select", &account)?,
        names: hash("gateway_issued_select", &names)?,
        each_name: each_name.iter().copied().map(u64::from_be_bytes).collect(),
        not_after: Timestamp::from_unix(not_after),
    })
}

fn claim(query: &'static str, row: ClaimRow) -> Result<Claim, StoreError> {
    let (order, replaces, predecessor, expires_at) = row;
    let predecessor = predecessor.parse().map_err(|error: CertIdError| {
        StoreError::from_driver(query, misfit("predecessor", error))
    })?;
    Ok(Claim {
        order: hash(query, &order)?,
        replaces,
        predecessor,
        expires_at: expires_at.map(Timestamp::from_unix),
    })
}
