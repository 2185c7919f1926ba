//! The content of a profile: the load by slot of the day and of the week, and its precision.

use std::collections::BTreeMap;

use super::grid::is_first_of_month;
use super::peaks::PeakChange;
use crate::demand::breakdown::Slots;
use crate::demand::retries::RetryBacklog;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// How unsteered load is spread over the week, relative to its mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The algorithm's version and a hash of what it found: equal profiles have equal versions.
    pub version: String,
    /// The slots of the day, from 00:00 UTC: the means of the days of `week`.
    pub day: Vec<DaySlot>,
    /// The slots of the week, from Monday 00:00 UTC. Their coefficients have the mean 1.
    pub week: Vec<WeekSlot>,
    /// The days of the week, from Monday, relative to their mean; `None` where unknown.
    pub weekdays: [Option<f64>; 7],
    /// The minutes of the hour, relative to their mean; `None` where unknown.
    pub minutes: Option<Vec<f64>>,
    /// The first day of a month, relative to other days of its weekday; `None` where unknown.
    pub first_of_month: Option<Factor>,
    /// How much there is of it, lately; `None` where nothing was seen lately.
    pub volume: Option<Volume>,
    /// The level of the last days relative to `volume`: what the forecast goes by, and no window.
    pub level: f64,
    /// What failed of late and will come again. It is no part of the version: it passes in a day.
    pub carry_over: RetryBacklog,
    /// Whether recent reports are of requests or of their results; `None` without reports.
    pub basis: Option<Basis>,
    /// The share of requests that come in the first half minute of an hour; `None` where no source tells
    /// seconds apart. 0.008 is what comes at random.
    pub sync_index: Option<f64>,
    /// What was told by slot of each dimension, endpoint and error type, of one CA.
    pub parts: Parts,
    /// How the busiest hour of the day has moved, oldest first.
    pub peaks: Vec<PeakChange>,
    /// From the first to the last instant at which a source that tells volume was alive.
    pub data: Option<Span>,
    /// The same in the next longer slots, up to an hour, without what failed of late: where something
    /// is known of a longer slot, the mean of its parts is its coefficient. `None` where slots are an
    /// hour long.
    pub longer: Option<Box<Self>>,
    /// Whose ranking this is, where nothing is known of one's own load.
    pub prior: Option<Lent>,
}

/// Another's ranking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lent {
    /// Whose it is.
    pub by: String,
    /// Until when it may be used.
    pub until: Timestamp,
}

/// What was told of the load by label, each by slot of the day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// By dimension, as sources name them.
    pub dimensions: BTreeMap<String, Slots>,
    /// By ACME endpoint.
    pub endpoints: BTreeMap<String, Slots>,
    /// By ACME error type.
    pub error_types: BTreeMap<String, Slots>,
}

/// A slot of the day.
#[derive(Clone, Debug, PartialEq)]
pub struct DaySlot {
    /// Demand relative to the mean. Where unknown: that of the longer slot that it is part of, 1 where
    /// that is unknown too.
    pub coefficient: f64,
    /// Whether there is enough data to publish it.
    pub evidence: Evidence,
    /// The lower end of the coefficient's 95 % interval.
    pub low: f64,
    /// The upper end of the coefficient's 95 % interval.
    pub high: f64,
    /// Covered days.
    pub samples: u32,
    /// The share of the slot's minutes in which a source was alive, since the first was; recent
    /// days count more.
    pub coverage: f64,
    /// The share of attempts that fail; `None` where no source tells.
    pub failures: Option<Rate>,
    /// Median latency in milliseconds; `None` where no source tells.
    pub latency_ms: Option<f64>,
    /// 95th percentile of latency in milliseconds; `None` where no source tells.
    pub latency_p95_ms: Option<f64>,
    /// The share of attempts that are taken to be retries of what failed before, 0 to 1, over the last
    /// two weeks; `None` where no source tells of failures.
    pub retry_share: Option<f64>,
}

