//! When certificates were renewed, as known from their successors.

use super::memory::Memory;
use super::pending_successors::MOST_PENDING;
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::time::{MINUTE, Timestamp};
use crate::engine::index::{Fingerprint, Renewal};

impl Memory {
    /// When a certificate was renewed. If its successor is not in the index yet, it is updated when
    /// the successor arrives. Only done if there is a control group to compare with.
    pub(in crate::engine) fn renewal(&self, ca: usize, certificate: &Certificate) -> Renewal {
        let Some(Successor::By(by)) = &certificate.successor else {
            return Renewal::Unknown;
        };
        if self.config.cas[ca].control_share <= 0.0 {
            return Renewal::Unknown;
        }
        let successor = self.index.fingerprint(by);
        if let Some(minute) = self.index.get(successor, |entry| entry.issued_at) {
            // The middle of the minute stored in the index, so that errors cancel out.
            return Renewal::of(certificate.window, minute + MINUTE / 2);
        }
        let mut awaited = self.awaited.lock();
        if awaited.len() < MOST_PENDING {
            awaited.insert(successor, self.index.fingerprint(&certificate.id));
        }
        Renewal::Unknown
    }

    /// Records when a successor was issued for the certificate that waits for it, if any.
    pub(in crate::engine) fn renewed_by(
        &self,
        ca: usize,
        successor: Fingerprint,
        issued_at: Timestamp,
    ) {
        if self.config.cas[ca].control_share <= 0.0 {
            return;
        }
        let predecessor = self.awaited.lock().remove(&successor);
        if let Some(predecessor) = predecessor {
            self.index.teach(predecessor, |entry| {
                if entry.replaced {
                    entry.renewal = Renewal::of(entry.window, issued_at);
                }
            });
        }
    }
}
