//! Who wakes at ticks, by when they come: of those that are issued at midnight most may be clients
//! that wake at midnight, and so at noon or at midnight again.

use super::{Cohort, Ledger};
use crate::domain::number::real;
use crate::domain::rhythm::{Rhythm, Tick};
use crate::domain::time::{Span, Timestamp};
use crate::domain::timeline::{GRAIN_SECONDS, Timeline};

/// Σ f · when clients come that wake once, twice and four times a day. Those that wake every hour
/// can be placed in any.
#[derive(Clone, Debug, Default)]
pub(super) struct Ticking([Timeline; 3]);

/// The shares of those who come now that wake once, twice and four times a day, and that at this
/// time of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickShares([f64; 3]);

impl Ticking {
    pub(super) fn line(&mut self, rhythm: Rhythm) -> Option<&mut Timeline> {
        match rhythm {
            Rhythm::Daily { .. } => Some(&mut self.0[0]),
            Rhythm::TwiceDaily { .. } => Some(&mut self.0[1]),
            Rhythm::SixHourly { .. } => Some(&mut self.0[2]),
            _ => None,
        }
    }

    pub(super) fn trim(&mut self, before: Timestamp) {
        for line in &mut self.0 {
            line.trim(before);
        }
    }
}

impl TickShares {
    /// The rhythms of clients that come at `now` because they wake then, each with its share.
    pub fn rhythms(self, now: Timestamp) -> impl Iterator<Item = (Rhythm, f64)> {
        let tick = Tick::at(now.second_of_day() / 30);
        let rhythms = [
            Rhythm::Daily { tick },
            Rhythm::TwiceDaily { tick },
            Rhythm::SixHourly { tick },
        ];
        rhythms.into_iter().zip(self.0)
    }

    /// The rhythm that a number from 0 to 1 draws for a client that comes at `now`.
    #[must_use]
    pub fn draw(self, now: Timestamp, unit: f64) -> Rhythm {
        let mut left = unit;
        for (rhythm, share) in self.rhythms(now) {
            if left < share {
                return rhythm;
            }
            left -= share;
        }
        Rhythm::Unknown
    }
}

impl Ledger {
    /// Who of those that come at `now` wakes at ticks, by what the windows given have promised to
    /// these minutes.
    #[must_use]
    pub fn tick_shares(&self, now: Timestamp) -> TickShares {
        let grain = grain_at(now);
        let Some(coming) = self.coming(now) else {
            return TickShares::default();
        };
        let all = coming.all().max(1e-9);
        TickShares(
            self.ticking
                .0
                .each_ref()
                .map(|line| (line.sum(grain) / all).clamp(0.0, 1.0)),
        )
    }

    pub(super) fn remember_ticks(&mut self, cohort: &Cohort<'_>, amount: f64) {
        let rhythm = cohort.windows.response().rhythm();
        if let Some(line) = self.ticking.line(rhythm) {
            cohort.windows.enter_arrivals(line, amount);
        }
    }
}

/// The five minutes in which an instant lies.
pub(super) fn grain_at(now: Timestamp) -> Span {
    let from = Timestamp::from_unix(now.slot(GRAIN_SECONDS) * GRAIN_SECONDS);
    Span {
        from,
        to: from + GRAIN_SECONDS,
    }
}

/// Parts of a grain.
pub(super) fn grains_in(span: Span) -> f64 {
    real(span.seconds()) / real(GRAIN_SECONDS)
}
