//! The control group: certificates with the plain window that any CA would give them. It shows the
//! effect of steering.

use crate::allocation::allocator::Drawn;
use crate::allocation::band::{Place, SHORTEST_WINDOW_SECONDS, place};
use crate::allocation::window::in_span;
use crate::certificate::hash::upper_unit;
use crate::certificate::{Basis, Validity};
use crate::certificate::{own_rule_seconds, reserve_seconds};
use crate::math::number::{real, whole};
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::closed_within;
use crate::time::{HOUR, Span, Timestamp};

/// The plain window extends by the life divided by this to either side of the client's own rule, as in
/// Boulder (`core/objects.go`, `RenewalInfoSimple`).
const PLAIN_MARGIN: i64 = 100;

/// Whether a certificate is in the control group, by its hash for the purpose
/// [`Cohort`](crate::certificate::hash::Purpose::Cohort). A larger share keeps all members of a smaller
/// one.
#[must_use]
pub fn is_control(hash: u128, share: f64) -> bool {
    upper_unit(hash) < share
}

/// The possible starts of a plain window: a hundredth of the life to either side of 2/3 of the life, or
/// of half of a life under ten days.
#[must_use]
pub fn plain_starts(validity: Validity) -> Span {
    let life = validity.life_seconds();
    let middle = validity.not_before + own_rule_seconds(life);
    Span {
        from: middle - life / PLAIN_MARGIN,
        to: middle + life / PLAIN_MARGIN,
    }
}

/// The window of a certificate in the control group, instead of the drawn one. Its start is uniform
/// over the plain window, whatever the load. It is as long as other windows, starts in the future, ends
/// before the reserve, and touches no closed span. If that is impossible because the plain window is
/// over or closed, the drawn window stays.
#[must_use]
pub fn plain(
    policy: &CaPolicy,
    validity: Validity,
    issued_at: Timestamp,
    now: Timestamp,
    hash: u128,
    mut drawn: Drawn,
) -> Drawn {
    let window_seconds = match place(policy, validity, issued_at, now) {
        Ok(Place::Slots(_, range)) => (range.slot_seconds / 4).max(SHORTEST_WINDOW_SECONDS),
        Ok(Place::Starts { window_seconds, .. }) => window_seconds,
        Err(_) => return drawn,
    };
    let latest = validity.not_after - reserve_seconds(validity.life_seconds());
    let all = plain_starts(validity);
    let valid = Span {
        from: all.from.max(now + 1),
        to: all.to.min(latest - (window_seconds - 1)),
    };
    let Some(starts) = open_part(policy, valid, window_seconds, hash) else {
        return drawn;
    };
    drawn.window = in_span(hash, starts, window_seconds, validity.not_after);
    drawn.basis = Basis::Plain(starts);
    drawn.table = None;
    drawn.reason = None;
    drawn
}

/// One of the stretches of `starts` at which a window of this length touches no closed span. The hash's
/// upper half draws it in proportion to its length; the lower half is for the start within it.
fn open_part(policy: &CaPolicy, starts: Span, window_seconds: i64, hash: u128) -> Option<Span> {
    let reach = Span {
        from: starts.from - HOUR,
        to: starts.to + window_seconds,
    };
    let mut from = starts.from;
    let mut open: Vec<Span> = Vec::new();
    for closed in closed_within(&policy.capacity, reach) {
        let to = (closed.from - (window_seconds - 1)).min(starts.to);
        open.push(Span { from, to });
        from = from.max(closed.to);
    }
    open.push(Span {
        from,
        to: starts.to,
    });
    open.retain(|span| span.to > span.from);
    let seconds: i64 = open.iter().map(|span| span.seconds()).sum();
    let mut ticket = whole(upper_unit(hash) * real(seconds));
    for span in &open {
        if ticket < span.seconds() {
            return Some(*span);
        }
        ticket -= span.seconds();
    }
    open.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ca::CaName;
    use crate::policy::capacity::{CapacityRule, When};
    use crate::time::DAY;

    /// A Saturday, at midnight.
    const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

    fn ninety_days() -> Validity {
        Validity {
            not_before: NOW,
            not_after: NOW + (90 * DAY - 1),
        }
    }

    fn steered() -> Drawn {
        Drawn {
            window: Span {
                from: NOW + 59 * DAY,
                to: NOW + 59 * DAY + 900,
            },
            basis: Basis::Table(1),
            table: None,
            reason: None,
            follows: Some(0.3),
        }
    }

    /// Hashes whose halves are evenly spread.
    fn hashes() -> impl Iterator<Item = u128> {
        (1..2_000_u128).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
    }

    #[test]
    fn the_plain_window_is_a_hundredth_of_the_life_around_two_thirds() {
        let starts = plain_starts(ninety_days());
        assert_eq!(starts.from, NOW + 60 * DAY - 77_760);
        assert_eq!(starts.to, NOW + 60 * DAY + 77_760);
        let short = Validity {
            not_before: NOW,
            not_after: NOW + (6 * DAY - 1),
        };
        assert_eq!(plain_starts(short).from, NOW + 3 * DAY - 5_184);
    }

    #[test]
    fn a_plain_window_is_never_closed() {
        let middle = NOW + 60 * DAY;
        let closed = Span {
            from: middle - 20 * HOUR,
            to: middle + 20 * HOUR,
        };
        let mut policy = CaPolicy::named(CaName::default());
        policy.capacity.push(CapacityRule {
            when: When::Once(closed),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        });
        let (mut before, mut after) = (0, 0);
        for hash in hashes() {
            let drawn = plain(&policy, ninety_days(), NOW, NOW, hash, steered());
            assert!(matches!(drawn.basis, Basis::Plain(_)));
            assert_eq!(drawn.window.overlap_seconds(closed), 0);
            assert_eq!(drawn.window.seconds(), 900);
            if drawn.window.from < middle {
                before += 1;
            } else {
                after += 1;
            }
        }
        assert!(
            before > 700 && after > 700,
            "{before} before, {after} after"
        );
        policy.capacity[0].when = When::Once(Span {
            from: NOW,
            to: NOW + 90 * DAY,
        });
        let drawn = plain(&policy, ninety_days(), NOW, NOW, 7, steered());
        assert_eq!(drawn.basis, Basis::Table(1));
    }

    #[test]
    fn what_is_over_is_steered() {
        let policy = CaPolicy::named(CaName::default());
        let late = NOW + 70 * DAY;
        let drawn = plain(&policy, ninety_days(), NOW, late, 7, steered());
        assert_eq!(drawn.basis, Basis::Table(1));
    }

    #[test]
    fn a_share_that_grows_keeps_its_members() {
        for hash in hashes() {
            assert!(!is_control(hash, 0.05) || is_control(hash, 0.1));
            assert!(!is_control(hash, 0.0));
        }
    }
}
