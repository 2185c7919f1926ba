//! A certificate that a client has revoked gets a window in the present.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Gateway;
use super::asked::Asked;
use crate::domain::acme::Intent;
use crate::ingest::only_certificate;
use crate::telemetry::CertIdDigest;

/// The pause between two tries, at first …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … and after several.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

impl Gateway {
    /// The upstream has accepted a revocation. In the background, it is passed to the store until
    /// that succeeds, as long as this process runs.
    pub(super) fn revocation_accepted(self: &Arc<Self>, asked: &Asked) {
        let Intent::Revoke(der) = &asked.intent else {
            return;
        };
        let Ok(certificate) = only_certificate(der) else {
            return;
        };
        let place = Arc::clone(&self.revoking).try_acquire_owned();
        let gateway = Arc::clone(self);
        self.engine.background().spawn(async move {
            let id = certificate.id;
            let mut pause = FIRST_PAUSE;
            loop {
                let revoked = gateway.engine.revoked(std::slice::from_ref(&id), None);
                let Err(error) = revoked.await else { return };
                let name = &gateway.config.name;
                let certificate = CertIdDigest(&id);
                if place.is_err() {
                    tracing::error!(event = "revocation_not_taken", gateway = name, %certificate, %error);
                    return;
                }
                tracing::warn!(event = "revocation_waits", gateway = name, %certificate, %error);
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        });
    }
}
