//! Windows that take others' places.

use async_trait::async_trait;

use super::error::StoreError;
use super::range::IdRange;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Basis, Cause, Certificate};
use crate::domain::time::{Span, Timestamp};

/// A window that is to take another's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The certificate.
    pub id: CertId,
    /// The window that it has: where it has another meanwhile, nothing is moved.
    pub from: Span,
    /// The new one.
    pub to: Span,
    /// What the new one was drawn from.
    pub basis: Basis,
    /// Why.
    pub cause: Cause,
}

/// Moves of windows.
#[async_trait]
pub trait MoveStore {
    /// The first `limit` certificates of a range, in the order of key identifier and serial, that
    /// are not replaced, live beyond `now`, and have a window that lies in `span` in part.
    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;

    /// Moves windows, with the tables that the new ones were drawn from, all or nothing; how many
    /// were moved. Of several moves of one certificate the first counts. The change feed tells the
    /// certificates.
    async fn move_windows(&self, tables: &[StoredTable], moves: &[Move])
    -> Result<u64, StoreError>;
}
