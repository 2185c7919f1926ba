//! Moves: new windows in the place of earlier ones.

use async_trait::async_trait;

use super::error::StoreError;
use super::range::IdRange;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Basis, Cause, Certificate};
use crate::domain::time::{Span, Timestamp};

/// A new window for a certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The certificate.
    pub id: CertId,
    /// The window to be replaced. If the certificate has another window by then, it is not moved.
    pub from: Span,
    /// The new window.
    pub to: Span,
    /// The source that the new window was drawn from.
    pub basis: Basis,
    /// The reason for the move.
    pub cause: Cause,
}

/// Moves of windows.
#[async_trait]
pub trait MoveStore {
    /// The first `limit` certificates of a range, in the order of key identifier and serial, that are
    /// not replaced, expire after `now`, and have a window that overlaps `span`.
    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;

    /// Moves windows and stores the tables that the new ones were drawn from, all or nothing. Returns
    /// how many were moved. If a certificate is given several times, the first move counts. The change
    /// feed contains the moved certificates.
    async fn move_windows(&self, tables: &[StoredTable], moves: &[Move])
    -> Result<u64, StoreError>;
}