/// What the load that a profile tells of is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Requests, whatever came of them.
    Demand,
    /// Certificates issued, times the requests that stand behind each by hour of the week, as a source that told
    /// both has shown.
    Estimated,
    /// Certificates issued: what failed is not in it, so busy hours may look calmer than they are.
    Issuance,
}

/// A slot of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekSlot {
    /// Demand relative to the mean. Where there is not enough data for this slot itself: the
    /// product of its slot of the day and its day of the week, each 1 where unknown.
    pub coefficient: f64,
    /// Whether there is enough data to publish it.
    pub evidence: Evidence,
    /// The lower end of the coefficient's 95 % interval.
    pub low: f64,
    /// The upper end of the coefficient's 95 % interval.
    pub high: f64,
    /// Covered days.
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
    /// Days that it was seen on.
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
    /// Attempts seen.
    pub samples: f64,
}

/// The mean volume of the last [`Profile::VOLUME_DAYS`] days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// Events per hour, steered ones too.
    pub per_hour: f64,
    /// Events per hour that nobody steered.
    pub unsteered_per_hour: f64,
}

impl Profile {
    /// The days whose mean is the volume: two whole weeks, the half-life.
    pub const VOLUME_DAYS: i64 = 14;

    /// From when on the volume counts that is learned at `now`: whole days, and the present one.
    #[must_use]
    pub const fn volume_from(now: Timestamp) -> Timestamp {
        Timestamp::from_unix((now.slot(DAY) - Self::VOLUME_DAYS) * DAY)
    }

    /// The coefficient of the slot of the week that holds `at`, with the factor of the first of
    /// the month where that stands out from chance; 1 where nothing is known.
    #[must_use]
    pub fn coefficient_at(&self, at: Timestamp) -> f64 {
        let slot = at.second_of_week() / self.slot_seconds;
        let coefficient = usize::try_from(slot)
            .ok()
            .and_then(|slot| self.week.get(slot))
            .map_or(1.0, |slot| slot.coefficient);
        coefficient * self.overlay_at(at)
    }

    /// What the date does to the load at `at`, apart from its weekday: the factor of the first of
    /// the month, where that stands out from chance; else 1.
    #[must_use]
    pub fn overlay_at(&self, at: Timestamp) -> f64 {
        match self.first_of_month {
            Some(factor) if factor.stands_out() && is_first_of_month(at) => factor.value,
            _ => 1.0,
        }
    }

    /// Total events per hour of late, 0 where nothing was seen.
    #[must_use]
    pub fn mean_per_hour(&self) -> f64 {
        self.volume.map_or(0.0, |volume| volume.per_hour)
    }

    /// The events that are expected in an hour at `at`, of all that is not registered: the profile at the
    /// level of the last days.
    #[must_use]
    pub fn foretold_per_hour(&self, at: Timestamp) -> f64 {
        self.level * self.mean_per_hour() * self.coefficient_at(at)
    }

    /// The same profile at the level of the last days, which a forecast goes by.
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

    /// Whether a slot of the day has enough data, or a longer one that it is part of.
    #[must_use]
    pub fn is_told(&self, slot: usize) -> bool {
        let of_longer = |longer: &Self| {
            let parts = self.slots_per_day() / longer.slots_per_day();
            longer.is_told(slot / parts)
        };
        self.day[slot].evidence == Evidence::Sufficient
            || self.longer.as_deref().is_some_and(of_longer)
    }

    /// Slots in a day.
    #[must_use]
    pub const fn slots_per_day(&self) -> usize {
        self.day.len()
    }

    /// The coefficients of the slots of the week; `None` where nothing is known of them.
    pub(super) fn told_week(&self) -> Vec<Option<f64>> {
        let slots = self.week.iter().enumerate();
        let is_told = |at: usize| self.is_told(at % self.slots_per_day());
        slots
            .map(|(at, slot)| is_told(at).then_some(slot.coefficient))
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
