//! How many new orders a second the upstream bears, as its answers show.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain 1989), with the slow start of TCP
//! (RFC 5681 section 3.1), of a rate in place of a window. Congestion is told by failed answers and by
//! the gradient of the latency: what it is now over what it is usually, with the tolerance of Netflix's
//! `Gradient2Limit` (<https://github.com/Netflix/concurrency-limits>). As long as there was no
//! congestion there is no limit.

use super::moment::{Moment, SECOND, seconds};
use crate::math::number::real;

/// How the upstream answered a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// With an order.
    Answered,
    /// With a refusal that is an ACME problem: it does not fail, but how soon it refuses says nothing of how
    /// long it takes to make an order. Anybody can be refused.
    Refused,
    /// 500, 502, 503, 504, an answer that is not ACME's, or none in time.
    Overloaded,
}

/// An interval is decided about when it has so many orders and failures …
const ENOUGH_ANSWERS: u32 = 10;
/// … and so many seconds, or after so many seconds whatever it has. A silence of as many is congestion.
const SHORTEST_SECONDS: i64 = 1;
const LONGEST_SECONDS: i64 = 10;

/// So much larger a share of failed answers than usual is congestion: some orders that the upstream can
/// never handle are not.
const FAILED_SHARE: f64 = 0.02;
/// So few failures, or orders without an answer, are chance.
const FEWEST_FAILED: u32 = 3;

/// The latency is congestion above so many times the usual one (`Gradient2Limit` takes 1.5; orders are
/// slower and vary more than the calls between services for which that was chosen) …
const TOLERANCE: f64 = 2.0;
/// … and above the usual one plus so many seconds: 5 ms after 2 ms is noise.
const NOISE_SECONDS: f64 = 0.1;

/// What is left of the rate after congestion: what was answered, less a tenth to work off what waits in
/// the upstream. Netflix's `AIMDLimit` takes the same.
const DECREASE: f64 = 0.9;
/// What is added in each interval without congestion that used the rate up: 2 % of the rate before the
/// last congestion, so that it is tried again after five intervals.
const INCREASE: f64 = 0.02;
/// New orders a second that a dead upstream is tried with: enough to see within an interval that it is
/// back, few enough that hardly a client fails by it.
const LEAST_PER_SECOND: f64 = 1.0;

/// The share of each interval in the usual latency: the mean of about the last 20.
const USUAL_SHARE: f64 = 0.05;
/// The same while there is congestion. An upstream that has become slower for good is taken as it is
/// after some minutes.
const CONGESTED_SHARE: f64 = 0.01;

/// After so many seconds in which the rate was not used up and nothing failed, there is no limit again.
const FORGOTTEN_SECONDS: i64 = 600;

/// What the upstream has shown so far.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// New orders a second; `None`: it has shown no limit.
    per_second: Option<f64>,
    /// Up to here the rate doubles; above it grows by steps.
    threshold: f64,
    /// Answered new orders a second, lately.
    usual_per_second: f64,
    /// The usual latency in seconds.
    usual_latency: Option<f64>,
    /// The usual share of failed answers, 0 to 1.
    usual_failed: f64,
    /// Answers to what was sent before say nothing of the present rate.
    decreased: Moment,
    /// When the rate was last used up, or failed.
    needed: Moment,
    in_flight: u32,
    /// When the upstream last answered, or was last idle.
    heard: Moment,
    interval: Interval,
}

/// What was seen since the last decision.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    began: Option<Moment>,
    /// Orders.
    answered: u32,
    refused: u32,
    failed: u32,
    /// Of all orders together.
    latency_seconds: f64,
    used_up: bool,
}

impl Shown {
    /// A new order is sent to the upstream.
    pub fn sent(&mut self, now: Moment) {
        if self.in_flight == 0 {
            self.heard = now;
        }
        self.in_flight += 1;
    }

