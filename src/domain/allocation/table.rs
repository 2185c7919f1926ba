//! A table: a probability for each slot of a band, and the values from which it was computed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::band::Arrival;
use super::window;
use crate::allocation::window::{starts_for_tick, window_seconds_for_tick};
use crate::certificate::hash::content_number;
use crate::client::schedule::Schedule;
use crate::math::number::{length, real, signed, whole};
use crate::math::waterfill;
use crate::policy::ca::CaName;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The sum of a table's weights, apart from rounding.
pub(super) const PARTS: f64 = 4_294_967_296.0;

/// A band is taken to be widened if it begins more than a day and this before the last tick.
const WIDENED_SECONDS: i64 = 6 * HOUR;

/// The version of the algorithm, stored in every table.
pub const ALGORITHM: u32 = 1;

/// A table as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredTable {
    /// Its number: a hash of its content.
    pub number: i64,
    /// Its content, as [`Table::to_bytes`] writes it.
    pub bytes: Arc<[u8]>,
    /// After this time no certificate needs it.
    pub needed_until: Timestamp,
}

/// A probability for each slot of a band, and the values from which it was computed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// [`ALGORITHM`].
    pub algorithm: u32,
    /// The CA.
    pub ca: CaName,
    /// The profile it was made from.
    pub model_version: String,
    /// When.
    pub made_at: Timestamp,
    /// The kind of certificates that it is for.
    pub arrival: Arrival,
    /// The reason for its probabilities.
    pub reason: Reason,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// When the first slot begins.
    pub first_slot: Timestamp,
    /// v: steered arrivals per slot, averaged over the last cycle.
    pub steered_per_slot: f64,
    /// a: steered arrivals during the length of the last slot.
    pub recent: f64,
    /// λ: the level, in certificates per slot.
    pub level: f64,
    /// The slots, in order.
    pub slots: Vec<SlotRow>,
    /// The closed spans that touch the slots or the hours after them.
    pub closed: Vec<Span>,
}

/// One slot of a table. Loads are certificates per slot, rounded to a thousandth.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotRow {
    /// The probability, as a part of the sum of all weights.
    pub weight: u64,
    /// U: the unsteered load.
    pub unsteered: f64,
    /// G: the load that windows have promised.
    pub promised: f64,
    /// w: the step towards the level.
    pub steady: f64,
    /// e: the excess assigned to this slot.
    pub extra: f64,
    /// The slot's share of the CA's normal capacity.
    pub capacity: f64,
}

/// The reason for a table's probabilities.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// An incident. U is all expected load except that of the windows it moves, e is what these add,
    /// and the level is the highest sum of both.
    Incident,
    /// The expected load, filled to a level.
    Level,
    /// No slot had room below the level, so the capacity alone decides.
    NoRoom,
    /// A rebalance: load above the level or in a closed span moved to slots with room.
    Moved,
    /// Nothing is known of the load: uniform over the open slots.
    NothingKnown,
    /// Neither the band nor the slots around it are open: as if all of its slots were.
    NothingOpen,
}

