//! Which clients wake at ticks, by the time at which they come: most certificates issued at
//! midnight may belong to clients that wake at midnight, and so come again at noon or at midnight.

use crate::client::schedule::{Schedule, Tick};
use crate::time::Timestamp;
use crate::time::timeline::Timeline;

/// Σ f · when clients come that wake once, twice and four times a day, and timers with a random
/// delay. Those that wake every hour can be placed in any.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticking {
    pub(super) ticks: [Timeline; 3],
    pub(super) random: Timeline,
}

/// How those wake of which nothing is known, by those before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleMix {
    /// Those that wake several times a day.
    pub ticks: Vec<Ticks>,
    /// The share of clients with one tick a day, which come at it whatever their window.
    pub daily: f64,
    /// The share of timers with a random delay.
    pub random: f64,
}

/// Clients that wake at the same ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticks {
    /// From one tick to the next, in seconds.
    pub period_seconds: i64,
    /// The first of the day, in seconds after midnight.
    pub second_of_day: i64,
    /// Their share of all.
    pub share: f64,
}

impl ScheduleMix {
    /// The share that comes elsewhere than in its window.
    #[must_use]
    pub fn elsewhere(&self) -> f64 {
        let ticks: f64 = self.ticks.iter().map(|ticks| ticks.share).sum();
        ticks + self.daily + self.random
    }

    /// The same clients where they are a part of all.
    #[must_use]
    pub fn scaled(mut self, part: f64) -> Self {
        for ticks in &mut self.ticks {
            ticks.share *= part;
        }
        self.daily *= part;
        self.random *= part;
        self
    }
}

/// Of the clients that come now, the shares that wake once, twice and four times a day, at this
/// time of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickShares(pub(super) [f64; 3]);

impl Ticking {
    fn at(schedule: Schedule) -> Option<usize> {
        match schedule {
            Schedule::Daily { .. } => Some(0),
            Schedule::TwiceDaily { .. } => Some(1),
            Schedule::SixHourly { .. } => Some(2),
            _ => None,
        }
    }

    pub(super) fn line(&self, schedule: Schedule) -> Option<&Timeline> {
        Self::at(schedule).map(|n| &self.ticks[n])
    }

    pub(super) fn line_mut(&mut self, schedule: Schedule) -> Option<&mut Timeline> {
        match schedule {
            Schedule::Random => Some(&mut self.random),
            _ => Self::at(schedule).map(|n| &mut self.ticks[n]),
        }
    }

    pub(super) fn trim(&mut self, before: Timestamp) {
        for line in &mut self.ticks {
            line.trim(before);
        }
        self.random.trim(before);
    }
}

impl TickShares {
    /// The schedules of clients that come at `now` because they wake then, each with its share.
    pub fn schedules(self, now: Timestamp) -> impl Iterator<Item = (Schedule, f64)> {
        let tick = Tick::at(now.second_of_day() / 30);
        let schedules = [
            Schedule::Daily { tick },
            Schedule::TwiceDaily { tick },
            Schedule::SixHourly { tick },
        ];
        schedules.into_iter().zip(self.0)
    }

    /// The schedule that a number from 0 to 1 draws for a client that comes at `now`.
    #[must_use]
    pub fn draw(self, now: Timestamp, unit: f64) -> Schedule {
        let mut left = unit;
        for (schedule, share) in self.schedules(now) {
            if left < share {
                return schedule;
            }
            left -= share;
        }
        Schedule::Unknown
    }
}
