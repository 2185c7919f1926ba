//! Data of the gateways: keys of accounts, the accounts for which certificates were issued, and
//! which orders replace which certificates.

use async_trait::async_trait;

use super::error::StoreError;
use super::row::misfit;
use crate::domain::certificate::Successor;
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

/// Orders of an account for the same names that failed one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failures {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// How many; at least 1.
    pub count: u32,
    /// When the last one failed.
    pub at: Timestamp,
}

/// The results of orders of an account for the same names since the last report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailuresChange {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// Whether one has succeeded: nothing counts that was kept before.
    pub succeeded: bool,
    /// How many have failed since, one after the other.
    pub failed: u32,
    /// When the last one failed or succeeded.
    pub at: Timestamp,
}

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
    /// lives longest.
    async fn issued_last(
        &self,
        account: u128,
        names: u128,
        now: Timestamp,
    ) -> Result<Option<CertId>, StoreError>;

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

    /// Puts `to` in the place of a certificate's successor where that is `from`; whether it was.
    async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, StoreError>;

    /// Adds the reports of several gateways. A success drops the failures that were kept for an
    /// account and names; failures are added to those that are kept. Drops all entries whose last
    /// failure was before `since` and that get no new one. Each account and names may be given
    /// once. Returns what is kept now for those that failed.
    ///
    /// If it is repeated after an error, successes are not counted twice; failures that were stored
    /// in spite of the error are.
    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError>;

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

/// Failures: account, names, how many, when last.
pub(super) type FailuresRow = (Vec<u8>, Vec<u8>, i64, i64);

pub(super) fn failures(row: &FailuresRow) -> Result<Failures, StoreError> {
    const QUERY: &str = "gateway_failures_select";
    let (account, names, count, at) = row;
    Ok(Failures {
        account: hash(QUERY, account)?,
        names: hash(QUERY, names)?,
        count: u32::try_from(*count).unwrap_or(u32::MAX),
        at: Timestamp::from_unix(*at),
    })
}

/// A claim: order, as written, as registered, when it expires.
pub(super) type ClaimRow = (Vec<u8>, String, String, Option<i64>);

/// For whom: account, names, each name, the last second of life.
pub(super) type IssuedRow = (Vec<u8>, Vec<u8>, Vec<u8>, i64);

pub(super) fn issued(id: &CertId, row: IssuedRow) -> Result<IssuedFor, StoreError> {
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

pub(super) fn claim(query: &'static str, row: ClaimRow) -> Result<Claim, StoreError> {
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

fn hash(query: &'static str, octets: &[u8]) -> Result<u128, StoreError> {
    let octets = <[u8; 16]>::try_from(octets);
    octets
        .map(u128::from_be_bytes)
        .map_err(|error| StoreError::from_driver(query, misfit("hash", error)))
}
