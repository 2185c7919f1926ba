//! Which windows an incident moves, and the slots that each may draw its new window from.

use super::check::FURTHEST_DEADLINE_SECONDS;
use super::closing::RETURN_SECONDS;
use super::context::PlanningContext;
use super::record::{Incident, Kind};
use crate::allocation::band::earliest_seen;
use crate::certificate::Validity;
use crate::certificate::reserve_seconds;
use crate::math::number::{length, signed};
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{CapacityRule, closed_within};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// Incidents place windows by the quarter hour. That is fine enough to lose almost nothing at a
/// deadline or at the edge of a closed span, and coarse enough that 90 days are 8,640 slots.
pub(super) const SLOT_SECONDS: i64 = 15 * MINUTE;

/// The length of a window drawn from such a slot: a quarter of the slot, but at least ten minutes.
pub(super) const WINDOW_SECONDS: i64 = 10 * MINUTE;

/// Lifetimes are at most 398 days, so no window lies further ahead.
const FURTHEST_WINDOW_SECONDS: i64 = 400 * DAY;

/// Renewals missed in an outage are spread over at most this time, so that it is over within the
/// second week.
const LONGEST_CATCH_UP_SECONDS: i64 = 10 * DAY;

/// Renewals pushed out of a closed span are spread over eight times its length, which adds an
/// eighth to the load next to it. At least two hours, so that ten minutes do not make a peak, and
/// at most two days.
const SPREAD_FACTOR: i64 = 8;
const LEAST_SPREAD_SECONDS: i64 = 2 * HOUR;
const MOST_SPREAD_SECONDS: i64 = 2 * DAY;

/// The length of the shortest slots of a day.
const SHORTEST_SECONDS: i64 = 5 * MINUTE;

/// A window opens at least a minute after `notBefore`, because cert-manager rejects earlier ones.
const AFTER_BIRTH_SECONDS: i64 = MINUTE;

/// An urgent window otherwise opens an hour before the incident, and is half an hour long.
const URGENT_AGO_SECONDS: i64 = HOUR;
const URGENT_WINDOW_SECONDS: i64 = 30 * MINUTE;

/// The slots that certificates may draw from, and the deadlines for which they must move.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    /// The first slot.
    pub(super) first: i64,
    /// The slot after the last one allowed by other limits than the deadline.
    pub(super) end: i64,
    /// The certificate moves if the deadline's slots end before this slot. With a later deadline
    /// its window is already early enough.
    pub(super) moves_until: i64,
}

/// What happens to a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It is redrawn from these slots.
    Slots(Key),
    /// It stays.
    Stays,
    /// It becomes this window.
    Urgent(Span),
}

/// The rules of one plan.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) order: Order,
    pub(super) now: Timestamp,
    policy: CaPolicy,
    /// When this incident closes the CA: merged, in order.
    own: Vec<Span>,
    /// When anything closes it: merged, in order.
    closed: Vec<Span>,
    /// For each slot of the day, of any length, whether the CA fails in it day by day.
    failing: Vec<bool>,
}

/// What an incident requires of windows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// To leave the hours in which the CA is closed.
    Away,
    /// To end before an instant.
    Deadline(Timestamp),
    /// To move out of an outage, as far as its extent is known.
    Outage(Span),
    /// To open at once, from an instant on.
    Urgent(Timestamp),
}

impl Rule {
    pub(super) fn new(context: &PlanningContext<'_>) -> Self {
        let now = context.now;
        let order = Order::of(context.incident, now);
        let ahead = match order {
            Order::Away => FURTHEST_WINDOW_SECONDS,
            Order::Deadline(_) => FURTHEST_DEADLINE_SECONDS + HOUR,
            Order::Outage(outage) => (outage.to - now).max(0) + LONGEST_CATCH_UP_SECONDS + DAY,
            Order::Urgent(_) => 0,
        };
        let range = Span {
            from: now,
            to: now + ahead,
        };
        let own: Vec<CapacityRule> = context.incident.closing_rule(now).into_iter().collect();
        let all = [context.policy.capacity.as_slice(), &own].concat();
        Self {
            order,
            now,
            policy: context.policy.clone(),
            own: closed_within(&own, range),
            closed: closed_within(&all, range),
            failing: context.failing.to_vec(),
        }
    }

