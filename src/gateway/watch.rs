//! Tracks whether the upstream is available, and how long it has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::time::Timestamp;

/// What a process knows about its upstream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
    /// The last logged reason why the directory could not be fetched.
    said: Mutex<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Since when there were only failures.
    pub(super) failing_since: Option<Timestamp>,
    /// The incident that this process opened or found open.
    pub(super) outage: Option<i64>,
    /// Whether it has looked for an incident left open.
    pub(super) looked: bool,
}

impl Watch {
    /// A request failed: there was no answer, or one that only says that the upstream is overloaded
    /// or broken.
    pub(super) fn failed(&self, now: Timestamp) {
        self.seen().failing_since.get_or_insert(now);
    }

    /// The upstream answered.
    pub(super) fn answered(&self) {
        self.seen().failing_since = None;
    }

    /// Locks the state for changes.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the reason differs from the last one; records it.
    pub(super) fn is_news(&self, reason: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *said != reason;
        reason.clone_into(&mut said);
        is_news
    }

    /// The present state.
    pub(super) fn now_seen(&self) -> Seen {
        *self.seen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_last_from_the_first_to_the_next_answer() {
        let watch = Watch::default();
        watch.failed(Timestamp::from_unix(5));
        watch.failed(Timestamp::from_unix(9));
        let since = watch.now_seen().failing_since;
        assert_eq!(since, Some(Timestamp::from_unix(5)));
        watch.answered();
        assert_eq!(watch.now_seen().failing_since, None);
    }
}
