//! Whether the upstream is there: how long it has only failed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::time::Timestamp;

/// What one process knows of its upstream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Mutex<Seen>,
    /// Why the directory could not be had, as it was said last.
    said: Mutex<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Since when nothing but failures came.
    pub(super) failing_since: Option<Timestamp>,
    /// The incident that this process opened or found open.
    pub(super) outage: Option<i64>,
    /// Whether it has looked for one that was left open.
    pub(super) looked: bool,
}

impl Watch {
    /// A request came to nothing: no answer, or one that says no more than that it is overloaded or
    /// broken.
    pub(super) fn failed(&self, now: Timestamp) {
        self.seen().failing_since.get_or_insert(now);
    }

    /// The upstream answered.
    pub(super) fn answered(&self) {
        self.seen().failing_since = None;
    }

    /// What is seen, to be changed.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something else was said last; from now on it is this.
    pub(super) fn is_news(&self, reason: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *said != reason;
        reason.clone_into(&mut said);
        is_news
    }

    /// What is seen now.
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
