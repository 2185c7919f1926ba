//! The content of a profile: the load by slot of the day and of the week, and its precision.

use std::collections::BTreeMap;

use super::grid::is_first_of_month;
use super::peaks::PeakChange;
use crate::demand::breakdown::Slots;
use crate::demand::retries::RetryBacklog;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// How unsteered load is distributed over the week, relative to its mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The version of the algorithm and a hash of the result: equal profiles have equal versions.
    pub version: String,
    /// The slots of the day, from 00:00 UTC: the means over the days of `week`.
    pub day: Vec<DaySlot>,
    /// The slots of the week, from Monday 00:00 UTC. The mean of their coefficients is 1.
    pub week: Vec<WeekSlot>,
    /// The days of the week, from Monday, relative to their mean; `None` where unknown.
    pub weekdays: [Option<f64>; 7],
    /// The minutes of the hour, relative to their mean; `None` where unknown.
    pub minutes: Option<Vec<f64>>,
    /// The first day of a month, relative to other days of its weekday; `None` where unknown.
    pub first_of_month: Option<Factor>,
    /// The recent volume; `None` if nothing was counted recently.
    pub volume: Option<Volume>,
    /// The level of the last days relative to `volume`. Forecasts use it, windows do not.
    pub level: f64,
    /// Recent failures that will be requested again. They are not part of the version, because they are
    /// over in a day.
    pub carry_over: RetryBacklog,
    /// Whether recent counts are of requests or of their results; `None` without recent counts.
    pub basis: Option<Basis>,
    /// The share of requests that come in the first half minute of an hour; `None` if no source reports
    /// it. Requests at random times have a share of 0.008.
    pub sync_index: Option<f64>,
    /// The load by slot of each dimension, endpoint and error type; only in profiles of one CA.
    pub parts: Parts,
    /// How the busiest hour of the day has moved, oldest first.
    pub peaks: Vec<PeakChange>,
    /// The first and last instant at which a source that reports volume was alive.
    pub data: Option<Span>,
    /// The same in the next longer slots, up to an hour, without recent failures. If a longer slot is
    /// known, the mean of its parts equals its coefficient. `None` if slots are an hour long.
    pub longer: Option<Box<Self>>,
    /// The ranking of another CA that is used if nothing is known of this one's load.
    pub prior: Option<Lent>,
}

/// A ranking taken from another CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lent {
    /// The name of that CA.
    pub by: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

/// The load by label, each by slot of the day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// By dimension, as the sources name them.
    pub dimensions: BTreeMap<String, Slots>,
    /// By ACME endpoint.
    pub endpoints: BTreeMap<String, Slots>,
    /// By ACME error type.
    pub error_types: BTreeMap<String, Slots>,
}

/// A slot of the day.
#[derive(Clone, Debug, PartialEq)]
pub struct DaySlot {
    /// Demand relative to the mean. If unknown, that of the longer slot that contains it; 1 if that is
    /// unknown, too.
    pub coefficient: f64,
    /// Whether there is enough data to publish it.
    pub evidence: Evidence,
    /// The lower end of the coefficient's 95 % interval.
    pub low: f64,
    /// The upper end of the coefficient's 95 % interval.
    pub high: f64,
    /// The number of covered days.
    pub samples: u32,
    /// The share of the slot's minutes in which a source was alive, since the first data; recent days
    /// count more.
    pub coverage: f64,
    /// The share of attempts that fail; `None` if no source reports it.
    pub failures: Option<Rate>,
    /// Median latency in milliseconds; `None` if no source reports it.
    pub latency_ms: Option<f64>,
    /// 95th percentile of latency in milliseconds; `None` if no source reports it.
    pub latency_p95_ms: Option<f64>,
    /// The share of attempts that are probably retries, 0 to 1, over the last two weeks; `None` if no
    /// source reports failures.
    pub retry_share: Option<f64>,
}

/// What is counted in the load of a profile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Requests, whatever their result.
    Demand,
    /// Requests estimated from certificates: multiplied by the attempts per certificate of the hour of
    /// the week, as learned from a source that reported both.
    Estimated,
    /// Certificates issued. Failures are not included, so busy hours may look quieter than they are.
    Issuance,
}

impl Basis {
    /// Its name in the ranking.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Estimated => "estimated",
            Self::Issuance => "issuance",
        }
    }
}

/// A slot of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekSlot {
    /// Demand relative to the mean. Without enough data for this slot, the product of its slot of the
    /// day and its day of the week, each 1 if unknown.
    pub coefficient: f64,
    /// Whether there is enough data to publish it.
    pub evidence: Evidence,
    /// The lower end of the coefficient's 95 % interval.
    pub low: f64,
    /// The upper end of the coefficient's 95 % interval.
    pub high: f64,
    /// The number of covered days.
    pub samples: u32,
}

