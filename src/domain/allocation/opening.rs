//! The capacity of the slots of a band: none while the CA is closed, nor in slots in which orders
//! regularly fail.

use super::level::{AFTER_BAND_SECONDS, all_open, open_slots, spans};
use crate::allocation::slots::SlotRange;
use crate::demand::profile::Profile;
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{SlotCapacity, merged};
use crate::time::Span;

/// The capacity of the slots of a range, and the spans in which no window may lie, merged and in order.
pub(crate) fn capacity(
    range: SlotRange,
    as_if_open: bool,
    policy: &CaPolicy,
    profile: &Profile,
) -> (Vec<SlotCapacity>, Vec<Span>) {
    if as_if_open {
        return (all_open(range.len()), Vec::new());
    }
    let (mut capacity, mut closed) = open_slots(range, policy);
    // The time after the range counts too: windows may run into it, and ticks in it are used.
    let failing: Vec<Span> = spans(SlotRange {
        end: range.end + (AFTER_BAND_SECONDS / range.slot_seconds).max(1),
        ..range
    })
    .filter(|slot| fails(profile, *slot))
    .collect();
    let is_failing = |slot: &Span| failing.contains(slot);
    let is_left = capacity
        .iter()
        .zip(spans(range))
        .any(|(capacity, slot)| capacity.share > 0.0 && !is_failing(&slot));
    if failing.is_empty() || !is_left {
        return (capacity, closed);
    }
    for (capacity, slot) in capacity.iter_mut().zip(spans(range)) {
        if is_failing(&slot) {
            capacity.share = 0.0;
        }
    }
    closed.extend(failing);
    (capacity, merged(closed))
}

/// Whether a part of a slot regularly fails. The slot may be longer or shorter than the profile's
/// slots.
fn fails(profile: &Profile, slot: Span) -> bool {
    let step = profile.slot_seconds.min(slot.seconds()).max(1);
    let mut instants = (0..slot.seconds() / step).map(|part| slot.from + part * step);
    instants.any(|at| profile.is_failing_at(at))
}