    /// Whether a window drawn from this slot may touch an hour that fails day by day.
    pub(super) fn fails(&self, slot: i64) -> bool {
        if self.failing.is_empty() {
            return false;
        }
        let windows = windows_of(slot);
        let of_day = |at: Timestamp| {
            let slots = signed(self.failing.len());
            self.failing[length(at.second_of_day() * slots / DAY)]
        };
        // Slots of the day are at least five minutes long.
        (0..windows.seconds() / SHORTEST_SECONDS)
            .any(|part| of_day(windows.from + part * SHORTEST_SECONDS))
    }

    /// Whether a window drawn from this slot lies entirely in open hours.
    pub(super) fn is_open(&self, slot: i64) -> bool {
        touching(&self.closed, windows_of(slot)).is_none()
    }

    pub(super) fn verdict(&self, validity: Validity, window: Span) -> Verdict {
        match self.order {
            Order::Away => self.away(validity, window),
            Order::Deadline(renew_by) => self.before(renew_by, validity, window),
            Order::Outage(outage) => self.after(outage, validity, window),
            Order::Urgent(at) => urgent(at, validity, window),
        }
    }

    fn before(&self, renew_by: Timestamp, validity: Validity, window: Span) -> Verdict {
        let earliest = self.earliest(validity);
        // Either not every client would see it move in time, or it is already open and clients that
        // follow it are renewing.
        if window.from <= self.now || window.from < earliest {
            return Verdict::Stays;
        }
        let first = slot_from(earliest);
        let last = last_end(renew_by);
        let alive = last_end(validity.not_after).min(self.furthest());
        let in_time = window.to <= renew_by;
        if touching(&self.closed, window).is_some() {
            // From a closed span it may go anywhere before the deadline. If nothing there is open,
            // moving it would not help.
            return if in_time && !self.any_open(first, alive.min(last)) {
                Verdict::Stays
            } else {
                Verdict::Slots(Key {
                    first,
                    end: alive,
                    moves_until: i64::MAX,
                })
            };
        }
        if in_time {
            return Verdict::Stays;
        }
        // Only earlier: its slots end where the window would have opened.
        let end = window.from.slot(SLOT_SECONDS).min(alive);
        if end <= first {
            return Verdict::Stays;
        }
        let moves_until = slot_from(window.to - WINDOW_SECONDS).min(self.furthest() + 1);
        Verdict::Slots(Key {
            first,
            end,
            moves_until: moves_until.max(last + 1),
        })
    }

    fn after(&self, outage: Span, validity: Validity, window: Span) -> Verdict {
        if window.overlap_seconds(self.kept_free(outage)) == 0 {
            return Verdict::Stays;
        }
        let born = validity.not_before + AFTER_BIRTH_SECONDS;
        let over = outage.to.max(self.now).max(born);
        let begin = over + RETURN_SECONDS;
        let limit = validity.not_after - reserve_seconds(validity.life_seconds());
        let left = (limit - begin).max(0);
        // A tenth of the remaining lifetime, so that short-lived certificates come first. After a
        // long outage more: four times its length, which is a quarter more load.
        let patience = (left / 10)
            .max((outage.seconds() * 4).min(left / 2))
            .min(LONGEST_CATCH_UP_SECONDS);
        let first = slot_from(begin);
        let calm = (first, first + few_lengths(patience / SLOT_SECONDS));
        let at_once = slot_from(over);
        self.first_open(&[
            (calm.0, calm.1.min(last_end(limit))),
            (at_once, last_end(limit)),
            (at_once, last_end(validity.not_after)),
        ])
    }

    fn away(&self, validity: Validity, window: Span) -> Verdict {
        // An incident may move any window that is not open yet.
        let shut = touching(&self.own, window).filter(|_| window.from > self.now);
        let Some(shut) = shut.and_then(|own| touching(&self.closed, own)) else {
            return Verdict::Stays;
        };
        let life = validity.life_seconds();
        let spread_seconds =
            (shut.seconds() * SPREAD_FACTOR).clamp(LEAST_SPREAD_SECONDS, MOST_SPREAD_SECONDS);
        let soonest = self.earliest(validity).max(validity.not_before + life / 5);
        let before = slot_from(soonest.max(shut.from - spread_seconds));
        let after = slot_from(soonest.max(shut.to));
        let limit = validity.not_after - reserve_seconds(life);
        self.first_open(&[
            (before, last_end(shut.from)),
            (after, last_end(limit.min(shut.to + spread_seconds))),
            (after, last_end(limit)),
            (after, last_end(validity.not_after)),
        ])
    }

