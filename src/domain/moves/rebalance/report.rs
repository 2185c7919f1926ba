//! What a rebalance did, and why.

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
    /// Its number, from 1 on; none where nothing was moved: such a report is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Whose.
    pub ca: CaName,
    /// When it was made.
    pub made_at: Timestamp,
    /// Whether nothing was moved in truth.
    pub dry_run: bool,
    /// Whether it came to its end.
    pub complete: bool,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// How far the highest slot stood above the level, relative to that.
    pub drift_before: f64,
    /// The same with the windows moved.
    pub drift_after: f64,
    /// Windows ahead that were looked at.
    pub considered: u64,
    /// Windows moved.
    pub moved: u64,
    /// Windows that had another window meanwhile, and were left alone.
    pub overtaken: u64,
    /// Windows that stay, and why.
    pub kept: KeptCounts,
    /// What stands above the level still, in certificates: no room was in reach.
    pub left_over: f64,
    /// The slots that anything left or came to, in order.
    pub slots: Vec<SlotReport>,
}

/// How many windows stay for which reason.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptCounts {
    /// An incident moved them, or a rebalance within a day.
    pub moved_before: u64,
    /// The control group.
    pub control: u64,
    /// They are open, or start within two poll intervals.
    pub near: u64,
    /// Hardly followed, or of lives without slots, or their band is over.
    pub settled: u64,
}

/// One slot.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotReport {
    /// When it begins.
    pub start: Timestamp,
    /// What it may take: its share of the level, at most its ceiling.
    pub level: f64,
    /// Its forecast before: certificates, unsteered and steered.
    pub before: f64,
    /// Its forecast after.
    pub after: f64,
    /// Windows that left it.
    pub moved_out: u64,
    /// Windows that came to it.
    pub moved_in: u64,
    /// Why.
    pub why: Why,
}

/// Why a slot was touched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// It stood above the level.
    AboveLevel,
    /// Windows in it touched a closed span.
    Closed,
    /// It had room.
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

/// Sums moves up as they are drawn.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    traffic: BTreeMap<i64, Traffic>,
    moved: u64,
}

impl Moves {
    /// A window of a client that follows with the chance `follows` moves from a slot to another.
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

    /// How many windows move.
    #[must_use]
    pub const fn moved(&self) -> u64 {
        self.moved
    }

    /// The outlook with the windows moved.
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

    /// The slots touched.
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
