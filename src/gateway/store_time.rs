//! How long a client may wait for the store. Each request has a time limit for all its questions,
//! and a store that did not answer within it is not asked at all for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long a store that did not answer is left alone: so that few wait for it, and it is soon used again
/// when it is back.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// How long an order waits that names what it replaces, for each of the two steps that this takes: clients take
/// an answer that does not reflect the field for an error (RFC 9773 section 5).
const FOR_REPLACES: Duration = Duration::from_secs(1);

/// What one gateway's requests have learned of the store.
#[derive(Debug)]
pub(super) struct Patience {
    within: Duration,
    /// It did not answer in the time of a request …
    late: Lately,
    /// … or in that of `replaces`.
    silent: Lately,
}

/// The time that one request has left for the store.
#[derive(Debug)]
pub(super) struct StoreTime {
    patience: Arc<Patience>,
    left: Mutex<Duration>,
}

/// Something that happened, for as long as it counts.
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
    /// So much time for each request.
    pub(super) fn new(within: Duration) -> Arc<Self> {
        Arc::new(Self {
            within,
            late: Lately::default(),
            silent: Lately::default(),
        })
    }

    /// The time of a new request.
    pub(super) fn of_request(self: &Arc<Self>) -> StoreTime {
        StoreTime {
            patience: Arc::clone(self),
            left: Mutex::new(self.within),
        }
    }
}

impl StoreTime {
    /// Whether the store did not answer a moment ago.
    pub(super) fn is_away(&self) -> bool {
        self.patience.late.is_so() || self.patience.silent.is_so()
    }

    /// Waits for the store; `None`: it is not asked, or does not answer in the time that is left.
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

    /// Waits for what the store has to say of `replaces`: on a time of its own, and also where it was late.
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
        // … but for what a client takes for an error, until that takes too long as well …
        let second = patience.of_request();
        assert_eq!(second.ask_of_replaces(async { 9 }).await, Some(9));
        for _ in 0..2 {
            assert_eq!(second.ask_of_replaces(pending::<()>()).await, None);
        }
        assert_eq!(begun.elapsed(), WITHIN + FOR_REPLACES);
        // … until a moment later, and then one finds that it is back.
        sleep(LEFT_ALONE).await;
        assert_eq!(patience.of_request().ask(async { 8 }).await, Some(8));
    }
}
