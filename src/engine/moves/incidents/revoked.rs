//! Certificates that the CA has revoked get windows in the present.

use std::collections::{BTreeMap, HashSet};

use super::Intent;
use super::error::IncidentError;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind, State};
use crate::domain::time::{DAY, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::index::Entry;
use crate::engine::index::mark;
use crate::engine::register::registration::as_registered;
use crate::engine::service::Engine;

/// The name of the incidents for revoked certificates. There is one a day, so their number is
/// bounded, however many certificates are revoked.
const NAME: &str = "revoked by the CA";

/// The incident's deadline. It has no effect, because the incident is urgent. It is longer than the
/// day during which the incident is opened repeatedly.
const RENEW_BY_SECONDS: i64 = 7 * DAY;

impl Engine {
    /// Makes the windows of revoked certificates urgent. Unregistered ones become urgent once they
    /// are registered; those already urgent are left alone.
    ///
    /// # Errors
    /// [`IncidentError`]: a part may have been done, and another call does the rest.
    pub async fn revoked(
        &self,
        ids: &[CertId],
        explanation_url: Option<&str>,
    ) -> Result<(), IncidentError> {
        let mut by_ca: BTreeMap<usize, Vec<CertId>> = BTreeMap::new();
        let memory = self.memory();
        for id in ids {
            if let Some(ca) = memory.config.ca_of(&id.key_identifier) {
                by_ca.entry(ca).or_default().push(id.clone());
            }
        }
        for (ca, ids) in by_ca {
            let policy = &memory.config.cas[ca];
            let mut draft = Incident::draft(
                Kind::Revocation,
                policy.name.clone(),
                name_of_day(self.now()),
                self.now(),
            );
            draft.urgent = true;
            draft.renew_by = Some(self.now() + RENEW_BY_SECONDS);
            draft.explanation_url = explanation_url.map(str::to_owned);
            let id = self.incident_of_day(draft).await?;
            self.add_incident_certificates(id, &ids).await?;
            let open = Amendment::to_state(State::Open);
            self.amend_incident(id, &open, Intent::InEarnest).await?;
        }
        Ok(())
    }

    /// Whether [`Self::revoked`] would change anything for a certificate: it is registered, not
    /// expired, and not urgent because of a revocation yet. From memory alone.
    pub fn would_be_urgent(&self) -> impl Fn(&CertId) -> bool + Send + use<> {
        let memory = self.memory();
        let now = self.now();
        let urgent: HashSet<u32> = memory
            .incidents()
            .values()
            .filter(|incident| incident.kind == Kind::Revocation && incident.urgent)
            .map(|incident| mark(incident.id))
            .collect();
        move |id| {
            let registered = as_registered(&memory, id);
            let fingerprint = memory.index.fingerprint(&registered);
            let waits =
                |entry: &Entry| entry.validity.not_after > now && !urgent.contains(&entry.moved_by);
            memory.index.get(fingerprint, waits) == Some(true)
        }
    }

    /// The open incident like this one, or else this one after storing it.
    async fn incident_of_day(&self, draft: Incident) -> Result<i64, IncidentError> {
        let known = self.store().incidents().await.map_err(EngineError::from)?;
        let same = |known: &&Incident| {
            known.kind == draft.kind
                && known.ca == draft.ca
                && known.name == draft.name
                && known.explanation_url == draft.explanation_url
                && known.state != State::Closed
        };
        if let Some(known) = known.iter().find(same) {
            return Ok(known.id);
        }
        let made = self.create_incident(draft, Intent::InEarnest).await?;
        Ok(made.incident.id)
    }
}

fn name_of_day(now: Timestamp) -> String {
    let text = now.to_string();
    format!("{NAME}, {}", text.get(..10).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_named_after_its_day() {
        let now = Timestamp::from_unix(1_795_255_200);
        assert_eq!(name_of_day(now), "revoked by the CA, 2026-11-21");
    }
}
