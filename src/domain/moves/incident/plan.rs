//! The second pass: a window for each affected certificate, and the resulting load.

use std::collections::BTreeMap;

use serde::Serialize;

use super::context::{Groups, PlanningContext};
use super::rule::{Order, Rule, SLOT_SECONDS, Verdict, WINDOW_SECONDS, begin, last_end};
use super::slots::{Returning, Slots, reduced, slots_per_hour, span};
use super::spread::Placed;
use crate::allocation::band::Arrival;
use crate::allocation::table::{ALGORITHM, Reason, SlotRow, StoredTable, Table};
use crate::allocation::window::{in_slot, in_span};
use crate::certificate::{Basis, Validity};
use crate::math::number::{length, real, real_len, signed, thousandths, whole};
use crate::time::{HOUR, Span, Timestamp};

/// The weights of a table sum to about this, 2^32.
const PARTS: f64 = 4_294_967_296.0;

/// A distribution of counts, from which tables are made.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) groups: Groups,
    pub(super) slots: Slots,
    pub(super) placed: Placed,
}

/// One hour of a plan, in certificates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HourLoad {
    /// When the hour begins.
    pub from: Timestamp,
    /// The expected load without the windows that the incident moves.
    pub normal: f64,
    /// Clients that return by themselves after an outage.
    pub returning: f64,
    /// The load of the moved windows.
    pub moved: f64,
    /// The share of normal capacity that windows may use; 0 where they would run into closed hours.
    pub capacity: f64,
    /// The upper limit, if there is a budget.
    pub budget: Option<f64>,
}

/// The result of planning an incident.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many of the counted certificates move.
    pub to_move: u64,
    /// How many of the counted certificates keep their window.
    pub stays: u64,
    rule: Rule,
    drawers: BTreeMap<(i64, i64), Drawer>,
    hours: Vec<HourLoad>,
}

/// A group's table, prepared for millions of draws.
#[derive(Clone, Debug)]
struct Drawer {
    stored: StoredTable,
    first: i64,
    /// Cumulative weights of the slots.
    up_to: Vec<u64>,
}

impl Plan {
    pub(super) fn new(
        rule: Rule,
        context: &PlanningContext<'_>,
        filled: &Filled,
        stays: u64,
    ) -> Self {
        let totals = totals(filled);
        let highest = highest(&filled.slots, &totals);
        let mut hours = Hours::default();
        let mut drawers = BTreeMap::new();
        let mut to_move = 0;
        for (((first, end), tally), placed) in filled.groups.iter().zip(&filled.placed) {
            for (n, placed) in placed.iter().enumerate() {
                hours.add_slot(first + signed(n), *placed);
            }
            let at = length(first - filled.slots.first);
            let rows = placed.iter().enumerate().map(|(n, placed)| Row {
                extra: *placed,
                others: totals[at + n] - placed,
                slot: at + n,
            });
            let rows = rows.map(|row| row.of(placed, &filled.slots)).collect();
            let table = table(&rule, context, (*first, highest), rows);
            drawers.insert((*first, *end), Drawer::new(*first, &table, tally.last));
            to_move += tally.count;
        }
        Self {
            to_move,
            stays,
            hours: hours.by_hour(&rule, context),
            rule,
            drawers,
        }
    }

    /// Everyone at once: clients renew when they next poll, which is at any time within their poll
    /// interval.
    pub(super) fn urgent(
        rule: Rule,
        context: &PlanningContext<'_>,
        polls: &BTreeMap<i64, u64>,
        stays: u64,
    ) -> Self {
        let mut hours = Hours::default();
        for (slots, count) in polls {
            let count = real(i64::try_from(*count).unwrap_or(i64::MAX));
            let span = Span {
                from: rule.now,
                to: rule.now + slots * SLOT_SECONDS,
            };
            hours.add_span(span, count);
        }
        Self {
            to_move: polls.values().sum(),
            stays,
            hours: hours.by_hour(&rule, context),
            rule,
            drawers: BTreeMap::new(),
        }
    }

    /// The new window of an affected certificate and the table it was drawn from, by the hash of
    /// its CertID salted with the incident. `None` if the certificate keeps its window, or if it
    /// was not counted and no counted certificate has the same slots.
    #[must_use]
    pub fn window(&self, hash: u128, validity: Validity, window: Span) -> Option<(Span, Basis)> {
        let key = match self.rule.verdict(validity, window) {
            Verdict::Slots(key) => key,
            Verdict::Stays => return None,
            Verdict::Urgent(urgent) => {
                let starts = Span {
                    from: urgent.from,
                    to: urgent.from + 1,
                };
                let window = in_span(hash, starts, urgent.seconds(), validity.not_after);
                return Some((window, Basis::Span(starts)));
            }
        };
        let end = match self.rule.order {
            Order::Deadline(renew_by) => key.end.min(last_end(renew_by)),
            _ => key.end,
        };
        let drawer = self.drawers.get(&(key.first, end)).or_else(|| {
            let fits = |range: &&(i64, i64)| range.0 >= key.first && range.1 <= end;
            let widest = self
                .drawers
                .keys()
                .filter(fits)
                .max_by_key(|range| range.1 - range.0)?;
            self.drawers.get(widest)
        })?;
        let slot = drawer.slot(hash);
        let window = in_slot(hash, span(slot), &[], validity.not_after);
        Some((window, Basis::Table(drawer.stored.number)))
    }

