//! When clients wake: their ticks of the day, and which instants of a span they can renew at.
//!
//! A client that runs from a timer cannot be moved to the second: it renews at a tick.

use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

#[cfg(test)]
mod clients_tests;
#[cfg(test)]
mod record_tests;
#[cfg(test)]
mod response_tests;

/// Ticks have a resolution of half a minute.
pub(super) const HALF_MINUTE: i64 = 30;

/// The time of day (UTC) of one tick of a client, to the half-minute.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tick(u16);

/// When a client wakes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Schedule {
    /// Once a day.
    Daily {
        /// The time of its tick.
        tick: Tick,
    },
    /// Every hour (cron).
    Hourly {
        /// One of its ticks.
        tick: Tick,
    },
    /// At no fixed time, some hours apart: a timer with a random delay.
    Random,
    /// Four times a day, six hours apart.
    SixHourly {
        /// One of its ticks.
        tick: Tick,
    },
    /// When `Retry-After` asks it to: a daemon that can renew at any second.
    Steered,
    /// Every ten minutes: a daemon with a timer.
    TenMinutely {
        /// One of its ticks.
        tick: Tick,
    },
    /// Twice a day, twelve hours apart.
    TwiceDaily {
        /// One of its two ticks.
        tick: Tick,
    },
    /// Unknown: too few polls.
    #[default]
    Unknown,
}

impl Tick {
    /// The tick at this half-minute, modulo a day.
    #[must_use]
    pub fn at(half_minutes: i64) -> Self {
        Self(u16::try_from(half_minutes.rem_euclid(DAY / HALF_MINUTE)).unwrap_or(0))
    }

    /// The time of day of an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self::at(at.second_of_day() / HALF_MINUTE)
    }

    /// Seconds since midnight UTC, 0 to 86,370.
    #[must_use]
    pub const fn second_of_day(self) -> i64 {
        self.0 as i64 * HALF_MINUTE
    }
}

impl Schedule {
    /// The name used in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.code() as usize]
    }

    /// The names, indexed by [`Schedule::code`].
    pub const NAMES: [&'static str; 8] = [
        "unknown",
        "daily",
        "twice_daily",
        "six_hourly",
        "hourly",
        "ten_minutely",
        "steered",
        "random",
    ];

    /// A code below 8.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Daily { .. } => 1,
            Self::TwiceDaily { .. } => 2,
            Self::SixHourly { .. } => 3,
            Self::Hourly { .. } => 4,
            Self::TenMinutely { .. } => 5,
            Self::Steered => 6,
            Self::Random => 7,
        }
    }

    /// The tick, if the client has one.
    #[must_use]
    pub const fn tick(self) -> Option<Tick> {
        match self {
            Self::Daily { tick }
            | Self::Hourly { tick }
            | Self::SixHourly { tick }
            | Self::TenMinutely { tick }
            | Self::TwiceDaily { tick } => Some(tick),
            Self::Random | Self::Steered | Self::Unknown => None,
        }
    }

    /// Seconds between two ticks, if the client has ticks.
    #[must_use]
    pub const fn period_seconds(self) -> Option<i64> {
        match self {
            Self::Daily { .. } => Some(DAY),
            Self::TwiceDaily { .. } => Some(12 * HOUR),
            Self::SixHourly { .. } => Some(6 * HOUR),
            Self::Hourly { .. } => Some(HOUR),
            Self::TenMinutely { .. } => Some(10 * MINUTE),
            Self::Random | Self::Steered | Self::Unknown => None,
        }
    }

    /// The client's first tick at or after `at`.
    #[must_use]
    pub fn tick_from(self, at: Timestamp) -> Option<Timestamp> {
        let (tick, period) = (self.tick()?, self.period_seconds()?);
        let to_tick = (tick.second_of_day() - at.second_of_day()).rem_euclid(period);
        Some(at + to_tick)
    }

    /// The ticks inside a band at which a cron-like client can be made to renew. Empty for a client
    /// that can renew at any second, or that has no fixed ticks.
    #[must_use]
    pub fn choices(self, band: Span) -> Vec<Timestamp> {
        let Some(period) = self.period_seconds().filter(|period| *period >= HOUR) else {
            return Vec::new();
        };
        let first = self.tick_from(band.from);
        std::iter::successors(first, |tick| Some(*tick + period))
            .take_while(|tick| *tick < band.to)
            .collect()
    }

    /// Whether the client can renew only at certain times of day: at ticks more than an hour apart.
    #[must_use]
    pub fn choices_are_few(self) -> bool {
        self.period_seconds().is_some_and(|period| period > HOUR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T00:00:00Z.
    const MIDNIGHT: Timestamp = Timestamp::from_unix(1_795_219_200);

    fn tick(hour: i64, minute: i64) -> Tick {
        Tick::at((hour * 60 + minute) * 2)
    }

    fn band(from: i64, hours: i64) -> Span {
        Span {
            from: MIDNIGHT + from,
            to: MIDNIGHT + from + hours * HOUR,
        }
    }

    #[test]
    fn the_choices_are_the_ticks_in_the_band() {
        let quarter_past = tick(3, 15);
        let hours = |schedule: Schedule, band| -> Vec<i64> {
            let choices = schedule.choices(band).into_iter();
            choices.map(|at| (at - MIDNIGHT) / MINUTE).collect()
        };
        let daily = Schedule::Daily { tick: quarter_past };
        assert_eq!(hours(daily, band(0, 24)), [195]);
        assert_eq!(hours(daily, band(4 * HOUR, 24)), [195 + 1_440]);
        assert_eq!(hours(daily, band(4 * HOUR, 12)), [0; 0]);
        let twice = Schedule::TwiceDaily { tick: quarter_past };
        assert_eq!(hours(twice, band(0, 24)), [195, 915]);
        let six = Schedule::SixHourly { tick: quarter_past };
        assert_eq!(hours(six, band(0, 24)), [195, 555, 915, 1_275]);
        let hourly = Schedule::Hourly { tick: quarter_past };
        assert_eq!(hours(hourly, band(1, 3)), [15, 75, 135]);
        for any_second in [
            Schedule::Random,
            Schedule::Steered,
            Schedule::Unknown,
            Schedule::TenMinutely { tick: quarter_past },
        ] {
            assert!(any_second.choices(band(0, 24)).is_empty());
        }
    }

    #[test]
    fn each_rhythm_has_a_name_of_its_own() {
        let tick = Tick::at(7);
        let schedules = [
            Schedule::Unknown,
            Schedule::Daily { tick },
            Schedule::TwiceDaily { tick },
            Schedule::SixHourly { tick },
            Schedule::Hourly { tick },
            Schedule::TenMinutely { tick },
            Schedule::Steered,
            Schedule::Random,
        ];
        let names = schedules.map(Schedule::name);
        assert_eq!(names, Schedule::NAMES);
        assert_eq!(schedules.map(Schedule::code), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}