    fn earliest(&self, validity: Validity) -> Timestamp {
        let seen = earliest_seen(&self.policy, validity.life_seconds(), self.now);
        seen.max(validity.not_before + AFTER_BIRTH_SECONDS)
    }

    /// The span in which no window may lie: the outage, and while it lasts also the time in which
    /// failed clients return.
    pub(super) fn kept_free(&self, outage: Span) -> Span {
        let back = if outage.to > self.now {
            RETURN_SECONDS
        } else {
            0
        };
        Span {
            from: outage.from,
            to: outage.to + back,
        }
    }

    /// Slots end here; nothing is searched beyond.
    pub(super) fn furthest(&self) -> i64 {
        (self.now + FURTHEST_DEADLINE_SECONDS).slot(SLOT_SECONDS)
    }

    /// The first range that contains an open slot.
    fn first_open(&self, ranges: &[(i64, i64)]) -> Verdict {
        ranges
            .iter()
            .find(|(first, end)| self.any_open(*first, *end))
            .map_or(Verdict::Stays, |&(first, end)| {
                Verdict::Slots(Key {
                    first,
                    end,
                    moves_until: i64::MAX,
                })
            })
    }

    fn any_open(&self, first: i64, end: i64) -> bool {
        let mut slot = first;
        while slot < end {
            match touching(&self.closed, windows_of(slot)) {
                None => return true,
                Some(shut) => slot = slot_from(shut.to).max(slot + 1),
            }
        }
        false
    }
}

impl Order {
    fn of(incident: &Incident, now: Timestamp) -> Self {
        match incident.kind {
            Kind::Drill | Kind::Revocation if incident.urgent => {
                Self::Urgent(incident.opened_at.unwrap_or(now))
            }
            // A validated incident has its fields; one that was not validated moves nothing.
            Kind::Drill | Kind::Revocation => {
                Self::Deadline(incident.renew_by.unwrap_or(Timestamp::MAX))
            }
            Kind::Maintenance => Self::Away,
            Kind::Outage => {
                let from = incident.from.unwrap_or(now);
                let to = incident.assumed_end(now).unwrap_or(from);
                Self::Outage(Span { from, to })
            }
        }
    }
}

/// [max(notBefore + 60 s, t − 1 h), start + 30 min], unless the present window closes sooner.
fn urgent(at: Timestamp, validity: Validity, window: Span) -> Verdict {
    let from = (validity.not_before + AFTER_BIRTH_SECONDS).max(at - URGENT_AGO_SECONDS);
    let to = (from + URGENT_WINDOW_SECONDS).min(validity.not_after);
    if window.to <= to || to <= from {
        return Verdict::Stays;
    }
    Verdict::Urgent(Span { from, to })
}

/// The first slot that begins at `at` or later.
pub(super) fn slot_from(at: Timestamp) -> i64 {
    (at + (SLOT_SECONDS - 1)).slot(SLOT_SECONDS)
}

/// The slot after the last one whose windows all end by `deadline`.
pub(super) fn last_end(deadline: Timestamp) -> i64 {
    (deadline - WINDOW_SECONDS).slot(SLOT_SECONDS)
}

/// When this slot begins.
pub(super) fn begin(slot: i64) -> Timestamp {
    Timestamp::from_unix(slot * SLOT_SECONDS)
}

/// The span that windows drawn from a slot can cover.
fn windows_of(slot: i64) -> Span {
    Span {
        from: begin(slot),
        to: begin(slot + 1) + WINDOW_SECONDS,
    }
}

/// The first closed span that touches `span`. `closed` is merged and in order.
fn touching(closed: &[Span], span: Span) -> Option<Span> {
    let at = closed.partition_point(|shut| shut.to <= span.from);
    closed.get(at).copied().filter(|shut| shut.from < span.to)
}

/// A number of slots, at least 1, rounded down to two significant binary digits (1, 2, 3, 4, 6, 8,
/// 12, …), so that different lifetimes make few groups.
fn few_lengths(slots: i64) -> i64 {
    let slots = slots.max(1);
    let half = 1 << slots.ilog2().saturating_sub(1);
    slots / half * half
}
