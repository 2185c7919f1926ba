//! Held requests as futures. A task releases them one by one, as `domain::admission` decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::domain::admission::{self as domain, Event, Limits, Moment, Request, Ticket};
use crate::domain::time::Timestamp;

/// The decision about a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It may be forwarded.
    Forward,
    /// Its account is over its own limit.
    OverLimit {
        /// Seconds until the limit allows another.
        retry_after_seconds: i64,
    },
    /// There is no place for it.
    TurnAway {
        /// Seconds until its assigned second.
        retry_after_seconds: i64,
    },
}

/// Requests that wait for admission. A held one is a one-shot channel and an entry in the state,
/// about 300 octets in addition to its connection.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something arrived, left or changed, so the task must check when it is needed next.
    changed: Arc<Notify>,
    began: Instant,
    began_at: Moment,
}

#[derive(Debug)]
struct State {
    admission: domain::Admission,
    held: HashMap<Ticket, oneshot::Sender<Verdict>>,
}

impl Queue {
    /// An empty queue, and the task that releases requests; the task ends with the queue. `now` is
    /// the present time; from then on a monotonic clock is used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(super) fn start(now: Timestamp, limits: Limits) -> Arc<Self> {
        let queue = Arc::new(Self {
            state: Mutex::new(State {
                admission: domain::Admission::new(limits),
                held: HashMap::new(),
            }),
            changed: Arc::new(Notify::new()),
            began: Instant::now(),
            began_at: Moment::from_second(now.unix()),
        });
        let changed = Arc::clone(&queue.changed);
        tokio::spawn(let_go(Arc::downgrade(&queue), changed));
        queue
    }

    /// Adopts a new configuration. Held requests stay.
    pub(super) fn adopt(&self, limits: Limits) {
        self.state().admission.adopt(limits);
        self.changed.notify_one();
    }

    /// After this time nothing is held.
    pub(super) fn close(&self, after: Duration) {
        let nanos = i64::try_from(after.as_nanos()).unwrap_or(i64::MAX);
        let at = self.now() + nanos;
        self.state().admission.close(at);
        self.changed.notify_one();
    }

    /// Waits for the decision about a request. Dropping the future gives up its place at once.
    pub(super) async fn admit(&self, request: &Request) -> Verdict {
        let Some(mut held) = self.ask(request) else {
            return Verdict::Forward;
        };
        match held {
            Asked::Answered(verdict) => verdict,
            Asked::Held(ref mut held) => held.verdict().await,
        }
    }

    /// Reports the outcome of a forwarded order.
    pub(super) fn answered(&self, latency: Duration, outcome: domain::Outcome) {
        let nanos = i64::try_from(latency.as_nanos()).unwrap_or(i64::MAX);
        let now = self.now();
        self.state().admission.answered(now, nanos, outcome);
    }

    /// The client of a forwarded order left before the answer.
    pub(super) fn abandoned(&self) {
        self.state().admission.abandoned();
    }

    /// Whether demand exceeds what the upstream can handle.
    pub(super) fn is_loaded(&self) -> bool {
        self.state().admission.is_loaded()
    }

    /// The number of held requests.
    pub(super) fn held(&self) -> usize {
        self.state().admission.held()
    }

    fn ask(&self, request: &Request) -> Option<Asked<'_>> {
        let mut state = self.state();
        let ticket = match state.admission.ask(self.now(), request) {
            domain::Decision::Forward => return None,
            domain::Decision::Hold(ticket) => ticket,
            domain::Decision::OverLimit {
                retry_after_seconds,
            } => {
                return Some(Asked::Answered(Verdict::OverLimit {
                    retry_after_seconds,
                }));
            }
            domain::Decision::TurnAway {
                retry_after_seconds,
            } => {
                return Some(Asked::Answered(Verdict::TurnAway {
                    retry_after_seconds,
                }));
            }
        };
        let (sender, receiver) = oneshot::channel();
        state.held.insert(ticket, sender);
        self.changed.notify_one();
        Some(Asked::Held(Held {
            queue: self,
            ticket,
            receiver: Some(receiver),
        }))
    }

    /// Does everything that is due now; returns when there is more to do.
    fn turn(&self) -> Option<Instant> {
        let now = self.now();
        let mut state = self.state();
        while let Some(event) = state.admission.next(now) {
            let (ticket, verdict) = match event {
                Event::Forward(ticket) => (ticket, Verdict::Forward),
                Event::TurnAway {
                    ticket,
                    retry_after_seconds,
                } => (
                    ticket,
                    Verdict::TurnAway {
                        retry_after_seconds,
                    },
                ),
            };
            let Some(sender) = state.held.remove(&ticket) else {
                continue;
            };
            // Its client left at this instant, so the next one is forwarded.
            if sender.send(verdict) == Err(Verdict::Forward) {
                state.admission.unused(now);
            }
        }
        let wakes = state.admission.wakes_at(now)?;
        let nanos = u64::try_from(wakes - self.began_at).unwrap_or_default();
        Some(self.began + Duration::from_nanos(nanos))
    }

    fn leave(&self, ticket: Ticket) {
        let now = self.now();
        let mut state = self.state();
        if state.held.remove(&ticket).is_some() {
            state.admission.leave(now, ticket);
        }
    }

    fn unused(&self) {
        let now = self.now();
        self.state().admission.unused(now);
        self.changed.notify_one();
    }

    fn now(&self) -> Moment {
        let nanos = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.began_at + nanos
    }

    /// Every change leaves the state consistent, so a panicked thread does no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// The queue's response to a request.
enum Asked<'q> {
    Answered(Verdict),
    Held(Held<'q>),
}

