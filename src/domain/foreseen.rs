//! Unsteered load that is foreseen beside those who return by themselves.

use super::ca::CaPolicy;
use super::planned::planned_load;
use super::profile::Profile;
use super::time::Span;

/// The certificates that planned events and what failed lately bring in a span: belongs to U
/// (design section 5), on top of what the ledger says.
#[must_use]
pub fn foreseen(policy: &CaPolicy, profile: &Profile, span: Span) -> f64 {
    planned_load(policy, span) + profile.carry_over.carried(span)
}
