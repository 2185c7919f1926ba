//! What incidents change of the configuration: capacity, caching, explanations, learning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::policy::capacity::{CapacityRule, When};
use crate::domain::time::Span;
use crate::engine::index::mark;
use crate::store::StoredPlanned;

/// The incidents that are known, by number.
pub(in crate::engine) type Incidents = BTreeMap<i64, Incident>;

/// The policies as incidents have them.
#[derive(Debug)]
pub(in crate::engine) struct InForce {
    /// In the order of the configuration: each CA's policy, with what its active incidents close and
    /// the events that were announced.
    pub(in crate::engine) policies: Vec<CaPolicy>,
    /// In the same order: whether an incident that touches the CA is active.
    active: Vec<bool>,
    /// The marks of the incidents that are active.
    touching: HashSet<u32>,
    /// What certificates that an active incident moved are to say.
    explanations: HashMap<u32, Arc<str>>,
}

impl InForce {
    pub(in crate::engine) fn new(
        cas: &[CaPolicy],
        incidents: &Incidents,
        planned: &[StoredPlanned],
    ) -> Self {
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
    pub(in crate::engine) fn is_active(&self, ca: usize) -> bool {
        self.active.get(ca).copied().unwrap_or(false)
    }

    /// Whether the incident with this [`mark`], which moved a certificate's window, is active.
    pub(in crate::engine) fn touches(&self, moved_by: u32) -> bool {
        moved_by != 0 && self.touching.contains(&moved_by)
    }

    /// The explanation for a certificate whose window was moved by the incident with this [`mark`].
    pub(in crate::engine) fn explanation(&self, moved_by: u32) -> Option<Arc<str>> {
        self.explanations.get(&moved_by).cloned()
    }
}

/// A CA's policy, and its shadow's, with the closings of those of its active incidents that
/// `counts` names.
pub(in crate::engine) fn with_incidents(
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

fn active<'a>(incidents: &'a Incidents, ca: &'a CaName) -> impl Iterator<Item = &'a Incident> {
    incidents
        .values()
        .filter(move |incident| incident.is_active() && incident.ca == *ca)
}
