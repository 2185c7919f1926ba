//! Successors of certificates.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;

/// The result of setting a successor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Succession {
    /// There is no such certificate.
    Unknown,
    /// It has another successor.
    Other(Successor),
    /// It had this successor already.
    Same,
    /// It has this successor now.
    Set,
}

/// Successors.
#[async_trait]
pub trait SuccessorStore {
    /// Sets the successor of a certificate.
    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError>;

    /// Removes a successor; returns whether there was one. `None` if there is no such certificate.
    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError>;

    /// Replaces a certificate's successor by `to` if it is `from`; returns whether it was.
    async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, StoreError>;
}
