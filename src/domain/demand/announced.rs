//! Expected unsteered load other than returns.

use super::profile::Profile;
use crate::math::number::real;
use crate::policy::ca::CaPolicy;
use crate::time::Span;

/// The certificates that planned events and retries bring in a span. They belong to U
/// (`docs/allocation.md`), in addition to what the ledger expects.
#[must_use]
pub fn announced_and_retries(policy: &CaPolicy, profile: &Profile, span: Span) -> f64 {
    planned_load(policy, span) + profile.carry_over.carried(span)
}

/// The certificates that planned events bring in a span. They cannot be steered, so windows avoid them.
fn planned_load(policy: &CaPolicy, span: Span) -> f64 {
    policy
        .planned
        .iter()
        .map(|event| {
            let inside = real(event.span.overlap_seconds(span));
            event.certificates * inside / real(event.span.seconds().max(1))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ca::CaName;
    use crate::policy::planned::Planned;
    use crate::time::{HOUR, Timestamp};

    #[test]
    fn an_event_counts_as_far_as_it_lies_inside() {
        let from = Timestamp::from_unix(1_795_255_200);
        let event = |hours: i64, certificates: f64| Planned {
            span: Span {
                from: from + hours * HOUR,
                to: from + (hours + 2) * HOUR,
            },
            certificates,
        };
        let policy = CaPolicy {
            planned: vec![event(0, 30_000.0), event(1, 100.0)],
            ..CaPolicy::named(CaName::default())
        };
        let hours = [-1, 0, 1, 2, 3].map(|hour| {
            let from = from + hour * HOUR;
            let to = from + HOUR;
            planned_load(&policy, Span { from, to }).round()
        });
        assert_eq!(
            hours.map(|load| load.to_string()),
            ["0", "15000", "15050", "50", "0"]
        );
    }
}