    /// A new order that was sent was not answered, and will not be: its client went away.
    pub fn abandoned(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The upstream answered a new order that was sent so many nanoseconds ago.
    pub fn answered(&mut self, now: Moment, latency_nanos: i64, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.heard = now;
        if now + -latency_nanos < self.decreased {
            return;
        }
        self.interval.began.get_or_insert(now);
        match outcome {
            Outcome::Answered => {
                self.interval.answered += 1;
                self.interval.latency_seconds += seconds(latency_nanos);
            }
            Outcome::Refused => self.interval.refused += 1,
            Outcome::Overloaded => self.interval.failed += 1,
        }
    }

    /// Somebody waits for the rate.
    pub fn used_up(&mut self, now: Moment) {
        self.interval.used_up = true;
        self.needed = now;
    }

    /// New orders a second that the upstream bears; `None` while it has shown no limit.
    pub fn per_second(&mut self, now: Moment) -> Option<f64> {
        if let Some(began) = self.interval.began {
            let long = now - began;
            let answers = self.interval.answered + self.interval.failed;
            let enough = answers >= ENOUGH_ANSWERS && long >= SHORTEST_SECONDS * SECOND;
            if enough || long >= LONGEST_SECONDS * SECOND {
                self.decide(now, seconds(long));
            }
        }
        let silent = now - self.heard >= LONGEST_SECONDS * SECOND;
        if silent && self.in_flight >= FEWEST_FAILED {
            self.heard = now;
            self.decrease(now, 0.0);
        }
        self.per_second
    }

    /// New orders a second that the upstream bore before it was last congested, or bears since, whichever
    /// is more: what seconds ahead are booked by. A dead upstream is taken to be back by then.
    #[must_use]
    pub fn per_second_when_well(&self) -> Option<f64> {
        self.per_second.map(|rate| rate.max(self.threshold))
    }

    fn decide(&mut self, now: Moment, long: f64) {
        let interval = std::mem::take(&mut self.interval);
        let answered = interval.answered + interval.refused;
        let answered_per_second = f64::from(answered) / long;
        if self.is_congested(&interval) {
            self.decrease(now, answered_per_second);
        } else if answered > 0 {
            self.usual_per_second += (answered_per_second - self.usual_per_second) * 0.2;
            self.increase(now, interval.used_up);
        }
        self.learn(&interval);
    }

    fn is_congested(&self, interval: &Interval) -> bool {
        let failed = interval.failed_share();
        let fails = interval.failed >= FEWEST_FAILED && failed > self.usual_failed + FAILED_SHARE;
        let slow = interval
            .mean_latency()
            .zip(self.usual_latency)
            .is_some_and(|(now, usual)| now > TOLERANCE * usual && now > usual + NOISE_SECONDS);
        fails || slow && interval.answered >= ENOUGH_ANSWERS
    }

    fn decrease(&mut self, now: Moment, answered_per_second: f64) {
        let before = self
            .per_second
            .unwrap_or_else(|| self.usual_per_second.max(answered_per_second));
        // A dead upstream says nothing of what it bears when it is back.
        if answered_per_second > 0.0 || self.per_second.is_none() {
            // Failures of the last seconds before it is back say little; half as much is tried next.
            let half = self.threshold / 2.0;
            self.threshold = (DECREASE * before).max(half).max(LEAST_PER_SECOND);
        }
        let bears = before.min(answered_per_second);
        self.per_second = Some((DECREASE * bears).max(LEAST_PER_SECOND));
        self.decreased = now;
        self.needed = now;
    }

    fn increase(&mut self, now: Moment, used_up: bool) {
        let Some(rate) = self.per_second else {
            return;
        };
        if used_up {
            let step = (INCREASE * self.threshold).max(0.1);
            self.per_second = Some(if rate < self.threshold {
                (2.0 * rate).min(self.threshold)
            } else {
                rate + step
            });
        } else if now - self.needed > FORGOTTEN_SECONDS * SECOND {
            self.per_second = None;
        }
    }

    /// What is usual: the latency and the share of failures.
    fn learn(&mut self, interval: &Interval) {
        let Some(latency) = interval.mean_latency() else {
            return;
        };
        let share = if self.is_congested(interval) {
            CONGESTED_SHARE
        } else {
            USUAL_SHARE
        };
        let usual = self.usual_latency.unwrap_or(latency);
        self.usual_latency = Some(usual + (latency - usual) * share);
        if !interval.used_up {
            self.usual_failed += (interval.failed_share() - self.usual_failed) * share;
        }
    }
}

impl Interval {
    fn failed_share(&self) -> f64 {
        let answers = self.answered + self.failed;
        f64::from(self.failed) / f64::from(answers.max(1))
    }

    fn mean_latency(&self) -> Option<f64> {
        (self.answered > 0).then(|| self.latency_seconds / real(i64::from(self.answered)))
    }
}

#[cfg(test)]
mod tests;
