//! What incidents change of the configuration: capacity, caching, explanations, learning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};

use arc_swap::Guard;

use super::world::World;
use crate::domain::moves::incident::{Incident, Kind, learning_excluded};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::policy::capacity::{CapacityRule, When};
use crate::domain::time::{Span, Timestamp};
use crate::store::StoredPlanned;

/// The incidents that are known, by number.
pub(super) type Incidents = BTreeMap<i64, Incident>;

/// The policies as incidents have them.
#[derive(Debug)]
pub(super) struct InForce {
    /// In the order of the configuration: each CA's policy, with what its active incidents close and
    /// the events that were announced.
    pub(super) policies: Vec<CaPolicy>,
    /// In the same order: whether an incident that touches the CA is active.
    active: Vec<bool>,
    /// The marks of the incidents that are active.
    touching: HashSet<u32>,
    /// What certificates that an active incident moved are to say.
    explanations: HashMap<u32, Arc<str>>,
}

impl InForce {
    pub(super) fn new(cas: &[CaPolicy], incidents: &Incidents, planned: &[StoredPlanned]) -> Self {
        Self {
            policies: cas
                .iter()
                .map(|policy| {
                    let mut policy = with_incidents(policy, incidents, |_| true);
                    let announced = planned.iter().filter(|event| event.ca == policy.name);
                    policy.planned.extend(announced.map(|event| event.event));
                    policy
                })
                .collect(),
            active: cas
                .iter()
                .map(|policy| active(incidents, &policy.name).next().is_some())
                .collect(),
            touching: incidents
                .values()
                .filter(|incident| incident.is_active())
                .map(|incident| mark(incident.id))
                .collect(),
            explanations: incidents
                .values()
                .filter(|incident| incident.is_active())
                .filter_map(|incident| {
                    let url = incident.explanation_url.as_deref()?;
                    Some((mark(incident.id), url.into()))
                })
                .collect(),
        }
    }

    /// Whether an incident that touches a CA is active.
    pub(super) fn is_active(&self, ca: usize) -> bool {
        self.active.get(ca).copied().unwrap_or(false)
    }

    /// Whether the incident with this [`mark`], which moved a certificate's window, is active.
    pub(super) fn touches(&self, moved_by: u32) -> bool {
        moved_by != 0 && self.touching.contains(&moved_by)
    }

    /// What a certificate says whose window the incident with this [`mark`] moved.
    pub(super) fn explanation(&self, moved_by: u32) -> Option<Arc<str>> {
        self.explanations.get(&moved_by).cloned()
    }
}

impl World {
    /// Takes an incident in, unless something newer is known of it. Where it closes or opens a CA,
    /// the next draw sees another policy and has its table made anew.
    pub(super) fn heed(&self, incident: Incident) {
        let mut incidents = self.incidents();
        let known = incidents.get(&incident.id);
        if known.is_some_and(|known| known.updated_at > incident.updated_at) {
            return;
        }
        incidents.insert(incident.id, incident);
        let in_force = InForce::new(&self.config.cas, &incidents, &self.planned.load());
        self.in_force.store(Arc::new(in_force));
    }

    /// The incidents that are known.
    pub(super) fn incidents(&self) -> MutexGuard<'_, Incidents> {
        self.incidents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The policies with what incidents change of them.
    pub(super) fn in_force(&self) -> Guard<Arc<InForce>> {
        self.in_force.load()
    }

    /// Learns when each CA is closed from now on.
    pub(super) fn close(&self, now: Timestamp) {
        for (ca, policy) in self.cas.iter().zip(&self.in_force().policies) {
            ca.close(policy, now);
        }
    }

    /// The hours of a CA's incidents that teach nothing.
    pub(super) fn untaught(&self, ca: &CaName) -> Vec<Span> {
        untaught(&self.incidents(), ca)
    }

    /// Learns every CA's profile anew, and when it is closed.
    pub(super) fn learn(&self, now: Timestamp) {
        self.close(now);
        for (ca, policy) in self.cas.iter().zip(&self.config.cas) {
            let excluded = self.untaught(&policy.name);
            ca.learn(policy, now, &excluded);
        }
    }
}

/// An incident's number as the index holds it; 0 is none. Four milliards are enough: at one an
/// hour, half a million years.
pub(super) fn mark(incident: i64) -> u32 {
    u32::try_from(incident).unwrap_or(0)
}

/// A CA's policy, and its shadow's, with what its active incidents close, of those that `counts`
/// names.
pub(super) fn with_incidents(
    policy: &CaPolicy,
    incidents: &Incidents,
    counts: impl Fn(&Incident) -> bool,
) -> CaPolicy {
    let mut policy = policy.clone();
    let mut closed: Vec<CapacityRule> = Vec::new();
    for incident in active(incidents, &policy.name).filter(|incident| counts(incident)) {
        let rules = incident.closes();
        if incident.kind == Kind::Outage {
            policy.outages.extend(rules.iter().filter_map(once));
        }
        closed.extend(rules);
    }
    if let Some(shadow) = &mut policy.shadow {
        shadow.capacity.extend_from_slice(&closed);
    }
    policy.capacity.extend(closed);
    policy
}

fn once(rule: &CapacityRule) -> Option<Span> {
    match rule.when {
        When::Once(span) => Some(span),
        When::Recurring { .. } => None,
    }
}

/// The hours of a CA's incidents that teach nothing.
fn untaught(incidents: &Incidents, ca: &CaName) -> Vec<Span> {
    let of_ca: Vec<Incident> = incidents
        .values()
        .filter(|incident| incident.ca == *ca)
        .cloned()
        .collect();
    learning_excluded(&of_ca)
}

fn active<'a>(incidents: &'a Incidents, ca: &'a CaName) -> impl Iterator<Item = &'a Incident> {
    incidents
        .values()
        .filter(move |incident| incident.is_active() && incident.ca == *ca)
}
