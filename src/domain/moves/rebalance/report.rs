//! The report of a rebalance.

use crate::math::number::thousandths;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::group::Kept;
use super::outlook::Outlook;
use crate::policy::ca::CaName;
use crate::time::Timestamp;

/// A rebalance, done or planned.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebalanceReport {
    /// Its number, from 1; none if nothing was moved, and then it is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// The CA.
    pub ca: CaName,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether it was only planned.
    pub dry_run: bool,
    /// Whether it ran to its end.
    pub complete: bool,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// How far the highest slot exceeded the level, as a share of it.
    pub drift_before: f64,
    /// The same after the moves.
    pub drift_after: f64,
    /// The number of future windows considered.
    pub considered: u64,
    /// Windows moved.
    pub moved: u64,
    /// Windows that changed in the meantime, and were left alone.
    pub overtaken: u64,
    /// Windows that stay, by reason.
    pub kept: KeptCounts,
    /// The load still above the level, in certificates, because nothing free was in reach.
    pub left_over: f64,
    /// The slots with moves, in order.
    pub slots: Vec<SlotReport>,
}

/// How many windows stay, by reason.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptCounts {
    /// Moved by an incident, or by a rebalance within the last day.
    pub moved_before: u64,
    /// In the control group.
    pub control: u64,
    /// Open, or starting within two poll intervals.
    pub near: u64,
    /// Hardly followed, without slots for their lifetime, or past their band.
    pub settled: u64,
}

/// One slot of a report.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReport {
    /// When it begins.
    pub start: Timestamp,
    /// The target: the slot's share of the level, at most its ceiling.
    pub level: f64,
    /// Its forecast before: certificates, unsteered and steered.
    pub before: f64,
    /// Its forecast after.
    pub after: f64,
    /// Windows that moved out.
    pub moved_out: u64,
    /// Windows that moved in.
    pub moved_in: u64,
    /// The reason.
    pub why: Why,
}

/// Why windows moved from or to a slot.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It was above the level.
    AboveLevel,
    /// Its windows touched a closed span.
    Closed,
    /// It had free capacity.
    Room,
}

/// What moved out of a slot and into it.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    out: u64,
    into: u64,
    load: f64,
    closed: bool,
}

/// Sums the moves as they are drawn.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    traffic: BTreeMap<i64, Traffic>,
    moved: u64,
}

impl Moves {
    /// Adds the move of a window that is followed with the probability `follows`.
    pub fn add(&mut self, group: &super::group::Group, to: i64, follows: f64) {
        let out = self.traffic.entry(group.from).or_default();
        out.out += 1;
        out.load -= follows;
        out.closed |= group.must_leave;
        let into = self.traffic.entry(to).or_default();
        into.into += 1;
        into.load += follows;
        self.moved += 1;
    }

    /// The number of windows that move.
    #[must_use]
    pub const fn moved(&self) -> u64 {
        self.moved
    }

    /// The outlook after the moves.
    #[must_use]
    pub fn applied(&self, outlook: &Outlook) -> Outlook {
        let mut outlook = outlook.clone();
        for (number, traffic) in &self.traffic {
            if let Some(at) = outlook.index(*number) {
                let promised = &mut outlook.slots[at].promised;
                *promised = (*promised + traffic.load).max(0.0);
            }
        }
        outlook
    }

    /// The slots with moves.
    #[must_use]
    pub fn slots(&self, outlook: &Outlook) -> Vec<SlotReport> {
        self.traffic
            .iter()
            .filter_map(|(number, traffic)| {
                let slot = outlook.slots[outlook.index(*number)?];
                let before = slot.unsteered + slot.promised;
                Some(SlotReport {
                    start: outlook.start(*number),
                    level: thousandths(slot.top),
                    before: thousandths(before),
                    after: thousandths(before + traffic.load),
                    moved_out: traffic.out,
                    moved_in: traffic.into,
                    why: if traffic.closed {
                        Why::Closed
                    } else if traffic.out > 0 {
                        Why::AboveLevel
                    } else {
                        Why::Room
                    },
                })
            })
            .collect()
    }
}

impl KeptCounts {
    /// Counts one.
    pub fn add(&mut self, kept: Kept) {
        *match kept {
            Kept::Moved => &mut self.moved_before,
            Kept::Control => &mut self.control,
            Kept::Near => &mut self.near,
            Kept::Settled => &mut self.settled,
        } += 1;
    }
}
