//! The demand profile: how unsteered load is spread over the week.
//!
//! [`Profile::learn`] cuts a series into slots (`grid`), finds the factors of the slots of the
//! day and of the days of the week, and what each slot of the week has of its own (`fit`),
//! robustly (`robust`), and weighs the two (`weigh`). Slots shorter than an hour are shares of the
//! longer ones (`nested`).

use super::retries::RetryBacklog;
use super::series::Series;
use super::series::reading::Reader;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};
use fit::Fit;
use grid::{Grid, is_first_of_month};

mod combine;
mod fit;
mod grid;
mod nested;
mod rates;
mod robust;
mod version;
mod volume;
mod weigh;

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
    /// What failed of late and will come again. It is no part of the version: it passes in a day.
    pub carry_over: RetryBacklog,
    /// From the first to the last instant at which a source that tells volume was alive.
    pub data: Option<Span>,
    /// The same in the next longer slots, up to an hour, without what failed of late: where something
    /// is known of a longer slot, the mean of its parts is its coefficient. `None` where slots are an
    /// hour long.
    pub longer: Option<Box<Self>>,
    /// Whose ranking this is, where nothing is known of one's own load.
    pub prior: Option<String>,
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

    /// Learns from a series what load to expect in slots of `slot_seconds` (3600, 1800, 900 or
    /// 300). Nothing after `now` is looked at, and nothing within `excluded` (the hours of
    /// incidents). The same arguments give the same profile, bit for bit.
    #[must_use]
    pub fn learn(series: &Series, now: Timestamp, slot_seconds: i64, excluded: &[Span]) -> Self {
        Self {
            carry_over: RetryBacklog::learn(series, now, excluded),
            ..Self::in_slots(series, now, slot_seconds, excluded)
        }
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

    /// Several CAs' profiles as one: each slot's coefficient is what all of them together expect
    /// there, so each counts by its mean volume; a CA that does not know a slot is taken to be at
    /// its mean there, and the slot is known where those that know it have half of the volume.
    /// Where no volume is known, all count alike. The slots are the longest of any.
    #[must_use]
    pub fn combine(profiles: &[&Self]) -> Self {
        combine::combine(profiles)
    }

    /// The coefficients of the slots of the week; `None` where nothing is known of them.
    fn told_week(&self) -> Vec<Option<f64>> {
        let slots = self.week.iter().enumerate();
        let is_told = |at: usize| self.is_told(at % self.slots_per_day());
        slots
            .map(|(at, slot)| is_told(at).then_some(slot.coefficient))
            .collect()
    }

    fn in_slots(series: &Series, now: Timestamp, slot_seconds: i64, excluded: &[Span]) -> Self {
        let longer = nested::longer(slot_seconds)
            .map(|seconds| Self::in_slots(series, now, seconds, excluded));
        let reader = Reader::new(series, now, slot_seconds, excluded);
        let grid = Grid::read(&reader, now, slot_seconds);
        let fit = Fit::of(&grid);
        let mut weighed = weigh::weigh(&grid, &fit);
        if let Some(longer) = &longer {
            weighed.nest(&longer.told_week());
        }
        let day = weigh::days(&grid, &fit, &weighed, now);
        let mut profile = match longer {
            // What is no matter of slots is the same in slots of any length.
            Some(longer) => Self {
                slot_seconds,
                day,
                week: weighed.slots,
                longer: Some(Box::new(longer.clone())),
                ..longer
            },
            None => Self {
                slot_seconds,
                version: String::new(),
                day,
                weekdays: weigh::weekdays(&grid, &fit),
                minutes: rates::minutes(&grid),
                first_of_month: weigh::first_of_month(&grid, &fit),
                volume: volume::volume(&grid, &fit, &weighed.slots, now),
                carry_over: RetryBacklog::default(),
                data: grid.data,
                week: weighed.slots,
                longer: None,
                prior: None,
            },
        };
        profile.version = version::version(&profile);
        profile
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
const fn week_slots(slot_seconds: i64) -> i64 {
    WEEK / slot_seconds
}

/// How many slots make an hour.
#[expect(clippy::cast_precision_loss, reason = "12 at most")]
const fn slots_per_hour(slots_per_day: usize) -> f64 {
    slots_per_day as f64 / (DAY / HOUR) as f64
}
