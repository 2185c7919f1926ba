//! The context of a plan: what is known around an incident, and which certificates are affected.

use std::collections::BTreeMap;

use super::record::Incident;
use crate::policy::ca::CaPolicy;
use crate::time::{Span, Timestamp};

/// What is known around an incident when its windows are planned.
#[derive(Clone, Copy)]
pub struct PlanningContext<'a> {
    /// The incident, open or still a draft.
    pub incident: &'a Incident,
    /// Its CA.
    pub policy: &'a CaPolicy,
    /// Now.
    pub now: Timestamp,
    /// The version of the profile behind `expected`.
    pub model_version: &'a str,
    /// By slot of the day, however long these are: whether the CA fails in it day by day. Empty: in none.
    pub failing: &'a [bool],
    /// The load expected in a span, in certificates, steered and not, without the windows that this
    /// incident moves.
    pub expected: &'a dyn Fn(Span) -> f64,
}

/// Certificates of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub(super) count: u64,
    /// When the last of them ends.
    pub(super) last: Timestamp,
}

/// Groups by their first slot and the slot after their last.
pub(super) type Groups = BTreeMap<(i64, i64), Tally>;
