//! The certificates that are named for an incident.

use super::error::IncidentError;
use super::walk::names_certificates;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::State;
use crate::engine::register::registration::as_registered;
use crate::engine::service::Engine;
use crate::engine::verdict::{Rejection, Verdict};

/// The result of naming certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Added {
    /// The verdict on each, in order.
    pub verdicts: Vec<Verdict>,
    /// How many of the accepted ones are not registered. They are kept, and affected once they are
    /// registered.
    pub unregistered: u64,
}

impl Engine {
    /// Checks that certificates can be named for an incident: it is of a kind that lists them, and
    /// is not closed.
    ///
    /// # Errors
    /// [`IncidentError::Unknown`]; [`IncidentError::Unfit`] if it cannot.
    pub async fn takes_certificates(&self, id: i64) -> Result<(), IncidentError> {
        let incident = self.incident_stored(id).await?;
        let detail = if !names_certificates(incident.kind) {
            "the incident concerns the windows in its time; only a revocation or a drill names certificates"
        } else if incident.state == State::Closed {
            "the incident is closed; draft another"
        } else {
            return Ok(());
        };
        Err(IncidentError::Unfit(detail.to_owned()))
    }

    /// Adds certificates, registered or not, to an incident in one durable step. Nothing moves
    /// until it is opened, or opened again.
    ///
    /// # Errors
    /// [`IncidentError`]: nothing of this call is stored, or everything except the count.
    pub async fn add_incident_certificates(
        &self,
        id: i64,
        named: &[CertId],
    ) -> Result<Added, IncidentError> {
        let incident = self.incident_stored(id).await?;
        let memory = self.memory();
        let ours = memory.config.ca_named(incident.ca.as_str());
        let mut added = Added::default();
        let mut taken: Vec<CertId> = Vec::with_capacity(named.len());
        for id in named {
            let of = memory.config.ca_of(&id.key_identifier);
            if of.is_none() || of != ours {
                let detail = format!(
                    "the issuer {} is none of the CA {}",
                    id.key_identifier, incident.ca
                );
                let rejection = Rejection::new("issuer", detail);
                added.verdicts.push(Verdict::Rejected(rejection));
                continue;
            }
            let id = as_registered(&memory, id);
            let there = memory.index.get(memory.index.fingerprint(&id), |_| ());
            added.unregistered += u64::from(there.is_none());
            added.verdicts.push(Verdict::Accepted);
            taken.push(id);
        }
        let new = self.store().add_incident_certificates(id, &taken).await?;
        if new > 0 {
            self.revise(id, |incident| incident.affected += new).await?;
        }
        unchanged(
            &mut added.verdicts,
            taken.len() as u64 - new.min(taken.len() as u64),
        );
        Ok(added)
    }
}

/// The store reports how many were known, but not which, so the last ones are reported as
/// unchanged.
fn unchanged(verdicts: &mut [Verdict], mut known: u64) {
    for verdict in verdicts.iter_mut().rev() {
        if known == 0 {
            return;
        }
        if *verdict == Verdict::Accepted {
            *verdict = Verdict::Unchanged;
            known -= 1;
        }
    }
}
