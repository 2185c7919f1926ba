//! Which slot: the tables from which windows are drawn (`docs/allocation.md`).
//!
//! A table is a probability for each slot of a band. It is made from the forecast, used for a
//! minute or until it has placed a twentieth of a slot's level, and stored under a number, so that
//! a window can be derived again exactly.

use super::arrivals::{ArrivalModel, Expected};
use super::band::{Arrival, seconds_to_own_rule, usual_slots};
use super::closings::around_closings;
use super::doubt::Doubt;
use super::early::Thrift;
use super::level::{assigned, headroom, level, open_range, scaled, shares, spans, spill, sum};
use super::opening::capacity;
use super::rates::Arrivals;
pub use super::rates::Forecast;
use super::table::{ALGORITHM, PARTS, Reason, SlotRow, Table};
use crate::allocation::slots::SlotRange;
use crate::client::following::SILENT_AFTER_SECONDS;
use crate::ledger::ScheduleMix;
use crate::math::number::{real, real_len, signed, thousandths, whole};
use crate::policy::capacity::SlotCapacity;
use crate::time::{DAY, Span};

/// A table is made anew after this many seconds.
pub const TABLE_LIFE_SECONDS: i64 = 60;

/// A fresh table places at most this share of a slot's level, or of the last slot-length's arrivals
/// where those are more.
const FRESH_QUOTA: f64 = 0.05;

/// A table for late certificates places at most this share of its band's volume.
const LATE_QUOTA: f64 = 0.01;

/// However small the CA, a table serves this many certificates: one table for every two of them
/// would cost more than the two are worth, and below some hundreds an hour chance rules anyway.
const LEAST_QUOTA: f64 = 32.0;

/// A band widens while its level stands above the last cycle's mean load by more than this factor,
/// and above the level of the widest band by as much. Otherwise, if slots take less than usual or
/// much unsteered load comes in them, the rest would all go to the hours beside them. Weekdays of
/// an unsteered week differ by this factor.
const LEVEL_ABOVE: f64 = 1.05;

/// Where windows are to lie later than the level lets them, it rises by so much at a time …
const RAISED: f64 = 1.05;
/// … and to eighteen times at most (1.05⁶⁰), which all that comes in a burst fits below.
const MOST_RAISES: usize = 60;

/// A table and for how many certificates it is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The table.
    pub table: Table,
    /// It is made anew once it has placed this many.
    pub quota: u64,
}

/// Makes the table for certificates that arrive now and whose band is `range`.
#[must_use]
pub(super) fn make(
    arrival: Arrival,
    range: SlotRange,
    schedule_mix: &ScheduleMix,
    doubt: &Doubt,
    forecast: &Forecast<'_>,
) -> Made {
    let arrivals = Arrivals::measure(range.slot_seconds, forecast);
    let (open, as_if_open) = open_range(range, forecast.policy);
    let mut range = if open == range && !as_if_open {
        on_first_day(arrival, range, forecast)
            .unwrap_or_else(|| around_closings(arrival, range, &arrivals, forecast))
    } else {
        open
    };
    let mut draft = Draft::new(
        (arrival, range, as_if_open),
        schedule_mix,
        &arrivals,
        forecast,
    );
    while arrival == Arrival::Fresh
        && arrivals.tell_bursts
        && (draft.filled_above_usual(&arrivals) || draft.stands_above_widest(&arrivals, forecast))
    {
        let Some(wider) = range.wider() else {
            break;
        };
        range = wider;
        draft = Draft::new(
            (arrival, range, as_if_open),
            schedule_mix,
            &arrivals,
            forecast,
        );
    }
    draft.finish(&arrivals, doubt, forecast)
}

/// A band on a registry's first day, until polls have shown who follows: the part of it that lies in
/// the last day before the own rule. `None` on other days, and where none of that part is open.
///
/// Those issued the day before come as ever. A window more than a day before the own rule would call
/// clients that wake once a day to the same tick.
fn on_first_day(arrival: Arrival, range: SlotRange, forecast: &Forecast<'_>) -> Option<SlotRange> {
    let Forecast { policy, now, .. } = *forecast;
    let day = DAY / range.slot_seconds;
    let known = now - forecast.ledger.begins().unwrap_or(now) >= SILENT_AFTER_SECONDS
        || forecast.profile.knows_anything()
        || signed(range.len()) > day; // The CA has its bands longer than that.
    let seconds = seconds_to_own_rule(policy, forecast.life_seconds);
    let (Arrival::Fresh, false, Some(seconds)) = (arrival, known, seconds) else {
        return None;
    };
    let to_own_rule = (seconds + policy.backdate_seconds.min(DAY)) / range.slot_seconds;
    let shorter = SlotRange {
        first: (range.end + to_own_rule - day).clamp(range.first, range.end - 1),
        ..range
    };
    let (capacity, _) = capacity(shorter, false, policy, forecast.profile);
    let is_open = capacity.iter().any(|slot| slot.share > 0.0);
    is_open.then_some(shorter)
}

