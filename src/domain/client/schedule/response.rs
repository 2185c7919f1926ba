//! How the renewals of clients with one schedule are distributed around their window. The ledger
//! records this distribution in place of the window.

use super::ticks::{HALF_MINUTE, Schedule};
use crate::math::number::{real, signed};
use crate::time::{HOUR, MINUTE, Span, Timestamp};

/// A response has at most this many pieces. A window of a day and a half has 36 hourly ticks; a
/// client that draws again at each of them has renewed by the 32nd with probability 1 − 10⁻⁶.
pub const MOST_PIECES: usize = 32;

/// A renewal at a tick happens in the minute after it.
const AT_TICK_SECONDS: i64 = MINUTE;

/// A daemon that ticks renews up to this long before its drawn time, so as not to be late.
const AHEAD_SECONDS: i64 = 10 * MINUTE;

/// The most common timer with a random delay: 00:00 and 12:00, with a delay of up to twelve hours.
const HALF_DAY: i64 = 12 * HOUR;

/// The renewals of clients with one schedule.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Response(Schedule);

/// Shares of the renewals, and the spans in which they arrive.
struct Pieces {
    buffer: [(Span, f64); MOST_PIECES],
    count: usize,
    /// The share not placed yet.
    left: f64,
}

/// When a client that draws at each run is due.
#[derive(Clone, Copy)]
struct Due {
    window: Span,
    own_rule_at: Timestamp,
}

impl Response {
    /// The response of clients with this schedule.
    #[must_use]
    pub const fn of(schedule: Schedule) -> Self {
        Self(schedule)
    }

    /// The schedule.
    #[must_use]
    pub const fn schedule(self) -> Schedule {
        self.0
    }

    /// When the renewals of clients with this `window` arrive: spans, over each of which the
    /// renewals are spread evenly, with shares that sum to 1. At most [`MOST_PIECES`], in order;
    /// some may overlap the next. `own_rule_at` is when the client renews regardless of its window.
    ///
    /// A daemon renews in the window at its drawn time. A client that ticks draws again at each
    /// tick, and renews if the drawn time is past: certainly at the first tick at or after the
    /// window's end, and earlier with a probability equal to the part of the window that is over. A
    /// client with a random delay does the same at each run, and runs once in each half of the day,
    /// at any second. If the schedule is unknown, the response is the window itself.
    pub fn arrivals(
        self,
        window: Span,
        own_rule_at: Option<Timestamp>,
    ) -> impl Iterator<Item = (Span, f64)> {
        let due = Due {
            window: Span {
                from: window.from,
                to: window.to.max(window.from + 1),
            },
            own_rule_at: own_rule_at.unwrap_or(Timestamp::MAX),
        };
        let mut pieces = Pieces {
            buffer: [(window, 0.0); MOST_PIECES],
            count: 0,
            left: 1.0,
        };
        match self.0 {
            Schedule::Daily { .. }
            | Schedule::Hourly { .. }
            | Schedule::SixHourly { .. }
            | Schedule::TwiceDaily { .. } => self.at_ticks(due, &mut pieces),
            Schedule::Random => at_random(due, &mut pieces),
            Schedule::Steered | Schedule::Unknown => in_window(due, &mut pieces),
            Schedule::TenMinutely { .. } => self.at_fine_ticks(due, &mut pieces),
        }
        pieces.buffer.into_iter().take(pieces.count)
    }

    /// Draws again at each tick.
    fn at_ticks(self, due: Due, pieces: &mut Pieces) {
        let period = self.0.period_seconds().unwrap_or(HOUR);
        let mut tick = self.first_tick(due.first());
        while !pieces.are_complete() {
            pieces.add(at_tick(tick), pieces.left * due.chance_at(tick));
            tick = tick + period;
        }
    }

