//! Which clients learn of a changed window in time. A client learns of it only when it polls: when
//! its `Retry-After` ends, or on its own schedule.

use super::following::{Evidence, evidence};
use super::retry_after::{Pressing, in_time_seconds};
use super::schedule::{Polls, Schedule};
use crate::time::{Span, Timestamp};

/// A certificate's client, and the last answer it received.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// The record of its polls.
    pub polls: Polls,
    /// The usual `Retry-After`, in seconds.
    pub base_seconds: i64,
    /// The window in the last answer.
    pub window: Span,
    /// Since when polls have been recorded.
    pub recorded_from: Timestamp,
}

/// Whether a client learns of a change in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// It polls again before its window closes.
    InTime,
    /// It never polled, or has stopped, so nobody knows.
    Silent,
    /// Its window closes before it polls again.
    TooLate,
}

/// How many clients do not learn of a change in time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreached {
    /// Number of [`Reach::TooLate`] clients.
    pub too_late: u64,
    /// Number of [`Reach::Silent`] clients.
    pub silent: u64,
}

impl Listener {
    /// Whether the client polls, at `now` or later, before its old window or the new window `to`
    /// closes, whichever closes first. A window that is already over is ignored. If `to` is over
    /// from the beginning, the client should renew at once, and the time limit is `at_once_by`, if
    /// given.
    #[must_use]
    pub fn reach(&self, to: Span, at_once_by: Option<Timestamp>, now: Timestamp) -> Reach {
        if evidence(self.polls, self.recorded_from, now) == Evidence::Silent {
            return Reach::Silent;
        }
        let Some(asks_by) = self.asks_by() else {
            return Reach::Silent;
        };
        let ahead = |window: Span| Some(window.to).filter(|closes| *closes > now);
        let closes = [ahead(self.window), ahead(to).or(at_once_by)];
        match closes.into_iter().flatten().min() {
            // An overdue client may poll at any moment.
            Some(closes) if asks_by.max(now) > closes => Reach::TooLate,
            _ => Reach::InTime,
        }
    }

    /// The latest time at which the client polls again; `None` if it never polled.
    fn asks_by(&self) -> Option<Timestamp> {
        let last = self.polls.last()?;
        let usual = self.polls.interval_seconds(self.base_seconds);
        // A client that honours `Retry-After`, exactly or at its next tick, was asked to poll
        // before the middle of its window. A client that only follows its ticks has no longer
        // interval.
        let schedule = self.polls.schedule();
        let tick = match schedule {
            Schedule::Steered => Some(0),
            _ => schedule.period_seconds().filter(|period| usual > *period),
        };
        let delay = in_time_seconds(Pressing::Window, self.window, last);
        let in_time = delay.zip(tick).map_or(usual, |(delay, tick)| delay + tick);
        Some(last + in_time.min(usual))
    }
}

impl Unreached {
    /// Counts one more client.
    pub fn count(&mut self, reach: Reach) {
        match reach {
            Reach::InTime => {}
            Reach::Silent => self.silent += 1,
            Reach::TooLate => self.too_late += 1,
        }
    }

    /// The sum of two counts.
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

    /// A client that polled every six hours for two days, the last time `ago` seconds before now.
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
            recorded_from: NOW - 10 * DAY,
        }
    }

    #[test]
    fn a_client_learns_of_a_move_at_its_next_requested_poll() {
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
                Reach::Silent,
            ),
            (
                "asked a month ago",
                six_hourly(30 * DAY),
                far,
                soon,
                None,
                Reach::Silent,
            ),
            (
                "moved to where it hears",
                six_hourly(HOUR),
                far,
                span(8 * HOUR, 9 * HOUR),
                None,
                Reach::InTime,
            ),
            (
                "moved to before that",
                six_hourly(HOUR),
                far,
                soon,
                None,
                Reach::TooLate,
            ),
            (
                "asked long enough ago",
                six_hourly(6 * HOUR),
                far,
                soon,
                None,
                Reach::InTime,
            ),
            (
                "overdue",
                six_hourly(9 * HOUR),
                far,
                soon,
                None,
                Reach::InTime,
            ),
            (
                "at once, without a deadline",
                six_hourly(HOUR),
                past,
                past,
                None,
                Reach::InTime,
            ),
            (
                "at once, by a deadline",
                six_hourly(HOUR),
                past,
                past,
                Some(2 * HOUR),
                Reach::TooLate,
            ),
            (
                "the same, from a window far off",
                six_hourly(HOUR),
                far,
                past,
                Some(2 * HOUR),
                Reach::TooLate,
            ),
            (
                "at once, by one far off",
                six_hourly(HOUR),
                past,
                past,
                Some(DAY),
                Reach::InTime,
            ),
        ] {
            let listener = listener(polls, window);
            let at_once_by = at_once_by.map(|seconds| NOW + seconds);
            assert_eq!(listener.reach(to, at_once_by, NOW), want, "{what}");
        }
    }

    #[test]
    fn a_client_that_wakes_by_itself_is_not_brought_forward() {
        // Twice a day at noon and midnight, whatever `Retry-After` says.
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
        assert_eq!(listener.reach(later, None, NOW), Reach::TooLate);
    }
}
