//! Which certificates may move, and the groups of those that move in the same way.

use crate::allocation::band::{Place, place, retry_after_base};
use crate::certificate::{Basis, Cause, Certificate};
use crate::math::number::{real, signed, whole};
use crate::policy::ca::CaPolicy;
use crate::time::{DAY, Span, Timestamp};

/// Every client has polled by then: its delay and a fifth more.
const POLL_MARGIN: f64 = 1.2;
/// A window that starts sooner than this many polls from now stays: its client may have planned.
const POLLS_AHEAD: f64 = 2.0;
/// Fifty moved windows of clients that follow one time in fifty move one renewal: they stay.
const LEAST_FOLLOWS: f64 = 0.05;

/// What certificates share that move alike. Slots are told by their numbers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Group {
    /// Whether the window touches a closed span.
    pub must_leave: bool,
    /// The slot in which the window starts.
    pub from: i64,
    /// The first slot that it may move to.
    pub first: i64,
    /// The slot after the last.
    pub end: i64,
    /// The first that the band may widen to.
    pub widest_first: i64,
    /// The slot after the last that it may move to where nothing before is open.
    pub latest_end: i64,
    /// f in tenths.
    pub follows: u8,
}

/// How many certificates a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Certificates.
    pub certificates: i64,
    /// Σ f.
    pub load: f64,
    /// No table of theirs is needed after this, in Unix seconds.
    pub needed_until: i64,
}

/// Why a window stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// An incident moved it, or a rebalance a short while ago.
    Moved,
    /// It is in the control group.
    Control,
    /// It is open, or starts within two poll intervals.
    Near,
    /// Nothing is won by it: it is hardly followed, or its client wakes at ticks, or its life has no slots, or its band is over.
    Settled,
}

/// What decides whether certificates may move.
#[derive(Clone, Copy, Debug)]
pub struct Eligible<'a> {
    /// The policy in force.
    pub policy: &'a CaPolicy,
    /// Now.
    pub now: Timestamp,
    /// Closed spans over the horizon: merged, in order.
    pub closed: &'a [Span],
    /// Windows that a rebalance of this number or a later one moved rest.
    pub resting_from: Option<i64>,
}

/// The group of a certificate that follows with the chance `follows`, or why its window stays.
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
        // It was drawn for a tick of its client's.
        Basis::Tick(_) => return Err(Kept::Settled),
        Basis::Span(_) | Basis::Table(_) => {}
    }
    let near = real(retry_after_base(policy, validity.life_seconds())) * POLL_MARGIN * POLLS_AHEAD;
    let earliest = now + whole(near.ceil());
    if window.from < earliest {
        return Err(Kept::Near);
    }
    // Sorted and apart: the first that ends after the window begins is the only one to look at.
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
    /// Where the range begins that has grown by half so many times, towards earlier days.
    pub(super) fn widened(&self, times: u32) -> i64 {
        let slots = real(self.end - self.first) * 1.5_f64.powi(i32::try_from(times).unwrap_or(0));
        (self.end - whole(slots))
            .max(self.widest_first)
            .min(self.first)
    }
}

impl Tally {
    /// Counts a certificate.
    pub fn add(&mut self, certificate: &Certificate, follows: f64) {
        self.certificates += 1;
        self.load += follows;
        let life = certificate.validity.life_seconds();
        let until = certificate.validity.not_after + life / 10 + DAY;
        self.needed_until = self.needed_until.max(until.unix());
    }
}

/// `n` as Unix seconds of a slot's start.
pub(super) fn slot_start(number: usize, first: i64, slot_seconds: i64) -> Timestamp {
    Timestamp::from_unix((first + signed(number)) * slot_seconds)
}

impl Tally {
    /// The weight of a group that has to move entirely. Certificates that never follow weigh a
    /// little, since otherwise they would go nowhere.
    pub(super) fn weight(&self) -> f64 {
        self.load.max(0.02 * real(self.certificates))
    }
}