/// A band's loads, before probabilities are made of them.
struct Draft {
    arrival: Arrival,
    range: SlotRange,
    as_if_open: bool,
    capacity: Vec<SlotCapacity>,
    closed: Vec<Span>,
    unsteered: Vec<f64>,
    promised: Vec<f64>,
    level: f64,
    steady: Vec<f64>,
    excess: f64,
    /// The bound on what renewing early may cost, where it applies.
    thrift: Option<Thrift>,
    /// Where the load comes, unless all of it comes in its windows.
    arrival_model: Option<ArrivalModel>,
}

impl Draft {
    fn new(
        (arrival, range, as_if_open): (Arrival, SlotRange, bool),
        schedule_mix: &ScheduleMix,
        arrivals: &Arrivals,
        forecast: &Forecast<'_>,
    ) -> Self {
        let (capacity, closed) = capacity(range, as_if_open, forecast.policy, forecast.profile);
        let unsteered = forecast.unsteered(range);
        let promised: Vec<f64> = spans(range)
            .map(|span| forecast.ledger.promised(span))
            .collect();
        let level = level(
            &unsteered,
            &capacity,
            arrivals.steered * real_len(range.len()),
        );
        let arrival_model = match arrival {
            Arrival::Fresh => {
                let timed: Vec<f64> = spans(range)
                    .map(|span| forecast.ledger.scheduled_load(span))
                    .collect();
                let expected = Expected {
                    unsteered: &unsteered,
                    promised: &promised,
                    timed: &timed,
                };
                ArrivalModel::of(schedule_mix, range, spill(range.slot_seconds), expected)
            }
            Arrival::Late | Arrival::Past => None,
        };
        let thrift = match arrival {
            Arrival::Fresh => Thrift::of(range, &capacity, arrivals, forecast),
            Arrival::Late | Arrival::Past => None,
        };
        let mut draft = Self {
            arrival,
            range,
            as_if_open,
            capacity,
            closed,
            unsteered,
            promised,
            level,
            steady: Vec::new(),
            excess: 0.0,
            thrift,
            arrival_model,
        };
        draft.steady = draft.steps(level, forecast);
        draft.excess = draft.beyond(&draft.steady, arrivals);
        draft
    }

    /// What each slot is given at once on its way to a level.
    fn steps(&self, level: f64, forecast: &Forecast<'_>) -> Vec<f64> {
        let nothing = vec![0.0; self.range.len()];
        if self.arrival != Arrival::Fresh {
            return nothing;
        }
        let base = sum(&self.unsteered, &self.promised);
        let headroom = assigned(&base, &self.capacity, level, spill(self.range.slot_seconds));
        let arrival_model = self.arrival_model.as_ref();
        let headroom = adjusted(arrival_model, headroom, &nothing, &self.capacity);
        match &self.thrift {
            Some(thrift) => thrift.latest_first(&headroom),
            None => steady(&headroom, self.range, forecast),
        }
    }

    /// How much more arrives than the slots are given.
    fn beyond(&self, steady: &[f64], arrivals: &Arrivals) -> f64 {
        let thrift = self.thrift.as_ref();
        let arriving = thrift.map_or(arrivals.recent, |thrift| thrift.arriving);
        (arriving - steady.iter().sum::<f64>()).max(0.0)
    }

    /// The amounts that fresh certificates add: step by step to the level, and beyond it if more
    /// arrive. If these windows lie too early, the level rises.
    fn fresh(&self, arrivals: &Arrivals, forecast: &Forecast<'_>) -> (Vec<f64>, Vec<f64>) {
        let mut level = self.level;
        let mut steady = self.steady.clone();
        let mut extra = self.heaped(&steady, self.excess, level);
        let Some(thrift) = &self.thrift else {
            return (steady, extra);
        };
        for _ in 0..MOST_RAISES {
            if thrift.allows(&sum(&steady, &extra)) {
                break;
            }
            level *= RAISED;
            steady = self.steps(level, forecast);
            extra = self.heaped(&steady, self.beyond(&steady, arrivals), level);
        }
        (steady, extra)
    }

    /// The part of an excess that each slot gets: below a level, if the excess fits there, and
    /// never all of it in the one slot that has a little room left.
    fn heaped(&self, steady: &[f64], excess: f64, highest: f64) -> Vec<f64> {
        let filled = sum(&sum(&self.unsteered, &self.promised), steady);
        let ahead = excess * (real_len(self.range.len()) / 4.0).max(1.0);
        let least = level(&filled, &self.capacity, excess);
        let to = level(&filled, &self.capacity, ahead).min(highest.max(least));
        let assigned = assigned(&filled, &self.capacity, to, spill(self.range.slot_seconds));
        let arrival_model = self.arrival_model.as_ref();
        scaled(
            &adjusted(arrival_model, assigned, steady, &self.capacity),
            excess,
        )
    }

    /// Whether more comes than usual, so much that it fills this band above the usual.
    fn filled_above_usual(&self, arrivals: &Arrivals) -> bool {
        let base = sum(&self.unsteered, &self.promised);
        let ahead = self.steady.iter().sum::<f64>() + self.excess * (arrivals.day / 4.0).max(1.0);
        let filled = level(&base, &self.capacity, ahead);
        self.excess > 0.0 && filled > arrivals.mean
    }

