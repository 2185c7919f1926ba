//! Certificates by the names that they were issued for.

use async_trait::async_trait;

use super::error::StoreError;
use super::row::{cert_id, hash};
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;

/// Certificates of one set of names that are told at once: twice as many as servers share a certificate's
/// names, of any fleet that gives each its own.
pub const MOST_NAMESAKES: i64 = 32;

/// A certificate and the names that it was issued for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Its CertID, in the spelling that it was handed in with.
    pub id: CertId,
    /// The keyed hash of the whole set.
    pub names: u128,
    /// The last second of its life.
    pub not_after: Timestamp,
}

/// Who was issued for the same names.
#[async_trait]
pub trait NameStore {
    /// Keeps the names of certificates, registered or not yet; one that is kept already stays. Of each set of
    /// names among them, the [`MOST_NAMESAKES`] certificates that live longest and beyond `now`, those
    /// given here perhaps among them.
    async fn note_names(&self, given: &[Named], now: Timestamp) -> Result<Vec<Named>, StoreError>;

    /// Forgets the names of certificates that ended before `before`.
    async fn sweep_names(&self, before: Timestamp) -> Result<(), StoreError>;
}

/// The columns of a row: names, `notAfter`, key identifier, serial.
pub(super) type NamedRow = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

pub(super) fn named(query: &'static str, row: NamedRow) -> Result<Named, StoreError> {
    let (names, not_after, key_identifier, serial) = row;
    Ok(Named {
        id: cert_id(query, (key_identifier, serial))?,
        names: hash(query, &names)?,
        not_after: Timestamp::from_unix(not_after),
    })
}
