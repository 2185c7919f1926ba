//! The certificate or order that replaces a certificate.

use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Successor};
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::change::RowOrigin;
use crate::store::Succession;

impl Engine {
    /// Sets a certificate's successor.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn succeed(
        &self,
        id: &CertId,
        successor: &Successor,
    ) -> Result<Succession, EngineError> {
        let Some(certificate) = self.certificate(id).await? else {
            return Ok(Succession::Unknown);
        };
        let outcome = self.store.succeed(&certificate.id, successor).await?;
        if outcome == Succession::Set {
            let changed = Certificate {
                successor: Some(successor.clone()),
                ..certificate
            };
            let memory = self.memory();
            memory.put(&changed, RowOrigin::Newest);
            memory.hand_on_rhythm(&changed.id, successor);
        }
        Ok(outcome)
    }

    /// Removes a successor; `None` if there is no such certificate.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, EngineError> {
        let Some(certificate) = self.certificate(id).await? else {
            return Ok(None);
        };
        let outcome = self.store.unsucceed(&certificate.id).await?;
        if outcome == Some(true) {
            let changed = Certificate {
                successor: None,
                ..certificate
            };
            self.memory().put(&changed, RowOrigin::Newest);
        }
        Ok(outcome)
    }

    /// Replaces a certificate's successor by `to` if it is `from`, so that only one of two
    /// concurrent requests succeeds; returns whether it did. The CertID must be the registered one.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn resucceed(
        &self,
        id: &CertId,
        from: &Successor,
        to: Option<&Successor>,
    ) -> Result<bool, EngineError> {
        if !self.store().resucceed(id, from, to).await? {
            return Ok(false);
        }
        if let Some(certificate) = self.store().certificate(id).await? {
            let memory = self.memory();
            memory.put(&certificate, RowOrigin::Newest);
            if let Some(successor) = to {
                memory.hand_on_rhythm(id, successor);
            }
        }
        Ok(true)
    }
}
