use std::collections::BTreeMap;

use super::*;
use crate::admission::moment::nanos;

/// An upstream that answers `capacity` orders a second after 50 ms. Further orders fail or wait.
struct Simulated {
    capacity: f64,
    fails: bool,
    waiting: f64,
    now: Moment,
    /// The arrival time of each answer, with the time it was sent and its outcome.
    answers: BTreeMap<(Moment, u64), (Moment, Outcome)>,
    sent: u64,
    failed: u64,
}

impl Simulated {
    fn new(capacity: f64, fails: bool) -> Self {
        let now = Moment::from_second(1_795_262_400);
        Self {
            capacity,
            fails,
            waiting: 0.0,
            now,
            answers: BTreeMap::new(),
            sent: 0,
            failed: 0,
        }
    }

    /// Runs ten steps a second with `demand` orders a second. Returns the orders sent and the
    /// failures, in the last second.
    fn run(&mut self, shown: &mut Shown, demand: f64, seconds: u32) -> (f64, u32) {
        let (mut sent, mut failed, mut due) = (0.0, 0, 0.0);
        for step in 0..seconds * 10 {
            if step % 10 == 0 {
                (sent, failed) = (0.0, 0);
            }
            self.now = self.now + SECOND / 10;
            while let Some(answer) = self.answers.first_entry() {
                let ((at, _), (from, outcome)) = (*answer.key(), *answer.get());
                if at > self.now {
                    break;
                }
                answer.remove();
                shown.answered(at, at - from, outcome);
            }
            let limit = shown.per_second(self.now);
            if limit.is_some_and(|limit| limit < demand) {
                shown.used_up(self.now);
            }
            due += limit.map_or(demand, |limit| limit.min(demand)) / 10.0;
            self.waiting = (self.waiting - self.capacity / 10.0).max(0.0);
            while due >= 1.0 {
                due -= 1.0;
                sent += 1.0;
                shown.sent(self.now);
                let over = self.waiting >= self.capacity / 10.0;
                let outcome = if over && self.fails || self.capacity == 0.0 {
                    failed += 1;
                    self.failed += 1;
                    Outcome::Overloaded
                } else {
                    self.waiting += 1.0;
                    Outcome::Answered
                };
                let latency = 0.05 + self.waiting / self.capacity.max(1.0);
                let at = self.now + nanos(latency.min(30.0));
                self.sent += 1;
                self.answers.insert((at, self.sent), (self.now, outcome));
            }
        }
        (sent, failed)
    }
}

#[test]
fn an_upstream_that_copes_has_no_limit() {
    let mut shown = Shown::default();
    let mut upstream = Simulated::new(100.0, true);
    assert_eq!(upstream.run(&mut shown, 40.0, 600), (40.0, 0));
    assert_eq!(shown.per_second(upstream.now), None);
}

#[test]
fn a_capacity_that_shows_by_failures_is_found_and_kept() {
    let mut shown = Shown::default();
    let mut upstream = Simulated::new(50.0, true);
    upstream.run(&mut shown, 30.0, 60);
    upstream.run(&mut shown, 500.0, 60);
    // Ignore what happened before the congestion was noticed.
    (upstream.failed, upstream.sent) = (0, 0);
    for _ in 0..60 {
        let (sent, _) = upstream.run(&mut shown, 500.0, 10);
        assert!((40.0..=57.0).contains(&sent), "{sent}");
    }
    let (failed, sent) = (upstream.failed, upstream.sent);
    assert!(failed * 50 < sent, "{failed} of {sent}");
}

#[test]
fn a_capacity_that_shows_by_latency_is_found_and_kept() {
    let mut shown = Shown::default();
    let mut upstream = Simulated::new(50.0, false);
    upstream.run(&mut shown, 30.0, 60);
    upstream.run(&mut shown, 100.0, 60);
    for _ in 0..60 {
        let (sent, _) = upstream.run(&mut shown, 100.0, 10);
        assert!((30.0..=65.0).contains(&sent), "{sent}");
        assert!(upstream.waiting < 100.0, "{}", upstream.waiting);
    }
}

#[test]
fn a_dead_upstream_is_tried_with_few_and_used_again_soon_after_it_is_back() {
    let mut shown = Shown::default();
    let mut upstream = Simulated::new(100.0, true);
    upstream.run(&mut shown, 60.0, 60);
    upstream.capacity = 0.0;
    let (sent, _) = upstream.run(&mut shown, 60.0, 60);
    assert!(sent <= 2.0, "{sent}");
    upstream.capacity = 100.0;
    let (sent, failed) = upstream.run(&mut shown, 60.0, 120);
    assert!(sent >= 55.0 && failed == 0, "{sent} {failed}");
    upstream.run(&mut shown, 30.0, 700);
    assert_eq!(
        shown.per_second(upstream.now),
        None,
        "and the limit is forgotten"
    );
}

#[test]
fn one_that_hangs_is_seen_without_an_answer() {
    let mut shown = Shown::default();
    let now = Moment::from_second(9);
    for _ in 0..5 {
        shown.sent(now);
    }
    assert_eq!(shown.per_second(now + 9 * SECOND), None);
    assert_eq!(shown.per_second(now + 10 * SECOND), Some(LEAST_PER_SECOND));
}

#[test]
fn one_order_that_always_fails_is_no_congestion() {
    let mut shown = Shown::default();
    let mut now = Moment::from_second(9);
    for n in 0..1_000 {
        now = now + SECOND / 20;
        shown.sent(now);
        let outcome = if n % 20 == 0 {
            Outcome::Overloaded
        } else {
            Outcome::Answered
        };
        shown.answered(now, SECOND / 50, outcome);
        assert_eq!(shown.per_second(now), None);
    }
}

/// Refusals are immediate, and any client can cause them.
#[test]
fn refusals_say_nothing_of_how_long_an_order_takes() {
    let mut shown = Shown::default();
    let mut now = Moment::from_second(1_795_262_400);
    let mut seconds_of = |seconds: u32, orders: u32, refused: u32| {
        let mut limits = Vec::new();
        for _ in 0..seconds {
            for (count, latency, outcome) in [
                (orders, 0.3, Outcome::Answered),
                (refused, 0.001, Outcome::Refused),
            ] {
                for _ in 0..count {
                    shown.sent(now);
                    shown.answered(now + nanos(latency), nanos(latency), outcome);
                }
            }
            now = now + SECOND;
            limits.extend(shown.per_second(now));
        }
        limits
    };
    assert_eq!(seconds_of(60, 10, 0), [0.0; 0]);
    assert_eq!(seconds_of(45, 0, 20), [0.0; 0]);
    assert_eq!(seconds_of(60, 10, 0), [0.0; 0]);
    assert_eq!(seconds_of(120, 10, 40), [0.0; 0]);
    // Nor do they hide that orders take ten times as long.
    let slow = (0..120).find_map(|_| {
        for _ in 0..10 {
            shown.sent(now);
            shown.answered(now + nanos(3.0), nanos(3.0), Outcome::Answered);
            shown.sent(now);
            shown.answered(now + nanos(0.001), nanos(0.001), Outcome::Refused);
        }
        now = now + SECOND;
        shown.per_second(now)
    });
    assert!(slow.is_some());
}
