//! The forecast used by a rebalance: the load of each slot ahead, and the level.

use super::group::slot_start;
use crate::allocation::level::{level, slot_span};
use crate::allocation::opening::capacity;
use crate::allocation::plan::Forecast;
use crate::allocation::slots::SlotRange;
use crate::certificate::own_rule_seconds;
use crate::demand::announced::announced_and_retries;
use crate::ledger::Ledger;
use crate::math::number::{length, real, real_len, signed};
use crate::policy::capacity::closed_within;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// How far ahead windows are considered: 400 days, and a day for widening; 9,624 hours.
const AHEAD_SECONDS: i64 = 401 * DAY;

/// Excess of up to this many standard deviations of a Poisson count is taken for chance. Of the
/// 1,440 slots of a cycle, one exceeds it in one of twenty cases.
pub(super) const CHANCE_ABOVE: f64 = 4.0;

/// The forecast of one slot, in certificates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlotOutlook {
    /// U, the unsteered load.
    pub unsteered: f64,
    /// G, the load promised by windows.
    pub promised: f64,
    /// The target: the slot's share of the level, at most its ceiling.
    pub top: f64,
    /// The share of normal capacity; 0 if no window can start in it.
    pub share: f64,
}

/// The slots ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outlook {
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The number of the first slot.
    pub first: i64,
    /// The slots.
    pub slots: Vec<SlotOutlook>,
    /// v: steered arrivals a slot, over the last cycle.
    pub steered_per_slot: f64,
    /// Closed spans that touch the slots: merged, in order.
    pub closed: Vec<Span>,
}

impl SlotOutlook {
    /// How far the slot exceeds its target, minus what chance explains.
    #[must_use]
    pub fn excess(&self) -> f64 {
        self.unsteered + self.promised - self.top - CHANCE_ABOVE * self.top.max(1.0).sqrt()
    }
}

impl Outlook {
    /// The index in `slots` of a slot number.
    #[must_use]
    pub fn index(&self, number: i64) -> Option<usize> {
        let at = number - self.first;
        (at >= 0 && length(at) < self.slots.len()).then(|| length(at))
    }

    /// The slot number of an index in `slots`.
    #[must_use]
    pub fn number(&self, at: usize) -> i64 {
        self.first + signed(at)
    }

    /// When a slot begins, by its number.
    #[must_use]
    pub fn start(&self, number: i64) -> Timestamp {
        Timestamp::from_unix(number * self.slot_seconds)
    }
}

/// The outlook from now until `until`. The level of a day is defined in `docs/experiments.md`: the
/// day's unsteered load, filled up with the steered load of a mean day of the last cycle.
#[must_use]
pub fn outlook(forecast: &Forecast<'_>, until: Timestamp) -> Outlook {
    let slot_seconds = forecast.policy.slot_seconds;
    let first = forecast.now.slot(slot_seconds) + 1;
    let until = until.min(forecast.now + AHEAD_SECONDS);
    let count = (until.slot(slot_seconds) + 1 - first).max(0);
    let steered_per_slot = steered(forecast);
    let view = forecast.view();
    let day = DAY / slot_seconds;
    let mut slots = Vec::with_capacity(length(count));
    for begin in (first..first + count).step_by(length(day)) {
        let range = SlotRange {
            slot_seconds,
            first: begin,
            end: begin + day,
            widest_first: begin,
            latest_end: begin + day,
        };
        let (capacity, _) = capacity(range, false, forecast.policy, forecast.profile);
        let spans: Vec<Span> = (0..range.len()).map(|at| slot_span(range, at)).collect();
        let unsteered: Vec<f64> = spans
            .iter()
            .map(|span| {
                forecast.ledger.unsteered(*span, &view)
                    + announced_and_retries(forecast.policy, forecast.profile, *span)
            })
            .collect();
        let level = level(&unsteered, &capacity, steered_per_slot * real(day));
        for (at, span) in spans.iter().enumerate() {
            let whole = level * capacity[at].share;
            slots.push(SlotOutlook {
                unsteered: unsteered[at],
                promised: forecast.ledger.promised(*span),
                top: capacity[at].ceiling.map_or(whole, |most| whole.min(most)),
                share: capacity[at].share,
            });
        }
    }
    slots.truncate(length(count));
    let reach = Span {
        from: slot_start(0, first, slot_seconds),
        to: slot_start(slots.len(), first, slot_seconds) + HOUR,
    };
    Outlook {
        slot_seconds,
        first,
        slots,
        steered_per_slot,
        closed: closed_within(&forecast.policy.capacity, reach),
    }
}

/// How far the highest slot exceeds the level, relative to the mean level, minus what chance
/// explains. A closed slot has no level, so everything promised in it counts.
#[must_use]
pub fn drift(outlook: &Outlook) -> f64 {
    let open = outlook.slots.iter().filter(|slot| slot.top > 0.0);
    let (count, sum) = open.fold((0_usize, 0.0), |(count, sum), slot| {
        (count + 1, sum + slot.top)
    });
    let mean = if count > 0 {
        sum / real_len(count)
    } else {
        0.0
    };
    let highest = outlook
        .slots
        .iter()
        .map(|slot| slot.excess().min(slot.promised))
        .fold(0.0, f64::max);
    if mean > 0.0 { highest / mean } else { 0.0 }
}

/// The load promised in spans that were closed later, in certificates.
#[must_use]
pub fn in_closed(outlook: &Outlook, ledger: &Ledger) -> f64 {
    let closed = outlook.closed.iter();
    closed.map(|span| ledger.promised(*span)).sum()
}

/// v: the mean f times the larger of registered and observed issuance, over as much of the last
/// cycle as there is data for, at least a day.
fn steered(forecast: &Forecast<'_>) -> f64 {
    let Forecast {
        policy,
        ledger,
        profile,
        now,
        life_seconds,
    } = *forecast;
    let slot = real(policy.slot_seconds);
    let cycle = own_rule_seconds(life_seconds).max(1);
    let begins = ledger.begins().unwrap_or(now);
    let known = (now - begins).clamp(DAY.min(cycle), cycle);
    let span = Span {
        from: now - known,
        to: now + signed(1),
    };
    let registered = ledger.issued(span) * slot / real(known);
    let observed = profile.mean_per_hour() * slot / real(HOUR);
    ledger.mean_follow(policy.follow_prior) * registered.max(observed)
}
