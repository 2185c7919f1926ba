//! The ranking document, `ranking.json`: relative numbers only, the same bytes for the same input.

use super::prior;
use super::weights::MILLION;
use crate::demand::profile::{Basis, Evidence, Profile};
use crate::math::number::{signed, thousandths};
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{CapacityRule, When, closed_within, merged, over_slots};
use crate::policy::note::{PublishedNote, current};
use crate::time::{DAY, MINUTE, Span, Timestamp, clock};

mod details;
mod document;
mod figures;
mod limit;

use document::{Avoid, Document, Overlay, Peak, Slot, WeekEntry};
use figures::Figures;
pub use limit::MOST_MOVE;

/// Closed spans are published this far ahead.
const AVOID_SECONDS: i64 = 30 * DAY;
/// At most this many closed spans are published. That is enough for one each night over three
/// months, or for one each hour over four days.
const MOST_AVOIDED: usize = 100;

/// Capacity is published for parts of the day as long as the shortest slot, so that it does not
/// depend on the slot length.
const PART_SECONDS: i64 = 5 * MINUTE;
/// The number of parts: 86,400 / 300.
const PARTS: usize = 288;

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// When a document is made, and how long it is valid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Times {
    /// When it is made.
    pub generated_at: Timestamp,
    /// When the next one is due.
    pub next_update: Timestamp,
    /// Until when it is valid.
    pub valid_until: Timestamp,
}

impl Times {
    /// Made at `now`, to be replaced after `interval_seconds`, and valid for one more interval, so
    /// that one publication may fail.
    #[must_use]
    pub fn new(now: Timestamp, interval_seconds: i64) -> Self {
        Self {
            generated_at: now,
            next_update: now + interval_seconds,
            valid_until: now + interval_seconds + interval_seconds,
        }
    }
}

/// The document of a CA. After the publication `before`, no weight moves by more than [`MOST_MOVE`].
#[must_use]
pub fn rank(before: Option<&[u8]>, profile: &Profile, policy: &CaPolicy, times: &Times) -> Vec<u8> {
    let from = day_begin(times.generated_at);
    let capacity = daily_capacity(&policy.capacity, from);
    Subject {
        ca: Some(policy.name.as_str()),
        environment: &policy.environment,
        profile,
        figures: Figures::of(profile, &capacity, policy.steerable_share),
        avoid: avoided(&[policy], ahead(times)),
        notes: notes([(policy, profile)].into_iter(), times),
        objective: policy.objective,
    }
    .document(before, times)
}

/// The combined document of several CAs, with `"ca": null`, for readers who do not know or say
/// which CA they use. Profiles are combined by [`Profile::combine`]; capacity and steerable share
/// are also weighted by volume. A span is to be avoided if any of the CAs is closed in it.
/// `before` as for [`rank`].
#[must_use]
pub fn rank_together(
    before: Option<&[u8]>,
    cas: &[(&CaPolicy, &Profile)],
    environment: &str,
    times: &Times,
) -> Vec<u8> {
    let profiles: Vec<&Profile> = cas.iter().map(|(_, profile)| *profile).collect();
    let profile = Profile::combine(&profiles);
    let from = day_begin(times.generated_at);
    let all: f64 = profiles.iter().map(|p| p.mean_per_hour()).sum();
    let share = |of: &Profile| match all {
        0.0 => 1.0 / f64::from(u32::try_from(cas.len()).unwrap_or(u32::MAX)),
        all => of.mean_per_hour() / all,
    };
    let mut capacity = vec![0.0; PARTS];
    for (policy, of) in cas {
        let own = daily_capacity(&policy.capacity, from);
        for (sum, own) in capacity.iter_mut().zip(own) {
            *sum += share(of) * own;
        }
    }
    let policies: Vec<&CaPolicy> = cas.iter().map(|(policy, _)| *policy).collect();
    let steerable_share = cas
        .iter()
        .map(|(policy, of)| share(of) * policy.steerable_share)
        .sum();
    Subject {
        ca: None,
        environment,
        profile: &profile,
        figures: Figures::of(&profile, &capacity, steerable_share),
        avoid: avoided(&policies, ahead(times)),
        notes: notes(cas.iter().copied(), times),
        objective: details::strictest(cas.iter().map(|(policy, _)| policy.objective)),
    }
    .document(before, times)
}

