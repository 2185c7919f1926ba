//! How incidents change the configuration: capacity, caching, explanations, learning.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::policy::capacity::{CapacityRule, When};
use crate::domain::time::Span;
use crate::engine::index::mark;
use crate::store::StoredPlanned;

/// The known incidents, by number.
pub(in crate::engine) type Incidents = BTreeMap<i64, Incident>;

/// The policies, including the effect of incidents.
#[derive(Debug)]
pub(in crate::engine) struct InForce {
    /// The policy of each CA, in the order of the configuration, including what its active
    /// incidents close and announced events.
    pub(in crate::engine) policies: Vec<CaPolicy>,
    /// In the same order: whether an incident that affects the CA is active.
    active: Vec<bool>,
    /// The marks of the active incidents.
    touching: HashSet<u32>,
    /// The explanations for certificates that an active incident moved.
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

    /// Whether an incident that affects a CA is active.
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

/// A CA's policy, and its shadow's, including what its active incidents close, as far as `counts`
/// selects them.
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
