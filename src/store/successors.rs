//! What has taken certificates' places.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;

/// What came of naming a successor.
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
    /// Names a certificate's successor.
    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError>;

    /// Takes a successor back; whether there was one. `None`: no such certificate.
    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError>;

    /// Puts `to` in the place of a certificate's successor where that is `from`; whether it was.
    async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, StoreError>;
}
