//! The context of a plan: the facts around an incident, and the affected certificates.

use std::collections::BTreeMap;

use super::record::Incident;
use crate::policy::ca::CaPolicy;
use crate::time::{Span, Timestamp};

/// The facts around an incident when its windows are planned.
#[derive(Clone, Copy)]
pub struct PlanningContext<'a> {
    /// The incident, open or still a draft.
    pub incident: &'a Incident,
    /// The CA's policy.
    pub policy: &'a CaPolicy,
    /// The current time.
    pub now: Timestamp,
    /// The model version of the profile behind `expected`.
    pub model_version: &'a str,
    /// For each slot of the day, of any length, whether the CA fails in it day by day. Empty if it
    /// fails in none.
    pub failing: &'a [bool],
    /// The load expected in a span, in certificates, steered and unsteered, without the windows
    /// that this incident moves.
    pub expected: &'a dyn Fn(Span) -> f64,
}

/// The number of certificates in a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// When the last of them expires.
    pub(super) last: Timestamp,
}

/// Groups by their first slot and the slot after their last.
pub(super) type Groups = BTreeMap<(i64, i64), Tally>;
