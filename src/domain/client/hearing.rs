//! Which clients learn in time that something has changed: a client asks again when it was told to,
//! or by its own schedule, and cannot be reached before.

use super::following::{Evidence, evidence};
use super::retry_after::{Pressing, in_time_seconds};
use super::schedule::{Polls, Schedule};
use crate::time::{Span, Timestamp};

/// A certificate's client, and what it was told last.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// What its polls have shown.
    pub polls: Polls,
    /// For how long it is sent away by the usual `Retry-After`, in seconds.
    pub base_seconds: i64,
    /// The window that it was told.
    pub window: Span,
    /// Polls have been listened for since then.
    pub heard_from: Timestamp,
}

/// Whether a client hears of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hearing {
    /// It asks again before its window closes.
    InTime,
    /// It has not asked so far, or does not any more: nobody can say.
    Silent,
    /// Its window closes before it asks again.
    TooLate,
}

/// How many clients hear of a change.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heard {
    /// [`Hearing::TooLate`].
    pub too_late: u64,
    /// [`Hearing::Silent`].
    pub silent: u64,
}

impl Listener {
    /// Whether the client hears at `now` or later of its window having become `to`, before the one
    /// that it was told or the new one closes, whichever does first; of those that are over already
    /// neither counts. One that is over from the beginning means at once, and is to be heard of by
    /// `at_once_by`, where there is such a deadline.
    #[must_use]
    pub fn hears(&self, to: Span, at_once_by: Option<Timestamp>, now: Timestamp) -> Hearing {
        if evidence(self.polls, self.heard_from, now) == Evidence::Silent {
            return Hearing::Silent;
        }
        let Some(asks_by) = self.asks_by() else {
            return Hearing::Silent;
        };
        let ahead = |window: Span| Some(window.to).filter(|closes| *closes > now);
        let closes = [ahead(self.window), ahead(to).or(at_once_by)];
        match closes.into_iter().flatten().min() {
            // One that is overdue asks at any moment.
            Some(closes) if asks_by.max(now) > closes => Hearing::TooLate,
            _ => Hearing::InTime,
        }
    }

    /// When the client asks again at the latest; `None` where it never asked.
    fn asks_by(&self) -> Option<Timestamp> {
        let last = self.polls.last()?;
        let usual = self.polls.interval_seconds(self.base_seconds);
        // Whoever comes when it is told to, at once or at its next tick, was told to come before the
        // middle of its window. One that wakes by its ticks alone has no longer interval than these.
        let schedule = self.polls.schedule();
        let tick = match schedule {
            Schedule::Steered => Some(0),
            _ => schedule.period_seconds().filter(|period| usual > *period),
        };
        let told = in_time_seconds(Pressing::Window, self.window, last);
        let in_time = told.zip(tick).map_or(usual, |(told, tick)| told + tick);
        Some(last + in_time.min(usual))
    }
}

impl Heard {
    /// With one client more.
    pub fn count(&mut self, hearing: Hearing) {
        match hearing {
            Hearing::InTime => {}
            Hearing::Silent => self.silent += 1,
            Hearing::TooLate => self.too_late += 1,
        }
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            too_late: self.too_late + other.too_late,
            silent: self.silent + other.silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, HOUR, MINUTE};

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);
    const BASE: i64 = 6 * HOUR;

    fn span(from: i64, to: i64) -> Span {
        Span {
            from: NOW + from,
            to: NOW + to,
        }
    }

    /// Asked so long ago, after two days of asking every six hours.
    fn six_hourly(ago: i64) -> Polls {
        (0..9).rev().fold(Polls::default(), |polls, n| {
            polls.seen(NOW - ago - n * (BASE + 60 * (n % 3)), BASE)
        })
    }

    fn listener(polls: Polls, window: Span) -> Listener {
        Listener {
            polls,
            base_seconds: BASE,
            window,
            heard_from: NOW - 10 * DAY,
        }
    }

    #[test]
    fn a_client_hears_when_it_was_told_to_ask() {
        let far = span(20 * DAY, 20 * DAY + HOUR);
        let soon = span(2 * HOUR, 3 * HOUR);
        let past = span(-HOUR, -HOUR / 2);
        for (what, polls, window, to, at_once_by, want) in [
            (
                "never asked",
                Polls::default(),
                far,
                soon,
                None,
                Hearing::Silent,
            ),
            (
                "asked a month ago",
                six_hourly(30 * DAY),
                far,
                soon,
                None,
                Hearing::Silent,
            ),
            (
                "moved to where it hears",
                six_hourly(HOUR),
                far,
                span(8 * HOUR, 9 * HOUR),
                None,
                Hearing::InTime,
            ),
            (
                "moved to before that",
                six_hourly(HOUR),
                far,
                soon,
                None,
                Hearing::TooLate,
            ),
            (
                "asked long enough ago",
                six_hourly(6 * HOUR),
                far,
                soon,
                None,
                Hearing::InTime,
            ),
            (
                "overdue",
                six_hourly(9 * HOUR),
                far,
                soon,
                None,
                Hearing::InTime,
            ),
            (
                "at once, without a deadline",
                six_hourly(HOUR),
                past,
                past,
                None,
                Hearing::InTime,
            ),
            (
                "at once, by a deadline",
                six_hourly(HOUR),
                past,
                past,
                Some(2 * HOUR),
                Hearing::TooLate,
            ),
            (
                "the same, from a window far off",
                six_hourly(HOUR),
                far,
                past,
                Some(2 * HOUR),
                Hearing::TooLate,
            ),
            (
                "at once, by one far off",
                six_hourly(HOUR),
                past,
                past,
                Some(DAY),
                Hearing::InTime,
            ),
        ] {
            let listener = listener(polls, window);
            let at_once_by = at_once_by.map(|seconds| NOW + seconds);
            assert_eq!(listener.hears(to, at_once_by, NOW), want, "{what}");
        }
    }

    #[test]
    fn a_client_that_wakes_by_itself_is_not_brought_forward() {
        // Twice a day at noon and midnight, whatever it is told.
        let noon = NOW - NOW.second_of_day() + 12 * HOUR;
        let polls = (0..12).rev().fold(Polls::default(), |polls, n| {
            polls.seen(noon - DAY / 2 - n * DAY / 2, BASE)
        });
        let window = Span {
            from: noon - 90 * MINUTE,
            to: noon - 30 * MINUTE,
        };
        let listener = listener(polls, window);
        let later = span(20 * DAY, 20 * DAY + HOUR);
        assert_eq!(listener.hears(later, None, NOW), Hearing::TooLate);
    }
}
