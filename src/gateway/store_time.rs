//! How long a client may wait for the store. Each request has a time limit for all its queries. A
//! store that did not answer in time is not queried for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long a store that did not answer is not queried: long enough that few requests wait for it,
/// and short enough that it is soon used again when it is back.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// The extra time for an order with `replaces`, for each of its two steps. Clients treat an answer
/// without the field as an error (RFC 9773 section 5).
const FOR_REPLACES: Duration = Duration::from_secs(1);

/// What the requests of a gateway have learned about the store.
#[derive(Debug)]
pub(super) struct Patience {
    within: Duration,
    /// It did not answer within a request's time limit …
    late: Lately,
    /// … or within the limit for `replaces`.
    silent: Lately,
}

/// The time that a request has left for the store.
#[derive(Debug)]
pub(super) struct StoreTime {
    patience: Arc<Patience>,
    left: Mutex<Duration>,
}

/// A recent event, for as long as it counts.
#[derive(Debug, Default)]
struct Lately(Mutex<Option<Instant>>);

impl Lately {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_so(&self) -> bool {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < LEFT_ALONE)
    }
}

impl Patience {
    /// With this time limit for each request.
    pub(super) fn new(within: Duration) -> Arc<Self> {
        Arc::new(Self {
            within,
            late: Lately::default(),
            silent: Lately::default(),
        })
    }

    /// The time limit of a new request.
    pub(super) fn of_request(self: &Arc<Self>) -> StoreTime {
        StoreTime {
            patience: Arc::clone(self),
            left: Mutex::new(self.within),
        }
    }
}

impl StoreTime {
    /// Whether the store recently failed to answer.
    pub(super) fn is_away(&self) -> bool {
        self.patience.late.is_so() || self.patience.silent.is_so()
    }

    /// Waits for the store; `None` if it is not queried or does not answer in time.
    pub(super) async fn ask<T>(&self, asking: impl Future<Output = T>) -> Option<T> {
        if self.is_away() {
            return None;
        }
        let left = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let answered = timeout(left, asking).await.ok();
        let left = left.saturating_sub(begun.elapsed());
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
        if answered.is_none() {
            self.patience.late.note();
        }
        answered
    }

    /// Waits for the store in a step of `replaces`, with a separate time limit, even if it was late
    /// before.
    pub(super) async fn ask_of_replaces<T>(&self, asking: impl Future<Output = T>) -> Option<T> {
        if self.patience.silent.is_so() {
            return None;
        }
        let answered = timeout(FOR_REPLACES, asking).await.ok();
        if answered.is_none() {
            self.patience.silent.note();
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const WITHIN: Duration = Duration::from_millis(160);

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_so_long_in_all_and_the_next_not_at_all() {
        let patience = Patience::new(WITHIN);
        let (first, begun) = (patience.of_request(), Instant::now());
        let slow = async {
            sleep(Duration::from_millis(100)).await;
            7
        };
        assert_eq!(first.ask(slow).await, Some(7));
        assert_eq!(first.ask(pending::<()>()).await, None);
        assert_eq!(begun.elapsed(), WITHIN);
        // Neither this request nor another waits again …
        for time in [&first, &patience.of_request()] {
            assert!(time.is_away());
            assert_eq!(time.ask(pending::<()>()).await, None);
        }
        assert_eq!(begun.elapsed(), WITHIN);
        // … except for `replaces`, until that takes too long as well …
        let second = patience.of_request();
        assert_eq!(second.ask_of_replaces(async { 9 }).await, Some(9));
        for _ in 0..2 {
            assert_eq!(second.ask_of_replaces(pending::<()>()).await, None);
        }
        assert_eq!(begun.elapsed(), WITHIN + FOR_REPLACES);
        // … until a moment later, when one finds that it is back.
        sleep(LEFT_ALONE).await;
        assert_eq!(patience.of_request().ask(async { 8 }).await, Some(8));
    }
}
