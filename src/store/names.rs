//! Certificates by the names that they were issued for.

use async_trait::async_trait;

use super::error::StoreError;
use super::row::{cert_id, hash};
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;

/// The most certificates with one set of names that are returned at once: twice the number of servers
/// in any fleet that share the same names but have certificates of their own.
pub const MOST_NAMESAKES: i64 = 32;

/// A certificate and the names that it was issued for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Its CertID, as it was spelled at registration.
    pub id: CertId,
    /// The keyed hash of the set of names.
    pub names: u128,
    /// The last second of its life.
    pub not_after: Timestamp,
}

/// Certificates by their names.
#[async_trait]
pub trait NameStore {
    /// Stores the names of certificates, which may not be registered yet; names that are stored already
    /// stay. Returns, for each set of names among them, the [`MOST_NAMESAKES`] certificates that expire
    /// last and after `now`, which may include the given ones.
    async fn note_names(&self, given: &[Named], now: Timestamp) -> Result<Vec<Named>, StoreError>;

    /// Drops the names of certificates that expired before `before`.
    async fn sweep_names(&self, before: Timestamp) -> Result<(), StoreError>;
}

/// A row: names, `notAfter`, key identifier, serial.
pub(super) type NamedRow = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

pub(super) fn named(query: &'static str, row: NamedRow) -> Result<Named, StoreError> {
    let (names, not_after, key_identifier, serial) = row;
    Ok(Named {
        id: cert_id(query, (key_identifier, serial))?,
        names: hash(query, &names)?,
        not_after: Timestamp::from_unix(not_after),
    })
}