/// Whether there is enough data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// Not enough: published as `insufficientData`.
    Insufficient,
    /// Enough.
    Sufficient,
}

/// A relative number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    /// The number.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// The number of days on which it was measured.
    pub samples: u32,
}

/// A share with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The share, 0 to 1; recent days count more.
    pub share: f64,
    /// The interval's lower end (Wilson).
    pub low: f64,
    /// The interval's upper end (Wilson).
    pub high: f64,
    /// The number of attempts.
    pub samples: f64,
}

/// The mean volume of the last [`Profile::VOLUME_DAYS`] days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// Events per hour, steered ones included.
    pub per_hour: f64,
    /// Unsteered events per hour.
    pub unsteered_per_hour: f64,
}

impl Profile {
    /// How many days the volume is averaged over: two whole weeks, the half-life.
    pub const VOLUME_DAYS: i64 = 14;

    /// The beginning of the days over which the volume learned at `now` is averaged: whole days, and
    /// the current one.
    #[must_use]
    pub const fn volume_from(now: Timestamp) -> Timestamp {
        Timestamp::from_unix((now.slot(DAY) - Self::VOLUME_DAYS) * DAY)
    }

    /// The coefficient of the slot of the week that contains `at`, with the factor of the first of the
    /// month if that is significant; 1 if nothing is known.
    #[must_use]
    pub fn coefficient_at(&self, at: Timestamp) -> f64 {
        let slot = at.second_of_week() / self.slot_seconds;
        let coefficient = usize::try_from(slot)
            .ok()
            .and_then(|slot| self.week.get(slot))
            .map_or(1.0, |slot| slot.coefficient);
        coefficient * self.overlay_at(at)
    }

    /// The factor of the date of `at`, apart from its weekday: that of the first of the month if it is
    /// significant, else 1.
    #[must_use]
    pub fn overlay_at(&self, at: Timestamp) -> f64 {
        match self.first_of_month {
            Some(factor) if factor.stands_out() && is_first_of_month(at) => factor.value,
            _ => 1.0,
        }
    }

    /// Recent events per hour, steered ones included; 0 if nothing was counted.
    #[must_use]
    pub fn mean_per_hour(&self) -> f64 {
        self.volume.map_or(0.0, |volume| volume.per_hour)
    }

    /// The expected events per hour at `at` of everything that is not registered: the profile at the
    /// level of the last days.
    #[must_use]
    pub fn forecast_per_hour(&self, at: Timestamp) -> f64 {
        self.level * self.mean_per_hour() * self.coefficient_at(at)
    }

    /// The same profile at the level of the last days, which forecasts use.
    #[must_use]
    pub fn at_level(&self) -> Self {
        let at_level = |volume: Volume| Volume {
            per_hour: self.level * volume.per_hour,
            unsteered_per_hour: self.level * volume.unsteered_per_hour,
        };
        Self {
            volume: self.volume.map(at_level),
            level: 1.0,
            ..self.clone()
        }
    }

    /// Whether any slot of the day has enough data.
    #[must_use]
    pub fn knows_anything(&self) -> bool {
        self.day
            .iter()
            .any(|slot| slot.evidence == Evidence::Sufficient)
    }

    /// Whether a slot of the day, or a longer one that contains it, has enough data.
    #[must_use]
    pub fn is_known(&self, slot: usize) -> bool {
        let of_longer = |longer: &Self| {
            let parts = self.slots_per_day() / longer.slots_per_day();
            longer.is_known(slot / parts)
        };
        self.day[slot].evidence == Evidence::Sufficient
            || self.longer.as_deref().is_some_and(of_longer)
    }

    /// Slots in a day.
    #[must_use]
    pub const fn slots_per_day(&self) -> usize {
        self.day.len()
    }

    /// The coefficients of the slots of the week; `None` if unknown.
    pub(super) fn known_week(&self) -> Vec<Option<f64>> {
        let slots = self.week.iter().enumerate();
        let is_known = |at: usize| self.is_known(at % self.slots_per_day());
        slots
            .map(|(at, slot)| is_known(at).then_some(slot.coefficient))
            .collect()
    }
}

impl Factor {
    /// Whether its 95 % interval excludes 1.
    #[must_use]
    pub fn stands_out(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }
}

/// Slots in a week of slots of `slot_seconds`.
pub(super) const fn week_slots(slot_seconds: i64) -> i64 {
    WEEK / slot_seconds
}

/// How many slots make an hour.
#[expect(clippy::cast_precision_loss, reason = "12 at most")]
pub(super) const fn slots_per_hour(slots_per_day: usize) -> f64 {
    slots_per_day as f64 / (DAY / HOUR) as f64
}
