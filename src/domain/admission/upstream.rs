//! Measures how many new orders a second the upstream can handle, from its answers.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain 1989), with the slow start of TCP (RFC
//! 5681 section 3.1), applied to a rate in place of a window. Signs of congestion are failed
//! answers and the latency gradient: the present latency relative to the usual one, with a
//! tolerance as in Netflix's `Gradient2Limit` (<https://github.com/Netflix/concurrency-limits>).
//! Until there is congestion, there is no limit.

use super::moment::{Moment, SECOND, seconds};
use crate::math::number::real;

/// The outcome of a new order at the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It created an order.
    Answered,
    /// It refused, with an ACME problem. That is not a failure, but a quick refusal says nothing
    /// about the time needed to create an order. Any client can cause refusals.
    Refused,
    /// 500, 502, 503, 504, an answer that is not ACME's, or none in time.
    Overloaded,
}

/// An interval is evaluated when it has this many orders and failures …
const ENOUGH_ANSWERS: u32 = 10;
/// … and has lasted this many seconds, or, with fewer orders, this many. Silence for as long is
/// congestion.
const SHORTEST_SECONDS: i64 = 1;
const LONGEST_SECONDS: i64 = 10;

/// The share of failed answers means congestion if it exceeds the usual share by this much. Some
/// orders always fail at the upstream, so the usual share may not be 0.
const FAILED_SHARE: f64 = 0.02;
/// Fewer failures or missing answers than this count as chance.
const FEWEST_FAILED: u32 = 3;

/// The latency means congestion above this multiple of the usual one (`Gradient2Limit` uses 1.5;
/// orders are slower and vary more than the internal calls it was chosen for) …
const TOLERANCE: f64 = 2.0;
/// … and above the usual one plus this many seconds: 5 ms instead of 2 ms is noise.
const NOISE_SECONDS: f64 = 0.1;

/// The factor applied to the answered rate after congestion. The remaining tenth clears the
/// upstream's backlog. Netflix's `AIMDLimit` uses the same.
const DECREASE: f64 = 0.9;
/// The increase for each interval without congestion that used up the rate: 2 % of the rate before
/// the last congestion, so that it is reached again after five intervals.
const INCREASE: f64 = 0.02;
/// The rate for probing a dead upstream, in new orders a second: enough to notice within an
/// interval that it is back, and so low that hardly any client fails because of it.
const LEAST_PER_SECOND: f64 = 1.0;

/// The weight of each interval in the usual latency: the mean of about the last 20.
const USUAL_SHARE: f64 = 0.05;
/// The weight during congestion. If an upstream has become permanently slower, its latency is
/// accepted as usual after some minutes.
const CONGESTED_SHARE: f64 = 0.01;

/// After this many seconds in which the rate was not used up and nothing failed, the limit is
/// removed.
const FORGOTTEN_SECONDS: i64 = 600;

/// What has been measured so far.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// New orders a second; `None` if there is no limit.
    per_second: Option<f64>,
    /// The rate doubles up to this, and grows in steps above it.
    threshold: f64,
    /// Recently answered new orders a second.
    usual_per_second: f64,
    /// The usual latency in seconds.
    usual_latency: Option<f64>,
    /// The usual share of failed answers, 0 to 1.
    usual_failed: f64,
    /// Answers to orders sent before this time say nothing about the present rate.
    decreased: Moment,
    /// When the rate was last used up, or exceeded.
    needed: Moment,
    in_flight: u32,
    /// When the upstream last answered, or was last idle.
    last_answer: Moment,
    interval: Interval,
}

/// Measurements since the last evaluation.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    began: Option<Moment>,
    /// The number of orders.
    answered: u32,
    refused: u32,
    failed: u32,
    /// The sum over all orders.
    latency_seconds: f64,
    used_up: bool,
}

impl Shown {
    /// A new order is forwarded.
    pub fn sent(&mut self, now: Moment) {
        if self.in_flight == 0 {
            self.last_answer = now;
        }
        self.in_flight += 1;
    }

    /// A forwarded order will get no answer, because its client disconnected.
    pub fn abandoned(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The upstream answered an order that was forwarded this many nanoseconds ago.
    pub fn answered(&mut self, now: Moment, latency_nanos: i64, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_answer = now;
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

    /// A request has to wait for the rate.
    pub fn used_up(&mut self, now: Moment) {
        self.interval.used_up = true;
        self.needed = now;
    }

    /// New orders a second that the upstream can handle; `None` if there is no limit.
    pub fn per_second(&mut self, now: Moment) -> Option<f64> {
        if let Some(began) = self.interval.began {
            let long = now - began;
            let answers = self.interval.answered + self.interval.failed;
            let enough = answers >= ENOUGH_ANSWERS && long >= SHORTEST_SECONDS * SECOND;
            if enough || long >= LONGEST_SECONDS * SECOND {
                self.decide(now, seconds(long));
            }
        }
        let silent = now - self.last_answer >= LONGEST_SECONDS * SECOND;
        if silent && self.in_flight >= FEWEST_FAILED {
            self.last_answer = now;
            self.decrease(now, 0.0);
        }
        self.per_second
    }

    /// The rate before the last congestion, or the present one if that is higher. Future seconds
    /// are assigned by it, assuming that a dead upstream will be back by then.
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
        // A dead upstream says nothing about its rate after recovery.
        if answered_per_second > 0.0 || self.per_second.is_none() {
            // Failures in the last seconds before recovery say little, so try half the rate next.
            let half = self.threshold / 2.0;
            self.threshold = (DECREASE * before).max(half).max(LEAST_PER_SECOND);
        }
        let answered = before.min(answered_per_second);
        self.per_second = Some((DECREASE * answered).max(LEAST_PER_SECOND));
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

    /// Updates the usual latency and share of failures.
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