    /// The tables from which the windows are drawn. They are stored so that each draw can be
    /// repeated.
    #[must_use]
    pub fn tables(&self) -> Vec<StoredTable> {
        self.drawers
            .values()
            .map(|drawer| drawer.stored.clone())
            .collect()
    }

    /// The load of each affected hour, in order.
    #[must_use]
    pub fn hours(&self) -> &[HourLoad] {
        &self.hours
    }
}

impl Drawer {
    fn new(first: i64, table: &Table, needed_until: Timestamp) -> Self {
        let bytes = table.to_bytes();
        let mut sum = 0;
        let up_to = table.slots.iter().map(|row| {
            sum += row.weight;
            sum
        });
        Self {
            first,
            up_to: up_to.collect(),
            stored: StoredTable {
                number: Table::number(&bytes),
                bytes,
                needed_until,
            },
        }
    }

    /// The same slot as [`Table::draw`], found by binary search.
    fn slot(&self, hash: u128) -> i64 {
        let total = self.up_to.last().copied().unwrap_or(0);
        let ticket = ((hash >> 64) * u128::from(total)) >> 64;
        let at = self
            .up_to
            .partition_point(|up_to| u128::from(*up_to) <= ticket);
        self.first + signed(at.min(self.up_to.len() - 1))
    }
}

/// One slot of a group's table.
struct Row {
    extra: f64,
    others: f64,
    slot: usize,
}

impl Row {
    fn of(self, placed: &[f64], slots: &Slots) -> SlotRow {
        let sum: f64 = placed.iter().sum();
        let base = slots.base[self.slot];
        let open = base.is_finite();
        let weight = if sum > 0.0 {
            self.extra / sum * PARTS
        } else {
            1.0
        };
        SlotRow {
            weight: u64::try_from(whole(weight.round())).unwrap_or(0),
            unsteered: if open { thousandths(base) } else { 0.0 },
            promised: thousandths(self.others.max(0.0)),
            steady: 0.0,
            extra: thousandths(self.extra),
            capacity: if open {
                thousandths(slots.share[self.slot])
            } else {
                0.0
            },
        }
    }
}

fn table(rule: &Rule, context: &PlanningContext<'_>, at: (i64, f64), slots: Vec<SlotRow>) -> Table {
    Table {
        algorithm: ALGORITHM,
        ca: context.policy.name.clone(),
        model_version: context.model_version.to_owned(),
        made_at: rule.now,
        arrival: Arrival::Late,
        reason: Reason::Incident,
        slot_seconds: SLOT_SECONDS,
        first_slot: begin(at.0),
        steered_per_slot: 0.0,
        recent: 0.0,
        level: thousandths(at.1),
        slots,
        closed: Vec::new(),
    }
}

/// The total that all groups place into each slot.
fn totals(filled: &Filled) -> Vec<f64> {
    let mut totals = vec![0.0; filled.slots.base.len()];
    for (range, placed) in filled.groups.keys().zip(&filled.placed) {
        let at = length(range.0 - filled.slots.first);
        for (total, placed) in totals[at..].iter_mut().zip(placed) {
            *total += placed;
        }
    }
    totals
}

fn highest(slots: &Slots, totals: &[f64]) -> f64 {
    let filled = slots
        .base
        .iter()
        .zip(totals)
        .filter(|(_, total)| **total > 0.0);
    filled.map(|(base, total)| base + total).fold(0.0, f64::max)
}

/// The placed certificates, by the hour in which they arrive.
#[derive(Default)]
struct Hours(BTreeMap<i64, f64>);

impl Hours {
    /// Window starts are uniform over the slot, and clients renew at any point of their window. Of
    /// windows of w seconds drawn from a slot of S ≥ w, the share w / 2S therefore arrives in the
    /// next slot.
    fn add_slot(&mut self, slot: i64, count: f64) {
        let spill = count * real(WINDOW_SECONDS) / real(2 * SLOT_SECONDS);
        *self.0.entry(begin(slot).slot(HOUR)).or_default() += count - spill;
        *self.0.entry(begin(slot + 1).slot(HOUR)).or_default() += spill;
    }

    fn add_span(&mut self, span: Span, count: f64) {
        for hour in span.from.slot(HOUR)..=(span.to - 1).slot(HOUR) {
            let part = real(span.overlap_seconds(hour_of(hour))) / real(span.seconds().max(1));
            *self.0.entry(hour).or_default() += count * part;
        }
    }

    fn by_hour(self, rule: &Rule, context: &PlanningContext<'_>) -> Vec<HourLoad> {
        let returning = Returning::of(rule, context);
        let incident = context.incident;
        let budget = match rule.order {
            Order::Deadline(_) => incident.budget_per_hour,
            _ => None,
        };
        self.0
            .into_iter()
            .map(|(hour, moved)| {
                let span = hour_of(hour);
                let slots = whole(slots_per_hour());
                let taken = reduced(context, hour * slots, length(slots));
                let open = (0..slots)
                    .zip(&taken)
                    .filter(|(n, _)| rule.is_open(hour * slots + n));
                let share: f64 = open.map(|(_, slot)| slot.share).sum();
                HourLoad {
                    from: span.from,
                    normal: (context.expected)(span),
                    returning: returning.within(span),
                    moved,
                    capacity: thousandths(share / real_len(length(slots))),
                    budget,
                }
            })
            .collect()
    }
}

fn hour_of(hour: i64) -> Span {
    let from = Timestamp::from_unix(hour * HOUR);
    Span {
        from,
        to: from + HOUR,
    }
}
