//! When a client should ask again (RFC 9773 section 4.3).

use crate::math::number::{real, whole};
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{DAY, MINUTE, Span, Timestamp};

/// An hour with a coefficient of at least this counts as busy. The ranking calls it "very high".
const BUSY: f64 = 1.6;

/// The times and loads that a `Retry-After` should avoid.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a, L> {
    /// When the CA is closed: spans that do not overlap, in order.
    pub closed: &'a [Span],
    /// The load at an instant, relative to the mean. It is constant within a grain.
    pub load: L,
}

/// The `Retry-After` in seconds for a client that polls at `now`: `base_seconds` ± 20 %, drawn from
/// two numbers between 0 and 1. If that falls into a busy hour (`load` of at least 1.6 × the mean)
/// or a closed one, it is moved to a calm time, preferably an earlier one. The result is between a
/// minute and a day.
#[must_use]
pub fn retry_after_seconds(
    base_seconds: i64,
    now: Timestamp,
    draws: (f64, f64),
    ahead: &Ahead<'_, impl Fn(Timestamp) -> f64>,
) -> i64 {
    let base = real(base_seconds);
    let delay = base * (0.8 + 0.4 * draws.0);
    let delay = if ahead.is_calm(now + whole(delay)) {
        delay
    } else {
        // Spread over all of the calm time before, which is much longer than the hours to avoid.
        // Moving everyone to the last hour before them would make that hour the next peak (2.5 ×
        // the mean of all polls; this way it is 1.8).
        let sooner = ahead.calm_stretches(now, base * 0.4, delay);
        let later = ahead.calm_stretches(now, delay, base * 1.2);
        [sooner, later]
            .iter()
            .find_map(|stretches| drawn(stretches, draws.1))
            .unwrap_or(delay)
    };
    whole(delay).clamp(MINUTE, DAY)
}

/// Why a certificate's next poll must come in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pressing {
    /// An open incident moved its window.
    Incident,
    /// No reason: the certificate has been replaced.
    Not,
    /// Only because of its window, until the window is over.
    Window,
}

/// The longest `Retry-After`, in seconds, with which a client that polls at `now` polls again in
/// time for its window: the time until the window's middle, but at least a minute. `None` if any
/// time will do. This assumes that clients honour `Retry-After`.
#[must_use]
pub fn in_time_seconds(pressing: Pressing, window: Span, now: Timestamp) -> Option<i64> {
    let middle = window.from + window.seconds() / 2;
    let presses = match pressing {
        Pressing::Incident => true,
        Pressing::Not => false,
        Pressing::Window => now < window.to,
    };
    presses.then(|| (middle - now).max(MINUTE))
}

impl<L: Fn(Timestamp) -> f64> Ahead<'_, L> {
    fn is_calm(&self, at: Timestamp) -> bool {
        !self.closed.iter().any(|span| span.contains(at)) && (self.load)(at) < BUSY
    }

    /// The calm stretches among delays from `from` to `to`, in seconds.
    fn calm_stretches(&self, now: Timestamp, from: f64, to: f64) -> Vec<(f64, f64)> {
        let mut stretches = Vec::new();
        let mut start = from;
        while start < to {
            let at = now + whole(start);
            let end = real(self.next_change(at) - now).max(start + 1.0).min(to);
            if self.is_calm(at) {
                stretches.push((start, end));
            }
            start = end;
        }
        stretches
    }

    /// The next instant after `at` at which the load or closed state may change.
    fn next_change(&self, at: Timestamp) -> Timestamp {
        let grain_end = Timestamp::from_unix((at.slot(GRAIN_SECONDS) + 1) * GRAIN_SECONDS);
        self.closed
            .iter()
            .flat_map(|span| [span.from, span.to])
            .filter(|edge| *edge > at)
            .fold(grain_end, Timestamp::min)
    }
}