    /// Draws once and keeps it: the first tick that is at most [`AHEAD_SECONDS`] before the drawn
    /// time.
    fn at_fine_ticks(self, due: Due, pieces: &mut Pieces) {
        let period = self.0.period_seconds().unwrap_or(AHEAD_SECONDS);
        let window = due.window;
        let ticks = window.seconds() / period + 2;
        // In a long window several ticks are merged.
        let together = ticks / (signed(MOST_PIECES) - 2) + 1;
        let mut tick = self.first_tick(due.first().min(window.from - AHEAD_SECONDS + 1));
        while !pieces.are_complete() {
            let last = tick + period * (together - 1);
            let drawn = Span {
                from: tick + AHEAD_SECONDS - period + 1,
                to: last + AHEAD_SECONDS + 1,
            };
            let share = real(window.overlap_seconds(drawn)) / real(window.seconds());
            let all = Span {
                from: tick,
                to: last + AT_TICK_SECONDS,
            };
            if last >= due.own_rule_at {
                let own = Span {
                    from: self.first_tick(due.own_rule_at).max(tick),
                    ..all
                };
                pieces.add(own, pieces.left);
            } else {
                pieces.add(all, share);
            }
            tick = last + period;
        }
    }

    fn first_tick(self, at: Timestamp) -> Timestamp {
        self.0.tick_from(at).unwrap_or(at)
    }
}

/// At the drawn second in the window.
fn in_window(due: Due, pieces: &mut Pieces) {
    let Due {
        window,
        own_rule_at,
    } = due;
    if own_rule_at >= window.to {
        pieces.add(window, 1.0);
        return;
    }
    if own_rule_at > window.from {
        let before = Span {
            to: own_rule_at,
            ..window
        };
        pieces.add(before, real(before.seconds()) / real(window.seconds()));
    }
    pieces.add(at_tick(own_rule_at), pieces.left);
}

/// Draws again at each run; one run in each half of the day, at any second.
fn at_random(due: Due, pieces: &mut Pieces) {
    // The probability rises through the window. The longer the window, the more of the renewals lie
    // inside it. Three days in cuts of four and a half hours give 28 pieces.
    let cuts = if due.window.seconds() <= HOUR { 4 } else { 16 };
    let cut_seconds = (due.window.seconds() / cuts).clamp(HALF_MINUTE, HALF_DAY);
    let mut half = due.first() - due.first().second_of_day() % HALF_DAY;
    while !pieces.are_complete() {
        let end = half + HALF_DAY;
        let waiting = pieces.left;
        let mut from = half.max(due.first());
        while from < end && !pieces.are_complete() {
            let to = due.next_change(from, cut_seconds).min(end);
            let run = real(to - from) / real(HALF_DAY);
            let chance = f64::midpoint(due.chance_at(from), due.chance_at(to - 1));
            pieces.add(Span { from, to }, waiting * run * chance);
            from = to;
        }
        half = end;
    }
}

const fn at_tick(tick: Timestamp) -> Span {
    Span {
        from: tick,
        to: Timestamp::from_unix(tick.unix() + AT_TICK_SECONDS),
    }
}

impl Due {
    /// The earliest possible renewal.
    fn first(self) -> Timestamp {
        self.window.from.min(self.own_rule_at)
    }

    /// The probability that a client that runs at `at` renews.
    fn chance_at(self, at: Timestamp) -> f64 {
        if at >= self.own_rule_at {
            return 1.0;
        }
        (real(at - self.window.from) / real(self.window.seconds())).clamp(0.0, 1.0)
    }

    /// The next instant after `at` at which the probability changes its formula, or the next cut of
    /// the window.
    fn next_change(self, at: Timestamp, cut_seconds: i64) -> Timestamp {
        let Span { from, to } = self.window;
        let cut = from + ((at - from) / cut_seconds + 1) * cut_seconds;
        let edge = if at < to { cut.min(to) } else { Timestamp::MAX };
        if at < self.own_rule_at {
            edge.min(self.own_rule_at)
        } else {
            Timestamp::MAX
        }
    }
}

impl Pieces {
    /// Adds a share that arrives in `span`. If this is the last free piece, or if less than 10⁻⁹
    /// would be left, it takes everything left.
    fn add(&mut self, span: Span, share: f64) {
        let last = self.count + 1 == MOST_PIECES || self.left - share < 1e-9;
        let share = if last { self.left } else { share };
        if share > 0.0 {
            self.buffer[self.count] = (span, share);
            self.count += 1;
            self.left = if last { 0.0 } else { self.left - share };
        }
    }

    fn are_complete(&self) -> bool {
        self.left <= 0.0
    }
}
