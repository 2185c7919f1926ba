//! The first pass: counts the affected certificates, and makes a plan from the counts.

use std::collections::BTreeMap;

use super::context::{Groups, PlanningContext, Tally};
use super::plan::{Filled, Plan};
use super::record::Incident;
use super::refusal::Refusal;
use super::rule::{
    Key, Order, Rule, SLOT_SECONDS, Verdict, WINDOW_SECONDS, begin, last_end, slot_from,
};
use super::slots::{Slots, slots_per_hour};
use super::spread::{Group, level, levelled, lowest_level, place_first};

use crate::allocation::band::retry_after_base;
use crate::certificate::Validity;
use crate::math::number::{length, real};
use crate::time::{Span, Timestamp};

/// What happens to a counted certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// It gets a new window.
    Moves,
    /// It keeps its window.
    Stays,
}

/// Counts the affected certificates by the slots they may draw from, without listing them.
///
/// Memory: a group takes 64 bytes. Lifetimes of six days or more share one poll interval, so there
/// are at most 2 × 8,640 such groups within 90 days. Shorter lifetimes have up to 29 earlier first
/// slots.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    rule: Option<Rule>,
    groups: BTreeMap<Key, Tally>,
    urgent: BTreeMap<i64, u64>,
    stays: u64,
}

impl Planner {
    /// A planner with no counts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an affected certificate with its present window. Call it once for each, with the same
    /// context in every call.
    pub fn count(
        &mut self,
        context: &PlanningContext<'_>,
        validity: Validity,
        window: Span,
    ) -> Counted {
        self.count_many(context, validity, window, 1)
    }

    /// Counts several affected certificates with the same dates and window.
    pub fn count_many(
        &mut self,
        context: &PlanningContext<'_>,
        validity: Validity,
        window: Span,
        certificates: u64,
    ) -> Counted {
        let rule = self.rule.get_or_insert_with(|| Rule::new(context));
        match rule.verdict(validity, window) {
            Verdict::Slots(key) => {
                let last = validity.not_after;
                let tally = self.groups.entry(key).or_insert(Tally { count: 0, last });
                tally.count += certificates;
                tally.last = tally.last.max(last);
                match rule.order {
                    Order::Deadline(renew_by) if key.moves_until <= last_end(renew_by) => {
                        Counted::Stays
                    }
                    _ => Counted::Moves,
                }
            }
            Verdict::Stays => {
                self.stays += certificates;
                Counted::Stays
            }
            Verdict::Urgent(_) => {
                let base = retry_after_base(context.policy, validity.life_seconds());
                // Rounded up to a slot, because the time of the next poll is not known more
                // precisely.
                let polls = (base + SLOT_SECONDS - 1) / SLOT_SECONDS;
                *self.urgent.entry(polls).or_default() += certificates;
                Counted::Moves
            }
        }
    }

    /// The plan for the counted certificates.
    ///
    /// # Errors
    /// [`Refusal`] if the budget and the deadline of a revocation or drill cannot both be kept.
    pub fn plan(self, context: &PlanningContext<'_>) -> Result<Plan, Refusal> {
        let rule = self.rule.clone().unwrap_or_else(|| Rule::new(context));
        if let Order::Urgent(_) = rule.order {
            return Ok(Plan::urgent(rule, context, &self.urgent, self.stays));
        }
        let filled = if let Order::Deadline(renew_by) = rule.order {
            self.by_deadline(&rule, context, renew_by)?
        } else {
            let (groups, _) = self.groups_before(i64::MAX - 1);
            let slots = Slots::new(&rule, context, &ranges(&groups));
            let placed = level(&slots, &on(&slots, &groups));
            Filled {
                groups,
                slots,
                placed,
            }
        };
        Ok(Plan::new(rule, context, &filled, self.stays))
    }

    fn by_deadline(
        &self,
        rule: &Rule,
        context: &PlanningContext<'_>,
        renew_by: Timestamp,
    ) -> Result<Filled, Refusal> {
        let (groups, left_out) = self.groups_before(last_end(renew_by));
        let slots = Slots::new(rule, context, &ranges(&groups));
        let counts = on(&slots, &groups);
        let lowest = (left_out == 0)
            .then(|| lowest_level(&slots, &counts))
            .flatten();
        let allowed = allowed_level(context.incident);
        match lowest {
            Some(lowest) if lowest <= allowed => {
                let placed = place_first(&slots, &counts, lowest).unwrap_or_default();
                let placed = levelled(&slots, &counts, placed, lowest);
                Ok(Filled {
                    groups,
                    slots,
                    placed,
                })
            }
            _ => Err(Refusal {
                smallest_budget_per_hour: lowest.map_or(f64::INFINITY, hourly),
                earliest_renew_by: self.earliest_renew_by(
                    rule,
                    context,
                    last_end(renew_by),
                    allowed,
                ),
            }),
        }
    }

    /// The groups that move for a deadline whose slots end at `end`, and how many certificates have
    /// no slot before it.
    fn groups_before(&self, end: i64) -> (Groups, u64) {
        let mut groups = Groups::new();
        let mut left_out = 0;
        for (key, tally) in self.groups.iter().filter(|(key, _)| key.moves_until > end) {
            let end = key.end.min(end);
            if end <= key.first {
                left_out += tally.count;
                continue;
            }
            let group = groups
                .entry((key.first, end))
                .or_insert(Tally { count: 0, ..*tally });
            group.count += tally.count;
            group.last = group.last.max(tally.last);
        }
        (groups, left_out)
    }

    /// The earliest deadline that a level suffices for. With a later deadline fewer certificates
    /// move, and they have more slots.
    fn earliest_renew_by(
        &self,
        rule: &Rule,
        context: &PlanningContext<'_>,
        too_soon: i64,
        allowed: f64,
    ) -> Timestamp {
        let suffices = |end: i64| {
            let (groups, left_out) = self.groups_before(end);
            let slots = Slots::new(rule, context, &ranges(&groups));
            let counts = on(&slots, &groups);
            left_out == 0 && place_first(&slots, &counts, allowed).is_some()
        };
        let mut low = too_soon.max(slot_from(rule.now));
        let mut step = 1;
        let mut high = low + step;
        while !suffices(high) {
            if high >= rule.furthest() {
                return Timestamp::MAX;
            }
            low = high;
            step *= 2;
            high = (high + step).min(rule.furthest());
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if suffices(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        begin(high) + WINDOW_SECONDS
    }
}

/// The highest level that the budget allows, in certificates a slot. Slightly raised, so that the
/// budget named in a refusal suffices despite rounding.
fn allowed_level(incident: &Incident) -> f64 {
    match incident.budget_per_hour {
        Some(budget) if !incident.over_budget => budget / slots_per_hour() * (1.0 + 1e-9),
        // Finite, so that multiplying it by a share of 0 gives 0.
        _ => f64::MAX,
    }
}

fn hourly(level: f64) -> f64 {
    level * slots_per_hour()
}

fn ranges(groups: &Groups) -> Vec<(i64, i64)> {
    groups.keys().copied().collect()
}

/// The groups as ranges of the slots.
fn on(slots: &Slots, groups: &Groups) -> Vec<Group> {
    groups
        .iter()
        .map(|((first, end), tally)| Group {
            range: length(first - slots.first)..length(end - slots.first),
            count: real(i64::try_from(tally.count).unwrap_or(i64::MAX)),
        })
        .collect()
}