/// Maps `draw`, between 0 and 1, to a point in the stretches, uniformly.
fn drawn(stretches: &[(f64, f64)], draw: f64) -> Option<f64> {
    let total: f64 = stretches.iter().map(|(from, to)| to - from).sum();
    if total <= 0.0 {
        return None;
    }
    let mut left = draw * total;
    for (from, to) in stretches {
        if left < to - from {
            return Some(from + left);
        }
        left -= to - from;
    }
    stretches.last().map(|(_, to)| *to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A CA that is never closed.
    fn open<L: Fn(Timestamp) -> f64>(load: L) -> Ahead<'static, L> {
        Ahead { closed: &[], load }
    }

    #[test]
    fn a_calm_day_gives_the_base_and_a_fifth_either_way() {
        let now = at("2026-11-21T10:00:00Z");
        for (draw, want) in [(0.0, 17_280), (0.5, 21_600), (0.999_999, 25_919)] {
            let got = retry_after_seconds(21_600, now, (draw, 0.5), &open(|_| 1.0));
            assert_eq!(got, want);
        }
        let middle = |base| retry_after_seconds(base, now, (0.5, 0.5), &open(|_| 1.0));
        assert_eq!(middle(1), 60);
        assert_eq!(middle(9 * DAY), DAY);
    }

    #[test]
    fn the_busiest_hour_is_avoided_and_sooner_preferred() {
        let now = at("2026-11-21T19:30:00Z");
        let load = |at: Timestamp| {
            if at.second_of_day() / HOUR == 1 {
                2.2
            } else {
                0.9
            }
        };
        for n in 0..1_000 {
            let draws = (f64::from(n) / 1_000.0, f64::from(n * 7 % 1_000) / 1_000.0);
            let seconds = retry_after_seconds(6 * HOUR, now, draws, &open(load));
            let target = now + seconds;
            assert_ne!(target.second_of_day() / HOUR, 1, "{target}");
            assert!(seconds <= 26_000);
        }
        // 01:00 to 02:00 is 5.5 to 6.5 h ahead; a draw of 6 h goes before it.
        assert!(retry_after_seconds(6 * HOUR, now, (0.5, 0.5), &open(load)) < 19_800);
    }

    #[test]
    fn where_every_hour_is_busy_the_draw_stands() {
        let now = at("2026-11-21T19:30:00Z");
        assert_eq!(
            retry_after_seconds(21_600, now, (0.5, 0.1), &open(|_| 3.0)),
            21_600
        );
    }

    #[test]
    fn a_closed_span_is_avoided_to_the_second() {
        let now = at("2026-11-21T19:30:00Z");
        let closed = [Span {
            from: at("2026-11-22T00:47:30Z"),
            to: at("2026-11-22T01:10:10Z"),
        }];
        let ahead = Ahead {
            closed: &closed,
            load: |_| 1.0,
        };
        let mut moved = Vec::new();
        for n in 0..10_000 {
            let draws = (
                f64::from(n) / 10_000.0,
                f64::from(n * 7 % 10_000) / 10_000.0,
            );
            let target = now + retry_after_seconds(6 * HOUR, now, draws, &ahead);
            assert!(!closed[0].contains(target), "{target}");
            if closed[0].contains(now + whole(21_600.0 * (0.8 + 0.4 * draws.0))) {
                moved.push(target);
            }
        }
        // Moved earlier, and spread over all of the time before.
        assert!(moved.iter().all(|target| *target < closed[0].from));
        assert!(moved.iter().any(|target| *target > closed[0].from - 60));
    }

    #[test]
    fn the_next_poll_comes_before_the_middle_of_the_window() {
        let now = at("2026-11-21T10:00:00Z");
        let window = |from: i64, to: i64| Span {
            from: now + from,
            to: now + to,
        };
        let (incident, itself) = (Pressing::Incident, Pressing::Window);
        for (what, pressing, window, want) in [
            ("opens in 32 s", itself, window(32, 632), Some(332)),
            (
                "opens in weeks",
                itself,
                window(20 * DAY, 20 * DAY + 900),
                Some(20 * DAY + 450),
            ),
            ("has opened", itself, window(-300, 600), Some(150)),
            ("near its middle", itself, window(-300, 340), Some(60)),
            ("in its last second", itself, window(-899, 1), Some(60)),
            ("is over", itself, window(-900, 0), None),
            ("moved, opens in 32 s", incident, window(32, 632), Some(332)),
            ("moved, is over", incident, window(-3_600, -1_800), Some(60)),
            ("replaced", Pressing::Not, window(32, 632), None),
        ] {
            assert_eq!(in_time_seconds(pressing, window, now), want, "{what}");
        }
    }

    #[test]
    fn where_all_is_closed_the_draw_stands() {
        let now = at("2026-11-21T19:30:00Z");
        let closed = [Span {
            from: now,
            to: now + DAY,
        }];
        let ahead = Ahead {
            closed: &closed,
            load: |_| 1.0,
        };
        let got = retry_after_seconds(21_600, now, (0.5, 0.1), &ahead);
        assert_eq!(got, 21_600);
    }
}
