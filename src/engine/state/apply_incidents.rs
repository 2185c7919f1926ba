//! Applies incidents to the state in memory.

use std::sync::{Arc, MutexGuard, PoisonError};

use arc_swap::Guard;

use super::in_force::{InForce, Incidents};
use super::memory::Memory;
use crate::domain::moves::incident::{Incident, learning_excluded};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{Span, Timestamp};

impl Memory {
    /// Applies an incident, unless a newer version of it is known. If it closes or opens a CA, the
    /// next draw uses another policy and makes a new table.
    pub(in crate::engine) fn apply_incident(&self, incident: Incident) {
        let mut incidents = self.incidents();
        let known = incidents.get(&incident.id);
        if known.is_some_and(|known| known.updated_at > incident.updated_at) {
            return;
        }
        incidents.insert(incident.id, incident);
        let in_force = InForce::new(&self.config.cas, &incidents, &self.planned.load());
        self.in_force.store(Arc::new(in_force));
    }

    /// The known incidents.
    pub(in crate::engine) fn incidents(&self) -> MutexGuard<'_, Incidents> {
        self.incidents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The policies, as changed by incidents.
    pub(in crate::engine) fn in_force(&self) -> Guard<Arc<InForce>> {
        self.in_force.load()
    }

    /// Updates when each CA is closed, from now on.
    pub(in crate::engine) fn close(&self, now: Timestamp) {
        for (ca, policy) in self.cas.iter().zip(&self.in_force().policies) {
            ca.close(policy, now);
        }
    }

    /// The hours of a CA's incidents that are excluded from learning.
    pub(in crate::engine) fn untaught(&self, ca: &CaName) -> Vec<Span> {
        untaught(&self.incidents(), ca)
    }

    /// Updates every CA's profile, and when it is closed.
    pub(in crate::engine) fn learn(&self, now: Timestamp) {
        self.close(now);
        for (ca, policy) in self.cas.iter().zip(&self.config.cas) {
            let excluded = self.untaught(&policy.name);
            ca.learn(policy, now, &excluded);
        }
    }
}

/// The hours of a CA's incidents that are excluded from learning.
fn untaught(incidents: &Incidents, ca: &CaName) -> Vec<Span> {
    let of_ca: Vec<Incident> = incidents
        .values()
        .filter(|incident| incident.ca == *ca)
        .cloned()
        .collect();
    learning_excluded(&of_ca)
}