/// A held request. If dropped before its decision is read, it gives up its place.
struct Held<'q> {
    queue: &'q Queue,
    ticket: Ticket,
    receiver: Option<oneshot::Receiver<Verdict>>,
}

impl Held<'_> {
    async fn verdict(&mut self) -> Verdict {
        let busy = Verdict::TurnAway {
            retry_after_seconds: 60,
        };
        let Some(receiver) = self.receiver.as_mut() else {
            return busy;
        };
        // The sender is dropped without a message only when the queue is dropped.
        let verdict = receiver.await.unwrap_or(busy);
        self.receiver = None;
        verdict
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let Some(mut receiver) = self.receiver.take() else {
            return;
        };
        self.queue.leave(self.ticket);
        if receiver.try_recv() == Ok(Verdict::Forward) {
            self.queue.unused();
        }
    }
}

/// Releases requests, each at its time, until the queue is dropped.
async fn let_go(queue: Weak<Queue>, changed: Arc<Notify>) {
    loop {
        let Some(wakes) = queue.upgrade().map(|queue| queue.turn()) else {
            return;
        };
        match wakes {
            Some(wakes) => tokio::select! {
                () = sleep_until(wakes) => {}
                () = changed.notified() => {}
            },
            None => changed.notified().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::domain::admission::{Outcome, Party, Renewal};

    const NOW: Timestamp = Timestamp::from_unix(1_795_824_000);

    fn limits(per_second: f64) -> Limits {
        Limits {
            new_orders_per_second: Some(per_second),
            ceilings: Vec::new(),
            held: 1_000,
            held_octets: 1 << 20,
            per_account: None,
        }
    }

    fn request(n: u64) -> Request {
        Request {
            party: Party::Account(n),
            order: n,
            renewal: Renewal::No,
            failures: 0,
            hold_seconds: 20,
            octets: 100,
        }
    }

    /// Makes this many requests, and returns the seconds that each took and its decision.
    async fn all(queue: &Arc<Queue>, count: u64) -> Vec<(f64, Verdict)> {
        let began = Instant::now();
        let tasks = (0..count).map(|n| {
            let queue = Arc::clone(queue);
            tokio::spawn(async move {
                let verdict = queue.admit(&request(n)).await;
                queue.answered(Duration::ZERO, Outcome::Answered);
                (began.elapsed().as_secs_f64(), verdict)
            })
        });
        let tasks: Vec<_> = tasks.collect();
        let mut came = Vec::new();
        for task in tasks {
            came.push(task.await.unwrap());
        }
        came
    }

    #[tokio::test(start_paused = true)]
    async fn a_spike_is_let_go_at_the_rate() {
        let queue = Queue::start(NOW, limits(10.0));
        let came = all(&queue, 150).await;
        assert!(came.iter().all(|(_, verdict)| *verdict == Verdict::Forward));
        let mut seconds: Vec<f64> = came.iter().map(|(seconds, _)| *seconds).collect();
        seconds.sort_by(f64::total_cmp);
        assert!((14.5..16.0).contains(&seconds[149]), "{}", seconds[149]);
        for ten in seconds.windows(11) {
            assert!(ten[10] - ten[0] >= 1.0, "{ten:?}");
        }
        assert_eq!(queue.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_turned_away_at_once() {
        let queue = Queue::start(NOW, limits(2.0));
        let came = all(&queue, 100).await;
        let away: Vec<_> = came
            .iter()
            .filter(|(_, verdict)| *verdict != Verdict::Forward)
            .collect();
        assert!((55..=65).contains(&away.len()), "{}", away.len());
        assert!(away.iter().all(|(seconds, _)| *seconds < 0.1));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_goes_gives_up_its_place_at_once() {
        let queue = Queue::start(NOW, limits(1.0));
        assert_eq!(queue.admit(&request(0)).await, Verdict::Forward);
        let leaving = timeout(Duration::from_millis(500), queue.admit(&request(1))).await;
        assert!(leaving.is_err());
        assert_eq!(queue.held(), 0);
        let began = Instant::now();
        assert_eq!(queue.admit(&request(2)).await, Verdict::Forward);
        assert!(
            began.elapsed() < Duration::from_millis(600),
            "the place was free"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_given_to_one_that_went_is_given_to_the_next() {
        let queue = Queue::start(NOW, limits(1.0));
        assert_eq!(queue.admit(&request(0)).await, Verdict::Forward);
        let Some(Asked::Held(goes)) = queue.ask(&request(1)) else {
            panic!("it is held");
        };
        let Some(Asked::Held(mut next)) = queue.ask(&request(2)) else {
            panic!("it is held");
        };
        advance(Duration::from_millis(1_005)).await;
        queue.turn();
        // The decision is already sent when it leaves.
        drop(goes);
        queue.turn();
        let verdict = timeout(Duration::from_millis(1), next.verdict()).await;
        assert_eq!(verdict, Ok(Verdict::Forward));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_limit_is_in_force_at_once() {
        let queue = Queue::start(NOW, limits(0.1));
        assert_eq!(queue.admit(&request(0)).await, Verdict::Forward);
        let held = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { queue.admit(&request(1)).await })
        };
        tokio::task::yield_now().await;
        let began = Instant::now();
        queue.adopt(Limits {
            new_orders_per_second: None,
            ..limits(1.0)
        });
        assert_eq!(held.await.unwrap(), Verdict::Forward);
        assert!(began.elapsed() < Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_ends_with_the_queue() {
        let queue = Queue::start(NOW, limits(1.0));
        let changed = Arc::downgrade(&queue.changed);
        drop(queue);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(changed.upgrade().is_none());
    }
}
