//! A log that is followed, and when it is asked next.

use std::time::Duration;

use tokio::time::Instant;

use super::remote::RemoteLog;
use super::start::next_look;
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::list::Log;
use crate::domain::transparency::tile::WIDTH;

/// The wait after a log has failed: doubled up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A log that is followed.
pub(super) struct Followed {
    pub(super) remote: RemoteLog,
    /// As it was shown last.
    pub(super) tree: Option<SignedTree>,
    /// Not asked before then, and so long after the next failure.
    wait: Duration,
    asked_from: Instant,
    /// Not asked for its tree before then: it will have no block sooner that is to be read.
    looked_from: Instant,
    /// When it was shown last that it had grown, and to which size.
    grown: Option<(Instant, u64)>,
}

impl Followed {
    pub(super) fn new(log: Log) -> Self {
        Self {
            remote: RemoteLog::new(log),
            tree: None,
            wait: FIRST_WAIT,
            asked_from: Instant::now(),
            looked_from: Instant::now(),
            grown: None,
        }
    }

    /// Whether it may be asked now; else it is left alone, having failed.
    pub(super) fn is_asked(&self) -> bool {
        self.asked_from <= Instant::now()
    }

    /// Whether it may be asked now and has something to say, as far as can be told.
    pub(super) fn is_to_be_looked_at(&self) -> bool {
        self.is_asked() && self.looked_from <= Instant::now()
    }

    /// Says that this block is to be read next: it is asked for its tree when that is due.
    pub(super) fn pace(&mut self, block: u64) {
        let Some(tree) = &self.tree else {
            return;
        };
        let now = Instant::now();
        let (since, size) = *self.grown.get_or_insert((now, tree.size));
        let missing = ((block + 1) * WIDTH).saturating_sub(tree.size);
        self.looked_from = now + next_look(missing, tree.size.saturating_sub(size), now - since);
        if tree.size > size {
            self.grown = Some((now, tree.size));
        }
    }

    /// It has given a block.
    pub(super) const fn went_well(&mut self) {
        self.wait = FIRST_WAIT;
    }

    /// It has failed, and may have said when it may be asked again.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>) {
        self.asked_from = Instant::now() + retry_after.unwrap_or(self.wait);
        if retry_after.is_none() {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }
}
