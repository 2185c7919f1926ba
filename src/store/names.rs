//! Certificates by the names that they were issued for.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::StoreError;
use super::row::misfit;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
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
pub trait NameStore: Debug + Send + Sync {
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
    let fits = |error| StoreError::from_driver(query, misfit("serial", error));
    let names = names
        .try_into()
        .map_err(|_| StoreError::from_driver(query, misfit("names", "not sixteen octets")))?;
    Ok(Named {
        id: CertId {
            key_identifier: KeyIdentifier::new(&key_identifier).map_err(fits)?,
            serial: Serial::new(&serial).map_err(fits)?,
        },
        names: u128::from_be_bytes(names),
        not_after: Timestamp::from_unix(not_after),
    })
}
