//! Turns a plan's amounts into tables from which certificates draw.

use std::collections::BTreeMap;

use super::group::{Group, Tally};
use super::outlook::Outlook;
use super::plan::Plan;
use crate::allocation::band::Arrival;
use crate::allocation::table::{ALGORITHM, Reason, SlotRow, StoredTable, Table};
use crate::certificate::{Basis, Validity};
use crate::demand::profile::Profile;
use crate::math::number::{thousandths, whole};
use crate::policy::ca::{CaName, CaPolicy};
use crate::time::{HOUR, Span, Timestamp};

/// The weights of a table sum to about this, 2^32.
const PARTS: f64 = 4_294_967_296.0;

/// The table of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveTable {
    /// The table in its stored form.
    pub stored: StoredTable,
    table: Table,
    stays: Option<i64>,
}

impl MoveTable {
    /// Where the certificate with this hash moves to, and the slot it was drawn from; `None` if it
    /// stays.
    #[must_use]
    pub fn draw(&self, hash: u128, validity: Validity) -> Option<(Span, Basis)> {
        let (_, slot) = self.table.draw(hash);
        if self.stays == Some(slot.from.slot(self.table.slot_seconds)) {
            return None;
        }
        let window = self.table.window(hash, validity.not_after);
        Some((window, Basis::Table(self.stored.number)))
    }
}

/// A table for each group that moves at least in part. Each target slot has the share of the
/// group's load that moves there; the group's own slot has the rest.
#[must_use]
pub fn move_tables(
    policy: &CaPolicy,
    profile: &Profile,
    now: Timestamp,
    outlook: &Outlook,
    plan: &Plan,
    groups: &BTreeMap<Group, Tally>,
) -> BTreeMap<Group, MoveTable> {
    plan.moves
        .iter()
        .filter_map(|(group, moves)| {
            let tally = groups.get(group)?;
            let lottery = lottery(outlook, *group, tally, moves, |table| Table {
                ca: policy.name.clone(),
                model_version: profile.version.clone(),
                made_at: now,
                ..table
            })?;
            Some((*group, lottery))
        })
        .collect()
}

fn lottery(
    outlook: &Outlook,
    group: Group,
    tally: &Tally,
    moves: &BTreeMap<i64, f64>,
    sign: impl FnOnce(Table) -> Table,
) -> Option<MoveTable> {
    let leaving: f64 = moves.values().sum();
    let stays = if group.must_leave {
        0.0
    } else {
        (tally.load - leaving).max(0.0)
    };
    let total = stays + leaving;
    let (mut first, mut last) = (*moves.keys().next()?, *moves.keys().next_back()?);
    if !group.must_leave {
        (first, last) = (first.min(group.from), last.max(group.from));
    }
    let rows = (first..=last)
        .map(|slot| {
            let arrives = moves.get(&slot).copied().unwrap_or(0.0);
            let weight = if !group.must_leave && slot == group.from {
                stays
            } else {
                arrives
            };
            let known = outlook.index(slot).map(|at| outlook.slots[at]);
            SlotRow {
                weight: u64::try_from(whole((weight / total * PARTS).round())).unwrap_or(0),
                unsteered: thousandths(known.map_or(0.0, |slot| slot.unsteered)),
                promised: thousandths(known.map_or(0.0, |slot| slot.promised)),
                steady: 0.0,
                extra: thousandths(arrives),
                capacity: thousandths(known.map_or(1.0, |slot| slot.share)),
            }
        })
        .collect();
    let slot_seconds = outlook.slot_seconds;
    let first_slot = outlook.start(first);
    let reach = Span {
        from: first_slot,
        to: outlook.start(last + 1) + HOUR,
    };
    let level = outlook.index(group.from).map(|at| outlook.slots[at].top);
    let table = sign(Table {
        algorithm: ALGORITHM,
        ca: CaName::default(),
        model_version: String::new(),
        made_at: first_slot,
        arrival: Arrival::Late,
        reason: Reason::Moved,
        slot_seconds,
        first_slot,
        steered_per_slot: thousandths(outlook.steered_per_slot),
        recent: 0.0,
        level: thousandths(level.unwrap_or(0.0)),
        slots: rows,
        closed: outlook
            .closed
            .iter()
            .filter(|closed| closed.overlap_seconds(reach) > 0)
            .copied()
            .collect(),
    });
    let bytes = table.to_bytes();
    Some(MoveTable {
        stored: StoredTable {
            number: Table::number(&bytes),
            bytes,
            needed_until: Timestamp::from_unix(tally.needed_until),
        },
        table,
        stays: (!group.must_leave).then_some(group.from),
    })
}
