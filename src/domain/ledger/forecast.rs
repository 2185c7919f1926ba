//! The forecast: the load of each future slot, and how much of it is steered.
//!
//! It is the sum that tables are made from (U + G in `docs/allocation.md`), for people to read.
//! Beyond the next renewal of the shortest lifetime, it also counts certificates that have not been
//! issued yet, at the rate of the last week.

use super::promised::Ledger;
use super::unsteered::View;
use crate::demand::announced::announced_and_retries;
use crate::demand::profile::Profile;
use crate::math::number::{length, real, signed};
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{SlotCapacity, over_slots};
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// The default length of a forecast, in hours: a week.
pub const USUAL_HOURS: i64 = 168;

/// The longest forecast, in hours: 60 days, the renewal cycle of 90-day certificates. Most windows
/// lie no further ahead, and a week of learning says little about later times.
const MOST_HOURS: i64 = 1_440;

/// The most slots in a forecast: a week of the shortest ones, 200 KB of JSON.
const MOST_SLOTS: i64 = 2_016;

/// The lifetime assumed if the ledger is empty: that of most public certificates.
const USUAL_LIFE_SECONDS: i64 = 90 * DAY;

/// The load of one CA's future slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// When it was made.
    pub generated_at: Timestamp,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The recent mean load, in certificates a slot: the larger of registered and observed
    /// issuance. `None` if unknown.
    pub mean: Option<f64>,
    /// The slots, starting with the one that contains the present.
    pub slots: Vec<SlotOutlook>,
    /// For each slot, whether the CA fails in it day by day.
    pub failing: Vec<bool>,
}

/// One future slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotOutlook {
    /// Its time.
    pub span: Span,
    /// The expected load.
    pub load: Load,
    /// The CA's capacity.
    pub capacity: SlotCapacity,
}

/// Load by kind, in certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Renewals in windows that have been or will have been assigned by then.
    pub steered: f64,
    /// Everything else: unsteered returns, first issuance, planned events, retries.
    pub unsteered: f64,
}

/// What a forecast is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Horizon<'a> {
    /// The CA's policy.
    pub policy: &'a CaPolicy,
    /// The demand profile.
    pub profile: &'a Profile,
    /// The current time.
    pub now: Timestamp,
}

impl Outlook {
    /// The longest forecast, in hours, with slots of `slot_seconds`.
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
    /// The whole forecast.
    #[must_use]
    pub const fn expected(&self) -> f64 {
        self.steered + self.unsteered
    }
}

impl SlotOutlook {
    /// The share of the slot's ceiling that is left. A load of 900 under a ceiling of 1,000 leaves
    /// 0.1; a negative number means overload. 0 in a closed slot; `None` if there is no ceiling.
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
    /// The slots for the next `hours` hours with their capacity, without load. The first contains
    /// the present.
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

    /// The load in a span.
    #[must_use]
    pub fn load(&self, ledger: &Ledger, span: Span) -> Load {
        let prior = self.policy.follow_prior;
        let view = View {
            now: self.now,
            // Unregistered load is not steered. (An allocation assumes that it will follow like the
            // rest, because it is registered from its next renewal on.)
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

    /// The recent mean load, in certificates a slot; `None` if unknown.
    #[must_use]
    pub fn mean(&self, ledger: &Ledger) -> Option<f64> {
        let registered = ledger.begins().map_or(0.0, |begins| {
            let seconds = (self.now - begins).clamp(DAY, WEEK);
            let span = Span {
                from: self.now - seconds,
                // Certificates issued in the present grain are recorded at the grain's start.
                to: self.now + 1,
            };
            ledger.issued(span) * real(HOUR) / real(seconds)
        });
        let per_hour = self.profile.mean_per_hour().max(registered);
        (per_hour > 0.0).then(|| per_hour * real(self.policy.slot_seconds) / real(HOUR))
    }

    /// The load of the slots for the next `hours` hours.
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

    /// For each slot, whether the CA fails in it day by day.
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