impl Table {
    /// The number under which the table is stored: a hash of its content, so that equal tables share a
    /// number.
    #[must_use]
    pub fn number(bytes: &[u8]) -> i64 {
        content_number(bytes)
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Arc<[u8]> {
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// The slot chosen by the upper half of a hash: its index and span.
    #[must_use]
    pub fn draw(&self, hash: u128) -> (usize, Span) {
        let weights = self.slots.iter().map(|row| u128::from(row.weight));
        let index = drawn(hash, weights);
        (index, self.slot(index))
    }

    /// The ticks at which a cron client can be made to renew, with the probability of each.
    ///
    /// If the client has few ticks a day, the probabilities level these ticks, counting the unsteered
    /// load and the `load_at_same_tick`: the clients per day that wake at these ticks and renew. Other
    /// windows are placed around them. The ticks are those of the day up to `last` ([`last_tick`]), and
    /// of more days if the band has widened. If the client has many ticks, each has the probability of
    /// its slot.
    ///
    /// Empty if there is no tick whose window would begin in the band or after it, outside closed
    /// spans.
    ///
    /// [`last_tick`]: super::window::last_tick
    #[must_use]
    pub fn ticks(
        &self,
        schedule: Schedule,
        load_at_same_tick: f64,
        last: Option<Timestamp>,
    ) -> Vec<(Timestamp, f64)> {
        let few = schedule.choices_are_few();
        let band = self.span_of_ticks(last.filter(|_| few));
        let ticks: Vec<(Timestamp, &SlotRow)> = schedule
            .choices(band)
            .into_iter()
            .filter(|tick| {
                let asked = Span {
                    from: starts_for_tick(*tick, self.window_seconds_for_tick()).from,
                    to: *tick + 1,
                };
                let closed = |span: &Span| span.overlap_seconds(asked) > 0;
                asked.from >= self.first_slot && !self.closed.iter().any(closed)
            })
            .filter_map(|tick| {
                let slot = length(tick.slot(self.slot_seconds))
                    .checked_sub(length(self.first_slot.slot(self.slot_seconds)))?;
                Some((tick, self.row(slot)?))
            })
            .collect();
        let mut shares: Vec<f64> = ticks.iter().map(|(_, row)| parts(row.weight)).collect();
        if few || shares.iter().sum::<f64>() <= 0.0 {
            // Until the load of such a day is known, the promised load stands for it.
            let promised = ticks.iter().map(|(_, row)| row.promised).sum::<f64>();
            let days = real(band.seconds()) / real(DAY);
            let amount = (load_at_same_tick * days.max(1.0)).max(promised).max(1.0);
            shares = levelled(ticks.iter().map(|(_, row)| *row), amount);
        }
        let total: f64 = shares.iter().sum();
        if total <= 0.0 {
            return Vec::new();
        }
        let shares = shares.iter().map(|share| share / total);
        ticks.iter().map(|(tick, _)| *tick).zip(shares).collect()
    }

    /// The row of a slot. After the band, the row of a day earlier.
    fn row(&self, slot: usize) -> Option<&SlotRow> {
        let day = length(DAY / self.slot_seconds);
        let earlier = || self.slots.get(slot.checked_sub(day)?);
        self.slots
            .get(slot)
            .or_else(earlier)
            .or_else(|| self.slots.last())
    }

    /// The span of the ticks: the day up to `last`, which is a little after the band, and earlier days
    /// if the band has widened. Without `last`, the band.
    fn span_of_ticks(&self, last: Option<Timestamp>) -> Span {
        let band = Span {
            from: self.first_slot,
            to: self.first_slot + signed(self.slots.len()) * self.slot_seconds,
        };
        match last {
            Some(last) if last >= band.to => Span {
                from: if last - band.from < DAY + WIDENED_SECONDS {
                    band.from.max(last + 1 - DAY)
                } else {
                    band.from
                },
                to: last + 1,
            },
            _ => band,
        }
    }

    /// The length in seconds of a window for a tick.
    #[must_use]
    pub fn window_seconds_for_tick(&self) -> i64 {
        window_seconds_for_tick(self.slot_seconds)
    }

    /// The tick that a cron client with this hash draws; `None` if the client draws a window like any
    /// other client. The other arguments are as in [`Table::ticks`].
    #[must_use]
    pub fn tick_for(
        &self,
        schedule: Schedule,
        load_at_same_tick: f64,
        last: Option<Timestamp>,
        hash: u128,
    ) -> Option<Timestamp> {
        let ticks = self.ticks(schedule, load_at_same_tick, last);
        let weights = ticks
            .iter()
            .map(|(_, share)| u128::try_from(whole((share * PARTS).round())).unwrap_or(0));
        ticks.get(drawn(hash, weights)).map(|(tick, _)| *tick)
    }

    /// The span of the slot with this index.
    #[must_use]
    pub fn slot(&self, index: usize) -> Span {
        let from = self.first_slot + signed(index) * self.slot_seconds;
        Span {
            from,
            to: from + self.slot_seconds,
        }
    }

    /// The window that a certificate with this hash draws from this table.
    #[must_use]
    pub fn window(&self, hash: u128, not_after: Timestamp) -> Span {
        let (_, slot) = self.draw(hash);
        window::in_slot(hash, slot, &self.closed, not_after)
    }

    /// The probability of each slot; they sum to 1.
    #[must_use]
    pub fn probabilities(&self) -> Vec<f64> {
        let total: u64 = self.slots.iter().map(|row| row.weight).sum();
        self.slots
            .iter()
            .map(|row| parts(row.weight) / parts(total.max(1)))
            .collect()
    }
}

/// Divides an amount among slots so that together with the unsteered load they are level.
fn levelled<'a>(rows: impl Iterator<Item = &'a SlotRow>, amount: f64) -> Vec<f64> {
    let (loads, open): (Vec<f64>, Vec<f64>) = rows.map(|row| (row.unsteered, row.capacity)).unzip();
    let limits = vec![f64::INFINITY; loads.len()];
    waterfill::fill_shares(&loads, &limits, &open, amount)
}

/// The index chosen by the upper half of a hash, by these weights.
fn drawn(hash: u128, weights: impl Iterator<Item = u128> + Clone) -> usize {
    let total: u128 = weights.clone().sum();
    let mut ticket = ((hash >> 64) * total) >> 64;
    let mut index = 0;
    for (n, weight) in weights.enumerate() {
        index = n;
        if ticket < weight {
            break;
        }
        ticket -= weight;
    }
    index
}

fn parts(weight: u64) -> f64 {
    real(i64::try_from(weight).unwrap_or(i64::MAX))
}
