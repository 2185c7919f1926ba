//! A certificate that a client had revoked: its window is now.

use std::sync::Arc;

use super::Gateway;
use super::asked::Asked;
use crate::domain::acme::Intent;
use crate::ingest::only_certificate;
use crate::telemetry::CertIdDigest;

impl Gateway {
    /// The upstream has accepted a revocation. Nobody waits for what follows.
    pub(super) fn revocation_accepted(self: &Arc<Self>, asked: &Asked) {
        let Intent::Revoke(der) = &asked.intent else {
            return;
        };
        let Ok(certificate) = only_certificate(der) else {
            return;
        };
        let gateway = Arc::clone(self);
        self.engine.background().spawn(async move {
            let id = certificate.id;
            let revoked = gateway.engine.revoked(std::slice::from_ref(&id), None);
            if let Err(error) = revoked.await {
                tracing::error!(
                    event = "revocation_not_taken", gateway = gateway.config.name,
                    certificate = %CertIdDigest(&id), %error,
                );
            }
        });
    }
}
