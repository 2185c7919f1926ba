//! Rebalancing: moves the fewest windows that make the forecast level again
//! (`docs/experiments.md`).
//!
//! Certificates are counted in groups with the same slot, the same range of target slots, and the
//! same probability to follow ([`Group`]). The load above the level, and everything in a closed
//! span, is sent to free slots as a flow through a network (`flow`): directly from a slot above the
//! level to one below, likely followers first, nearest slots first, and beyond the usual band only
//! for the rest. Thus a slot below the level gives no window away, and no certificate moves twice.
//! A group's share of the flow becomes a table from which each of its certificates draws whether
//! and where it moves.

use super::group::{Group, Tally};
use super::outlook::{Outlook, SlotOutlook};
use std::collections::BTreeMap;

use super::flow::Network;

/// A slot counts as above the level if its excess is larger than this share
/// ([`SlotOutlook::excess`](super::SlotOutlook::excess)).
const ABOVE: f64 = 0.05;
/// Free capacity counts from this many standard deviations below the level. Less may be chance, and
/// would be filled again at every rebalance.
const CHANCE_BELOW: f64 = 2.0;
/// The service rebalances automatically if the drift exceeds this.
pub const AUTO_ABOVE_DRIFT: f64 = 0.1;
/// The highest slots are lowered first, in this many steps.
const STEPS: u32 = 4;
/// Ranges widen by half, this many times: 1.5^8 = 25 days, more than a fifth of 90 days.
const WIDENINGS: u32 = 8;
/// A remaining surplus below this share is not worth an earlier renewal.
const LEFT_OVER: f64 = 0.01;

/// The planned moves of load between slots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// For each group, the load that moves to each slot, by slot number. A group's own slot means a
    /// new time in its open part.
    pub moves: BTreeMap<Group, BTreeMap<i64, f64>>,
    /// The surplus that did not fit anywhere.
    pub left_over: f64,
}

/// Plans the moves.
#[must_use]
pub fn plan(outlook: &Outlook, groups: &BTreeMap<Group, Tally>) -> Plan {
    let mut works = FlowPlan::new(outlook, groups);
    works.evacuate();
    works.level();
    works.plan()
}

/// The flow network, and the meaning of its nodes and edges.
struct FlowPlan<'a> {
    outlook: &'a Outlook,
    groups: &'a BTreeMap<Group, Tally>,
    network: Network,
    source: usize,
    sink: usize,
    /// The node at which windows arrive, for each slot.
    arrivals: Vec<usize>,
    /// The load of each slot without what must leave it.
    base: Vec<f64>,
    /// For each group with edges, its node, and its edges by slot.
    ways: BTreeMap<Group, (usize, BTreeMap<i64, usize>)>,
    /// Load that must move although it fits nowhere.
    overflow: BTreeMap<Group, BTreeMap<i64, f64>>,
    left_over: f64,
}

impl<'a> FlowPlan<'a> {
    fn new(outlook: &'a Outlook, groups: &'a BTreeMap<Group, Tally>) -> Self {
        let mut network = Network::default();
        let (source, sink) = (network.node(), network.node());
        let mut base: Vec<f64> = outlook
            .slots
            .iter()
            .map(|slot| slot.unsteered + slot.promised)
            .collect();
        for (group, tally) in groups.iter().filter(|(group, _)| group.must_leave) {
            if let Some(base) = outlook.index(group.from).map(|at| &mut base[at]) {
                *base = (*base - tally.load).max(0.0);
            }
        }
        let arrivals = outlook
            .slots
            .iter()
            .zip(&base)
            .map(|(slot, base)| {
                let node = network.node();
                let room = slot.top - base;
                if slot.share > 0.0 && room > CHANCE_BELOW * slot.top.max(1.0).sqrt() {
                    network.edge(node, sink, room);
                }
                node
            })
            .collect();
        Self {
            outlook,
            groups,
            network,
            source,
            sink,
            arrivals,
            base,
            ways: BTreeMap::new(),
            overflow: BTreeMap::new(),
            left_over: 0.0,
        }
    }

    /// Adds edges from a group to slots, in the order in which they should be tried.
    fn open(&mut self, group: Group, slots: impl Iterator<Item = i64>) {
        let Some((node, edges)) = self.ways.get_mut(&group) else {
            return;
        };
        for slot in slots {
            if let Some(at) = self.outlook.index(slot)
                && self.outlook.slots[at].share > 0.0
            {
                let (from, to) = (*node, self.arrivals[at]);
                let network = &mut self.network;
                edges
                    .entry(slot)
                    .or_insert_with(|| network.edge(from, to, f64::INFINITY));
            }
        }
    }

