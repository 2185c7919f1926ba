//! The forecast: the load of each slot ahead, and how much of it is steered.
//!
//! It is the sum that tables are made from (U + G in `docs/allocation.md`), for people. Beyond the
//! shortest life's next renewal it also counts certificates that have not been issued yet, at the
//! rate of the last week.

use super::promised::Ledger;
use super::unsteered::View;
use crate::demand::announced::announced_and_retries;
use crate::demand::profile::Profile;
use crate::math::number::{length, real, signed};
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{SlotCapacity, over_slots};
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// Hours of a forecast by default: a week.
pub const USUAL_HOURS: i64 = 168;

/// The most hours of a forecast: 60 days, the cycle of a life of 90. For most certificates no
/// window lies further ahead, and a week of learning says little about such times.
const MOST_HOURS: i64 = 1_440;

/// The most slots that are told: a week of the shortest ones, 200 KB of JSON.
const MOST_SLOTS: i64 = 2_016;

/// The life of most certificates in public use, where the ledger holds none.
const USUAL_LIFE_SECONDS: i64 = 90 * DAY;

/// The load of the slots ahead, of one CA.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// When it was made.
    pub generated_at: Timestamp,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The mean load of late, in certificates a slot: registered or observed, whichever is more.
    /// `None` where nothing is known.
    pub mean: Option<f64>,
    /// The slots, from the one that holds now.
    pub slots: Vec<SlotOutlook>,
    /// By slot: whether the CA fails in it day by day.
    pub failing: Vec<bool>,
}

/// One slot ahead.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotOutlook {
    /// When it is.
    pub span: Span,
    /// What comes.
    pub load: Load,
    /// What the CA can take.
    pub capacity: SlotCapacity,
}

/// Load by its kind, in certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Renewals in windows that we gave, or will have given by then.
    pub steered: f64,
    /// All else: returns, first issuance, planned events, failures that come again.
    pub unsteered: f64,
}

/// From where the slots ahead are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Horizon<'a> {
    /// The CA.
    pub policy: &'a CaPolicy,
    /// What is known of the week.
    pub profile: &'a Profile,
    /// Now.
    pub now: Timestamp,
}

impl Outlook {
    /// The most hours ahead that are told of slots of `slot_seconds`.
    #[must_use]
    pub const fn most_hours(slot_seconds: i64) -> i64 {
        let hours = MOST_SLOTS * slot_seconds / HOUR;
        if hours < MOST_HOURS {
            hours
        } else {
            MOST_HOURS
        }
    }

    /// The first `hours` hours of it.
    #[must_use]
    pub fn within(&self, hours: i64) -> &[SlotOutlook] {
        let slots = length(hours * HOUR / self.slot_seconds);
        &self.slots[..slots.min(self.slots.len())]
    }
}

impl Load {
    /// All of it.
    #[must_use]
    pub const fn expected(&self) -> f64 {
        self.steered + self.unsteered
    }
}

impl SlotOutlook {
    /// The share of the slot's ceiling that is left: a load of 900 under a ceiling of 1,000 leaves
    /// 0.1; below 0 there is too much. 0 in a closed slot; `None` where there is no ceiling.
    #[must_use]
    pub fn headroom(&self) -> Option<f64> {
        if self.capacity.share <= 0.0 {
            return Some(0.0);
        }
        let ceiling = self.capacity.ceiling?;
        Some(1.0 - self.load.expected() / ceiling)
    }
}

impl Horizon<'_> {
    /// The slots ahead for `hours` hours, with their capacity and without their load, from the one
    /// that holds now.
    #[must_use]
    pub fn slots(&self, hours: i64) -> Vec<SlotOutlook> {
        let seconds = self.policy.slot_seconds;
        let first = Timestamp::from_unix(self.now.slot(seconds) * seconds);
        let count = length(hours * HOUR / seconds);
        over_slots(&self.policy.capacity, first, seconds, count)
            .into_iter()
            .enumerate()
            .map(|(n, capacity)| {
                let from = first + signed(n) * seconds;
                let to = from + seconds;
                SlotOutlook {
                    span: Span { from, to },
                    load: Load::default(),
                    capacity,
                }
            })
            .collect()
    }

    /// The load of a span.
    #[must_use]
    pub fn load(&self, ledger: &Ledger, span: Span) -> Load {
        let prior = self.policy.follow_prior;
        let view = View {
            now: self.now,
            // What is not registered is not steered. (An allocation takes it to follow like the
            // others, because it is registered from its next renewal on.)
            prior: 0.0,
            profile: self.profile,
            life_seconds: ledger.usual_life_seconds().unwrap_or(USUAL_LIFE_SECONDS),
        };
        Load {
            steered: ledger.promised(span) + ledger.mean_follow(prior) * ledger.unborn(span, &view),
            unsteered: ledger.unsteered(span, &view)
                + announced_and_retries(self.policy, self.profile, span),
        }
    }

    /// The mean load of late, in certificates a slot; `None` where nothing is known.
    #[must_use]
    pub fn mean(&self, ledger: &Ledger) -> Option<f64> {
        let registered = ledger.begins().map_or(0.0, |begins| {
            let seconds = (self.now - begins).clamp(DAY, WEEK);
            let span = Span {
                from: self.now - seconds,
                // What was issued in this very grain is booked at its beginning.
                to: self.now + 1,
            };
            ledger.issued(span) * real(HOUR) / real(seconds)
        });
        let per_hour = self.profile.mean_per_hour().max(registered);
        (per_hour > 0.0).then(|| per_hour * real(self.policy.slot_seconds) / real(HOUR))
    }

    /// The load of the slots ahead for `hours` hours.
    #[must_use]
    pub fn outlook(&self, ledger: &Ledger, hours: i64) -> Outlook {
        let mut slots = self.slots(hours);
        for slot in &mut slots {
            slot.load = self.load(ledger, slot.span);
        }
        Outlook {
            generated_at: self.now,
            slot_seconds: self.policy.slot_seconds,
            mean: self.mean(ledger),
            failing: self.failing(&slots),
            slots,
        }
    }

    /// By slot: whether the CA fails in it day by day.
    #[must_use]
    pub fn failing(&self, slots: &[SlotOutlook]) -> Vec<bool> {
        let of_day = self.profile.failing();
        let fails = |slot: &SlotOutlook| {
            let number = slot.span.from.second_of_day() / self.profile.slot_seconds;
            of_day.get(length(number)).copied().unwrap_or(false)
        };
        slots.iter().map(fails).collect()
    }
}
