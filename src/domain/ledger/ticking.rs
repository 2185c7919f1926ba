//! Which clients wake at ticks, judged by when they arrive. Most certificates issued at midnight
//! may belong to clients that wake at midnight, and that therefore return at noon or at midnight.

use crate::client::schedule::{Schedule, Tick};
use crate::time::Timestamp;
use crate::time::timeline::Timeline;

/// Σ f · the arrivals of clients that wake once, twice and four times a day, and of timers with a
/// random delay. Clients that wake every hour can be placed in any hour and are not listed.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticking {
    pub(super) ticks: [Timeline; 3],
    pub(super) random: Timeline,
}

/// How clients without evidence are assumed to wake, judged by earlier clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScheduleMix {
    /// Clients that wake several times a day.
    pub ticks: Vec<Ticks>,
    /// The share of clients with one tick a day, which arrive at it whatever their window is.
    pub daily: f64,
    /// The share of timers with a random delay.
    pub random: f64,
}

/// Clients with the same ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ticks {
    /// From one tick to the next, in seconds.
    pub period_seconds: i64,
    /// The first tick of the day, in seconds after midnight.
    pub second_of_day: i64,
    /// Their share of all clients.
    pub share: f64,
}

impl ScheduleMix {
    /// The share that arrives outside of its window.
    #[must_use]
    pub fn elsewhere(&self) -> f64 {
        let ticks: f64 = self.ticks.iter().map(|ticks| ticks.share).sum();
        ticks + self.daily + self.random
    }

    /// The same mix, scaled to be this part of all clients.
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

/// Of the clients that arrive now, the shares that wake once, twice and four times a day at this
/// time of day.
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
    /// The schedules of clients that arrive at `now` because they wake then, each with its share.
    pub fn schedules(self, now: Timestamp) -> impl Iterator<Item = (Schedule, f64)> {
        let tick = Tick::at(now.second_of_day() / 30);
        let schedules = [
            Schedule::Daily { tick },
            Schedule::TwiceDaily { tick },
            Schedule::SixHourly { tick },
        ];
        schedules.into_iter().zip(self.0)
    }

    /// Draws a schedule for a client that arrives at `now`, by a number from 0 to 1.
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