    /// Moves everything out of closed spans: earlier if there is room, else later, else earlier
    /// than the usual band, else spread evenly over the open slots.
    fn evacuate(&mut self) {
        let leaving: Vec<(Group, f64)> = self
            .groups
            .iter()
            .filter(|(group, _)| group.must_leave)
            .map(|(group, tally)| (*group, tally.weight()))
            .collect();
        let mut sources = Vec::with_capacity(leaving.len());
        for (group, load) in &leaving {
            let node = self.network.node();
            sources.push(self.network.edge(self.source, node, *load));
            self.ways.insert(*group, (node, BTreeMap::new()));
            self.open(*group, (group.first..group.end.min(group.from + 1)).rev());
        }
        self.network.fill(self.source, self.sink);
        for (group, _) in &leaving {
            self.open(*group, group.first.max(group.from)..group.end);
        }
        self.network.fill(self.source, self.sink);
        for (group, _) in &leaving {
            self.open(*group, (group.widest_first..group.first).rev());
        }
        self.network.fill(self.source, self.sink);
        for ((group, load), edge) in leaving.iter().zip(sources) {
            let rest = load - self.network.flow(edge);
            if rest > LEFT_OVER * load {
                self.spread(*group, rest);
            }
            // No more may flow this way.
            self.network.widen(edge, -rest);
        }
    }

    /// Spreads evenly over the open slots of the band, or before it, or after it.
    fn spread(&mut self, group: Group, load: f64) {
        let outlook = self.outlook;
        let share = |slot: i64| {
            outlook
                .index(slot)
                .map_or(0.0, |at| outlook.slots[at].share)
        };
        let ranges = [
            (group.first, group.end),
            (group.widest_first, group.end),
            (group.first, group.latest_end),
        ];
        let open = ranges
            .into_iter()
            .find(|(first, end)| (*first..*end).any(|slot| share(slot) > 0.0));
        let Some((first, end)) = open else {
            self.left_over += load;
            return;
        };
        let total: f64 = (first..end).map(share).sum();
        let moves = self.overflow.entry(group).or_default();
        for slot in (first..end).filter(|slot| share(*slot) > 0.0) {
            *moves.entry(slot).or_default() += load * share(slot) / total;
        }
    }

    /// Lowers the slots above the level, the highest first.
    fn level(&mut self) {
        let mut there: BTreeMap<i64, f64> = BTreeMap::new();
        for (group, tally) in self.groups.iter().filter(|(group, _)| !group.must_leave) {
            *there.entry(group.from).or_default() += tally.load;
        }
        let surplus: BTreeMap<i64, f64> = self
            .outlook
            .slots
            .iter()
            .zip(&self.base)
            .enumerate()
            .filter(|(_, (slot, base))| {
                let left = SlotOutlook {
                    unsteered: **base,
                    promised: 0.0,
                    ..**slot
                };
                left.excess() > ABOVE * slot.top
            })
            .filter_map(|(at, (slot, base))| {
                let number = self.outlook.number(at);
                Some((number, there.get(&number)?.min(base - slot.top)))
            })
            .collect();
        let highest = surplus.values().copied().fold(0.0, f64::max);
        let gates: BTreeMap<i64, (usize, usize)> = surplus
            .keys()
            .map(|&slot| {
                let node = self.network.node();
                (slot, (self.network.edge(self.source, node, 0.0), node))
            })
            .collect();
        let mut movable: Vec<(Group, f64)> = self
            .groups
            .iter()
            .filter(|(group, _)| !group.must_leave && gates.contains_key(&group.from))
            .map(|(group, tally)| (*group, tally.load))
            .collect();
        // One certain follower moves as much load as ten that follow one time in ten.
        movable.sort_by_key(|(group, _)| (group.from, std::cmp::Reverse(group.follows)));
        for (group, load) in &movable {
            let node = self.network.node();
            self.network.edge(gates[&group.from].1, node, *load);
            self.ways.insert(*group, (node, BTreeMap::new()));
            self.open(*group, nearest_first(*group));
        }
        let mut open = BTreeMap::new();
        for step in 1..=STEPS {
            let above = highest * (1.0 - f64::from(step) / f64::from(STEPS));
            for (slot, (gate, _)) in &gates {
                let by: f64 = (surplus[slot] - above).max(0.0);
                let before = open.insert(*slot, by).unwrap_or(0.0);
                self.network.widen(*gate, by - before);
            }
            self.network.fill(self.source, self.sink);
        }
        let total: f64 = surplus.values().sum();
        let rest = |network: &Network| {
            total
                - gates
                    .values()
                    .map(|(gate, _)| network.flow(*gate))
                    .sum::<f64>()
        };
        for widening in 1..=WIDENINGS {
            if rest(&self.network) <= LEFT_OVER * total {
                break;
            }
            for (group, _) in &movable {
                self.open(*group, (group.widened(widening)..group.first).rev());
            }
            self.network.fill(self.source, self.sink);
        }
        self.left_over += rest(&self.network).max(0.0);
    }

    fn plan(self) -> Plan {
        let mut moves = self.overflow;
        for (group, (_, edges)) in &self.ways {
            for (slot, edge) in edges {
                let load = self.network.flow(*edge);
                if load > 1e-6 {
                    *moves.entry(*group).or_default().entry(*slot).or_default() += load;
                }
            }
        }
        Plan {
            moves,
            left_over: self.left_over,
        }
    }
}

/// The other slots of a group's band, nearest first.
fn nearest_first(group: Group) -> impl Iterator<Item = i64> {
    let reach = (group.from - group.first).max(group.end - 1 - group.from);
    (1..=reach)
        .flat_map(move |distance| [group.from - distance, group.from + distance])
        .filter(move |slot| (group.first..group.end).contains(slot))
}

#[cfg(test)]
mod tests;
