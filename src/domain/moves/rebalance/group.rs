//! Which certificates may move, and the groups that may move in the same way.

use crate::allocation::band::{Place, place, retry_after_base};
use crate::certificate::{Basis, Cause, Certificate};
use crate::math::number::{real, signed, whole};
use crate::policy::ca::CaPolicy;
use crate::time::{DAY, Span, Timestamp};

/// Every client has polled after its `Retry-After` plus 20 %.
const POLL_MARGIN: f64 = 1.2;
/// A window that starts within this many polls stays, because its client may have scheduled the
/// renewal.
const POLLS_AHEAD: f64 = 2.0;
/// Below this f a window stays: moving 50 windows that are followed once in 50 times moves one
/// renewal.
const LEAST_FOLLOWS: f64 = 0.05;

/// What certificates that may move in the same way have in common. Slots are given by number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Group {
    /// Whether the window touches a closed span.
    pub must_leave: bool,
    /// The slot in which the window starts.
    pub from: i64,
    /// The first slot it may move to.
    pub first: i64,
    /// The slot after the last one it may move to.
    pub end: i64,
    /// The first slot if the band is widened to the maximum.
    pub widest_first: i64,
    /// The slot after the last one it may move to if nothing earlier is open.
    pub latest_end: i64,
    /// f in tenths.
    pub follows: u8,
}

/// The size of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Certificates.
    pub certificates: i64,
    /// The expected number of renewals, Σ f.
    pub load: f64,
    /// Its table is not needed after this time, in Unix seconds.
    pub needed_until: i64,
}

/// Why a window stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It was moved by an incident, or recently by a rebalance.
    Moved,
    /// The certificate is in the control group.
    Control,
    /// It is open, or starts within two poll intervals.
    Near,
    /// Moving it would gain nothing: it is hardly followed, its client wakes at ticks, its lifetime
    /// has no slots, or its band is over.
    Settled,
}

/// The rules for which certificates may move.
#[derive(Clone, Copy, Debug)]
pub struct Eligible<'a> {
    /// The CA's policy.
    pub policy: &'a CaPolicy,
    /// The current time.
    pub now: Timestamp,
    /// Closed spans within the horizon: merged, in order.
    pub closed: &'a [Span],
    /// Windows moved by a rebalance with this or a later number stay.
    pub resting_from: Option<i64>,
}

/// The group of a certificate with the probability `follows`, or why its window stays.
///
/// # Errors
/// [`Kept`].
pub fn group_of(
    eligible: &Eligible<'_>,
    certificate: &Certificate,
    follows: f64,
) -> Result<Group, Kept> {
    let Eligible { policy, now, .. } = *eligible;
    let Certificate {
        validity, window, ..
    } = *certificate;
    match certificate.basis {
        Basis::Plain(_) => return Err(Kept::Control),
        // It was drawn for one of its client's ticks.
        Basis::Tick(_) => return Err(Kept::Settled),
        Basis::Span(_) | Basis::Table(_) => {}
    }
    let near = real(retry_after_base(policy, validity.life_seconds())) * POLL_MARGIN * POLLS_AHEAD;
    let earliest = now + whole(near.ceil());
    if window.from < earliest {
        return Err(Kept::Near);
    }
    // The spans are in order and do not overlap, so only the first one that ends after the window's
    // start matters.
    let next = eligible
        .closed
        .partition_point(|span| span.to <= window.from);
    let must_leave = eligible
        .closed
        .get(next)
        .is_some_and(|closed| closed.overlap_seconds(window) > 0);
    match certificate.cause {
        Cause::Incident(_) => return Err(Kept::Moved),
        Cause::Rebalance(number) => {
            let rests = eligible.resting_from.is_some_and(|from| number >= from);
            if rests && !must_leave {
                return Err(Kept::Moved);
            }
        }
        Cause::Registration => {}
    }
    let Ok(Place::Slots(_, range)) = place(policy, validity, certificate.issued_at, now) else {
        return Err(Kept::Settled);
    };
    if !must_leave && follows < LEAST_FOLLOWS {
        return Err(Kept::Settled);
    }
    let slot_seconds = policy.slot_seconds;
    let whole_slots = |number: i64| {
        let at = Timestamp::from_unix(number * range.slot_seconds).max(earliest);
        (at + (slot_seconds - 1)).slot(slot_seconds)
    };
    let before = |number: i64| Timestamp::from_unix(number * range.slot_seconds).slot(slot_seconds);
    let group = Group {
        must_leave,
        from: window.from.slot(slot_seconds),
        first: whole_slots(range.first),
        end: before(range.end),
        widest_first: whole_slots(range.widest_first),
        latest_end: before(range.latest_end),
        follows: u8::try_from(whole((follows * 10.0).round())).unwrap_or(10),
    };
    if group.first >= group.latest_end.max(group.end) {
        return Err(Kept::Settled);
    }
    Ok(group)
}

impl Group {
    /// The first slot after the band has grown by half, this many times, towards earlier days.
    pub(super) fn widened(&self, times: u32) -> i64 {
        let slots = real(self.end - self.first) * 1.5_f64.powi(i32::try_from(times).unwrap_or(0));
        (self.end - whole(slots))
            .max(self.widest_first)
            .min(self.first)
    }
}

impl Tally {
    /// Adds a certificate.
    pub fn add(&mut self, certificate: &Certificate, follows: f64) {
        self.certificates += 1;
        self.load += follows;
        let life = certificate.validity.life_seconds();
        let until = certificate.validity.not_after + life / 10 + DAY;
        self.needed_until = self.needed_until.max(until.unix());
    }
}

/// When slot `n` starts, in Unix seconds.
pub(super) fn slot_start(number: usize, first: i64, slot_seconds: i64) -> Timestamp {
    Timestamp::from_unix((first + signed(number)) * slot_seconds)
}

impl Tally {
    /// The weight of a group that must move entirely. Certificates that never follow get a small
    /// weight, because otherwise they would not be moved at all.
    pub(super) fn weight(&self) -> f64 {
        self.load.max(0.02 * real(self.certificates))
    }
}