    /// Whether this band has less room for the usual load than days before it: because the CA
    /// takes less, or because others come then, as in the echo of a burst.
    fn stands_above_widest(&self, arrivals: &Arrivals, forecast: &Forecast<'_>) -> bool {
        self.level > LEVEL_ABOVE * arrivals.mean && {
            let widest = SlotRange {
                first: self.range.widest_first,
                ..self.range
            };
            let (capacity, _) =
                capacity(widest, self.as_if_open, forecast.policy, forecast.profile);
            let unsteered = forecast.unsteered(widest);
            let steered = arrivals.steered * real_len(widest.len());
            self.level > LEVEL_ABOVE * level(&unsteered, &capacity, steered)
        }
    }

    fn finish(self, arrivals: &Arrivals, doubt: &Doubt, forecast: &Forecast<'_>) -> Made {
        let slots = real_len(self.range.len());
        let quota_load = match self.arrival {
            // In a burst, of what arrives: the level says nothing of it.
            Arrival::Fresh => FRESH_QUOTA * self.level.max(arrivals.recent),
            Arrival::Late | Arrival::Past => LATE_QUOTA * arrivals.steered * slots,
        };
        let quota = (quota_load / arrivals.follow.max(0.01)).max(LEAST_QUOTA);
        let base = sum(&self.unsteered, &self.promised);
        let nothing = || vec![0.0; self.range.len()];
        let (steady, extra) = match self.arrival {
            Arrival::Fresh => self.fresh(arrivals, forecast),
            Arrival::Late => {
                // As if all of them came: nobody knows of these who follows.
                let doubted = doubt.in_slots(self.range, arrivals.mean * slots);
                let base = sum(&base, &doubted);
                let to = level(&base, &self.capacity, quota);
                (nothing(), headroom(&base, &self.capacity, to))
            }
            // In neither U nor G: nothing would stop them all from going to the emptiest slot. As
            // much again as the usual load keeps them spread.
            Arrival::Past => {
                let ahead = arrivals.mean.max(1.0) * slots;
                let to = level(&base, &self.capacity, ahead);
                (nothing(), headroom(&base, &self.capacity, to))
            }
        };
        let wanted = sum(&steady, &extra);
        let nothing_known = arrivals.mean <= 0.0 && base.iter().all(|load| *load <= 0.0);
        let (reason, weights) = if self.as_if_open {
            (Reason::NothingOpen, vec![1.0; self.range.len()])
        } else if nothing_known {
            (Reason::NothingKnown, shares(&self.capacity))
        } else if wanted.iter().sum::<f64>() <= 0.0 {
            (Reason::NoRoom, shares(&self.capacity))
        } else {
            (Reason::Level, wanted)
        };
        let total: f64 = weights.iter().sum();
        let rows = (0..self.range.len())
            .map(|n| SlotRow {
                weight: u64::try_from(whole((weights[n] / total * PARTS).round())).unwrap_or(0),
                unsteered: thousandths(self.unsteered[n]),
                promised: thousandths(self.promised[n]),
                steady: thousandths(steady[n]),
                extra: thousandths(extra[n]),
                capacity: thousandths(self.capacity[n].share),
            })
            .collect();
        let table = Table {
            algorithm: ALGORITHM,
            ca: forecast.policy.name.clone(),
            model_version: forecast.profile.version.clone(),
            made_at: forecast.now,
            arrival: self.arrival,
            reason,
            slot_seconds: self.range.slot_seconds,
            first_slot: self.range.from(),
            steered_per_slot: thousandths(arrivals.steered),
            recent: thousandths(arrivals.recent),
            level: thousandths(self.level),
            slots: rows,
            closed: self.closed,
        };
        Made {
            table,
            quota: u64::try_from(whole(quota)).unwrap_or(1),
        }
    }
}

/// The amounts for the slots, adjusted by where their load really comes and by what the slots are
/// given `besides`.
fn adjusted(
    arrival_model: Option<&ArrivalModel>,
    assigned: Vec<f64>,
    besides: &[f64],
    capacity: &[SlotCapacity],
) -> Vec<f64> {
    match arrival_model {
        Some(arrival_model) => arrival_model.lowered(assigned, besides, capacity),
        None => assigned,
    }
}

/// w: what is missing to the level, in equal steps until the slot leaves the bands of the
/// certificates issued then.
fn steady(headroom: &[f64], range: SlotRange, forecast: &Forecast<'_>) -> Vec<f64> {
    // Slots that only the widening brought have left the bands of whoever comes next.
    let usual = usual_slots(forecast.policy, forecast.life_seconds, range.slot_seconds);
    let own = (range.end - usual).max(range.first);
    headroom
        .iter()
        .enumerate()
        .map(|(n, headroom)| {
            let left = (range.first + signed(n) - own + 1).max(1);
            headroom / real(left)
        })
        .collect()
}