struct Subject<'a> {
    ca: Option<&'a str>,
    environment: &'a str,
    profile: &'a Profile,
    figures: Figures,
    avoid: Vec<Avoid>,
    notes: Vec<PublishedNote>,
    objective: Option<f64>,
}

impl Subject<'_> {
    fn document(mut self, before: Option<&[u8]>, times: &Times) -> Vec<u8> {
        self.figures.limit(before, times.generated_at);
        let order = self.order();
        let document = Document {
            schema_version: "1.1",
            model_version: &self.profile.version,
            ca: self.ca,
            environment: self.environment,
            generated_at: times.generated_at,
            data_from: self.profile.data.map(|data| data.from),
            data_through: self.profile.data.map(|data| data.to),
            next_update: prior::held(self.profile, times.next_update),
            valid_until: prior::held(self.profile, times.valid_until),
            time_zone: "UTC",
            slot_minutes: self.profile.slot_seconds / MINUTE,
            unit: "relative, mean 1.0",
            peak: self.peak(),
            quietest: self.quietest(&order),
            slots: self.slots(&order),
            week: self.week(),
            minutes: self
                .profile
                .minutes
                .as_ref()
                .map(|minutes| minutes.iter().map(|m| thousandths(*m)).collect()),
            overlays: self.overlays(),
            avoid: &self.avoid,
            notes: &self.notes,
            basis: self.profile.basis.map(Basis::name),
            sync_index: self.profile.sync_index.map(thousandths),
            peak_history: details::peak_history(&self.profile.peaks),
            advice: "Draw a slot by weight, then a second in it at random. Do not all use rank 1.",
        };
        // Numbers are finite and keys are text, so this cannot fail.
        let mut bytes = serde_json::to_vec(&document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The known slots by index, quietest first. Ordered by the published coefficients, so that a
    /// reader can repeat it; ties go to the earlier slot. Slots that are closed every day come
    /// last, because no client should be sent there.
    fn order(&self) -> Vec<usize> {
        let closed = &self.figures.closed;
        let mut order = self.known();
        order.sort_by(|a, b| {
            let of = |slot: usize| self.figures.of_day(slot);
            closed[*a]
                .cmp(&closed[*b])
                .then(of(*a).total_cmp(&of(*b)))
                .then(a.cmp(b))
        });
        order
    }

    fn is_known(&self, slot: usize) -> bool {
        self.profile.day[slot].evidence == Evidence::Sufficient
    }

    fn known(&self) -> Vec<usize> {
        let slots = 0..self.profile.slots_per_day();
        slots.filter(|slot| self.is_known(*slot)).collect()
    }

    fn peak(&self) -> Option<Peak> {
        let coefficient = |slot: usize| self.figures.of_day(slot);
        let peak = self.known().into_iter().reduce(|peak, slot| {
            if coefficient(slot) > coefficient(peak) {
                slot
            } else {
                peak
            }
        })?;
        Some(Peak {
            start: self.start_of(peak),
            coefficient: coefficient(peak),
        })
    }

    fn quietest(&self, order: &[usize]) -> Vec<String> {
        let open = order.iter().filter(|slot| !self.figures.closed[**slot]);
        open.take(3).map(|slot| self.start_of(*slot)).collect()
    }

    fn slots(&self, order: &[usize]) -> Vec<Slot> {
        let mut ranks = vec![None; self.figures.weights.len()];
        for (place, slot) in order.iter().enumerate() {
            ranks[*slot] = Some(place + 1);
        }
        self.profile
            .day
            .iter()
            .enumerate()
            .map(|(number, slot)| {
                let known = |value: f64| self.is_known(number).then_some(value);
                let coefficient = self.figures.of_day(number);
                Slot {
                    start: self.start_of(number),
                    end: self.start_of(number + 1),
                    coefficient: known(coefficient),
                    weight: f64::from(self.figures.weights[number]) / f64::from(MILLION),
                    rank: ranks[number],
                    index: known(coefficient).map(index),
                    failure_rate: slot.failures.map(|rate| thousandths(rate.share)),
                    coverage: thousandths(slot.coverage),
                    samples: slot.samples,
                    // Rounding may shift a coefficient out of its interval by a thousandth.
                    low: known(thousandths(slot.low).min(coefficient)),
                    high: known(thousandths(slot.high).max(coefficient)),
                    retry_share: slot.retry_share.map(thousandths),
                    latency_p95_ms: slot.latency_p95_ms.map(thousandths),
                    slo_met: details::objective_met(self.objective, slot.failures),
                    failing: self.figures.failing[number].then_some(true),
                    dimensions: details::dimensions(&self.profile.parts.dimensions, number),
                    insufficient_data: insufficient(slot.evidence),
                }
            })
            .collect()
    }

    fn week(&self) -> Vec<WeekEntry> {
        let slots = self.profile.slots_per_day();
        self.profile
            .week
            .iter()
            .enumerate()
            .map(|(number, slot)| WeekEntry {
                day: DAYS[number / slots],
                start: self.start_of(number % slots),
                coefficient: (slot.evidence == Evidence::Sufficient)
                    .then(|| self.figures.of_week(number)),
                insufficient_data: insufficient(slot.evidence),
            })
            .collect()
    }

    fn overlays(&self) -> Vec<Overlay> {
        self.profile
            .first_of_month
            .filter(crate::demand::profile::Factor::stands_out)
            .map(|factor| Overlay {
                when: "dayOfMonth=1",
                factor: thousandths(factor.value),
            })
            .into_iter()
            .collect()
    }

    fn start_of(&self, slot: usize) -> String {
        clock(signed(slot) * self.profile.slot_seconds)
    }
}

/// When any of these CAs is closed, and why; in order.
fn avoided(policies: &[&CaPolicy], ahead: Span) -> Vec<Avoid> {
    let rules: Vec<CapacityRule> = policies
        .iter()
        .flat_map(|policy| policy.capacity.iter().cloned())
        .collect();
    let closed = closed_within(&rules, ahead);
    let outages = merged(
        policies
            .iter()
            .flat_map(|policy| policy.outages.clone())
            .collect(),
    );
    let planned = closed.iter().flat_map(|span| span.outside(&outages));
    let down = outages.iter().filter(|span| span.to > ahead.from);
    let details = |reason| {
        move |span: Span| Avoid {
            from: span.from,
            to: span.to,
            reason,
        }
    };
    let mut avoid: Vec<Avoid> = planned
        .map(details("maintenance"))
        .chain(down.copied().map(details("outage")))
        .collect();
    avoid.sort_by_key(|span| span.from);
    avoid.truncate(MOST_AVOIDED);
    avoid
}

/// The capacity that recurs daily, in [`PARTS`] of the day: the mean over the week from `from`.
fn daily_capacity(rules: &[CapacityRule], from: Timestamp) -> Vec<f64> {
    let recurring: Vec<CapacityRule> = rules
        .iter()
        .filter(|rule| matches!(rule.when, When::Recurring { .. }))
        .cloned()
        .collect();
    let week = over_slots(&recurring, from, PART_SECONDS, 7 * PARTS);
    (0..PARTS)
        .map(|part| {
            let days = (0..7).map(|day| week[day * PARTS + part].share);
            days.sum::<f64>() / 7.0
        })
        .collect()
}

/// The operators' notes, plus a note if a ranking was filled from another server's.
fn notes<'a>(
    cas: impl Iterator<Item = (&'a CaPolicy, &'a Profile)> + Clone,
    times: &Times,
) -> Vec<PublishedNote> {
    let labels = cas.clone().filter_map(|(_, profile)| {
        Some(PublishedNote {
            from: times.generated_at,
            to: prior::held(profile, times.valid_until),
            text: prior::label(profile)?,
        })
    });
    let noted = cas.flat_map(|(policy, _)| &policy.notes);
    labels.chain(current(noted, times.generated_at)).collect()
}

fn day_begin(at: Timestamp) -> Timestamp {
    at - at.second_of_day()
}

fn ahead(times: &Times) -> Span {
    Span {
        from: times.generated_at,
        to: times.generated_at + AVOID_SECONDS,
    }
}

fn insufficient(evidence: Evidence) -> Option<bool> {
    (evidence == Evidence::Insufficient).then_some(true)
}

const fn index(coefficient: f64) -> &'static str {
    if coefficient < 0.5 {
        "very low"
    } else if coefficient < 0.8 {
        "low"
    } else if coefficient < 1.2 {
        "moderate"
    } else if coefficient < 1.6 {
        "high"
    } else {
        "very high"
    }
}

#[cfg(test)]
mod tests;
