//! Makes the tables from which windows are drawn (`docs/allocation.md`).
//!
//! A table has a probability for each slot of a band. It is made from the forecast, and used for a
//! minute or until it has placed a twentieth of a slot's level. It is stored under a number, so that a
//! draw can be repeated exactly.

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

/// The longest time for which a table is used, in seconds.
pub const TABLE_LIFE_SECONDS: i64 = 60;

/// A fresh table places at most this share of a slot's level, or of the last slot's arrivals if those
/// are more.
const FRESH_QUOTA: f64 = 0.05;

/// A table for late certificates places at most this share of its band's volume.
const LATE_QUOTA: f64 = 0.01;

/// The smallest number of certificates that a table serves. In a small CA, a new table for every second
/// certificate would cost more than it is worth. Below some hundreds of certificates an hour, chance
/// decides the load anyway.
const LEAST_QUOTA: f64 = 32.0;

/// A band widens while its level is above the last cycle's mean load by more than this factor, and
/// above the level of the widest band by as much. Otherwise all windows would lie in a few hours when
/// slots take less than usual or get much unsteered load. The weekdays of an unsteered week differ by
/// this factor.
const LEVEL_ABOVE: f64 = 1.05;

/// The factor by which the level is raised, repeatedly, while windows lie too early …
const RAISED: f64 = 1.05;
/// … and how often at most: to eighteen times the level (1.05⁶⁰), which holds all of a burst.
const MOST_RAISES: usize = 60;

/// A table, and how many certificates it may place.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The table.
    pub table: Table,
    /// A new table is made once this one has placed so many certificates.
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
        && arrivals.detects_bursts
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

/// The band on a registry's first day, until polls have shown who follows: only the part of the usual
/// band that lies in the last day before the clients' own rule. `None` on other days, and where none
/// of that part is open.
///
/// Certificates issued the day before still come by that rule. A window more than a day before the
/// own rule would move clients that wake once a day to the same tick as those.
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

/// The loads of a band, from which its probabilities are computed.
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
    /// The limit on the cost of early renewals, if it applies.
    thrift: Option<Thrift>,
    /// Where the load arrives; `None` if all of it arrives in its windows.
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

    /// How much each slot gets now, on its way to `level`.
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

    /// How much more arrives than the slots get.
    fn beyond(&self, steady: &[f64], arrivals: &Arrivals) -> f64 {
        let thrift = self.thrift.as_ref();
        let arriving = thrift.map_or(arrivals.recent, |thrift| thrift.arriving);
        (arriving - steady.iter().sum::<f64>()).max(0.0)
    }

    /// The amounts for fresh certificates: the steps towards the level, and what goes beyond it if more
    /// arrive. If these windows lie too early, the level is raised.
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

    /// How an excess is divided among the slots. It stays below the level `highest` if it fits there,
    /// and is never put as a whole into one slot that has a little room left.
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

    /// Whether more certificates arrive than usual, and fill this band above the usual mean.
    fn filled_above_usual(&self, arrivals: &Arrivals) -> bool {
        let base = sum(&self.unsteered, &self.promised);
        let ahead = self.steady.iter().sum::<f64>() + self.excess * (arrivals.day / 4.0).max(1.0);
        let filled = level(&base, &self.capacity, ahead);
        self.excess > 0.0 && filled > arrivals.mean
    }

    /// Whether this band has less room for the usual load than the days before it, because the CA takes
    /// less then, or because other load comes then, such as the echo of a burst.
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
            // In a burst the arrivals count, because the level says nothing of them.
            Arrival::Fresh => FRESH_QUOTA * self.level.max(arrivals.recent),
            Arrival::Late | Arrival::Past => LATE_QUOTA * arrivals.steered * slots,
        };
        let quota = (quota_load / arrivals.follow.max(0.01)).max(LEAST_QUOTA);
        let base = sum(&self.unsteered, &self.promised);
        let nothing = || vec![0.0; self.range.len()];
        let (steady, extra) = match self.arrival {
            Arrival::Fresh => self.fresh(arrivals, forecast),
            Arrival::Late => {
                // As if all of them were followed: it is not known yet which are.
                let doubted = doubt.in_slots(self.range, arrivals.mean * slots);
                let base = sum(&base, &doubted);
                let to = level(&base, &self.capacity, quota);
                (nothing(), headroom(&base, &self.capacity, to))
            }
            // These windows are in neither U nor G, so all of them would go to the emptiest slot.
            // Adding as much as the usual load keeps them spread.
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

/// The amounts for the slots, adjusted by where their load really arrives, and by the amounts that the
/// slots get `others`.
fn adjusted(
    arrival_model: Option<&ArrivalModel>,
    assigned: Vec<f64>,
    others: &[f64],
    capacity: &[SlotCapacity],
) -> Vec<f64> {
    match arrival_model {
        Some(arrival_model) => arrival_model.lowered(assigned, others, capacity),
        None => assigned,
    }
}

/// w: what is missing to the level, divided into equal steps. The last step comes when the slot leaves
/// the bands of the certificates issued then.
fn steady(headroom: &[f64], range: SlotRange, forecast: &Forecast<'_>) -> Vec<f64> {
    // Slots that are in the band only because it was widened will not be in the bands of later
    // certificates.
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
