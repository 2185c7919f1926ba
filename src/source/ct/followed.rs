//! A followed log, and when to ask it next.

use std::time::Duration;

use tokio::time::Instant;

use super::remote::RemoteLog;
use super::start::next_look;
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::list::Log;
use crate::domain::transparency::tile::WIDTH;

/// The wait after a log's failure; it doubles up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A followed log.
pub(super) struct Followed {
    pub(super) remote: RemoteLog,
    /// The last tree seen.
    pub(super) tree: Option<SignedTree>,
    /// The wait after its next failure.
    wait: Duration,
    asked_from: Instant,
    /// Its tree is not requested before this time, because it cannot have another block to read
    /// sooner.
    looked_from: Instant,
    /// When it was last seen to have grown, and to which size.
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

    /// Whether it may be asked now; it is left alone after a failure.
    pub(super) fn is_asked(&self) -> bool {
        self.asked_from <= Instant::now()
    }

    /// Whether it may be asked now and probably has something new.
    pub(super) fn is_to_be_looked_at(&self) -> bool {
        self.is_asked() && self.looked_from <= Instant::now()
    }

    /// Schedules the next request for its tree, when this block should be available.
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

    /// A block was read.
    pub(super) const fn went_well(&mut self) {
        self.wait = FIRST_WAIT;
    }

    /// It failed, and may have said when to try again.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>) {
        self.asked_from = Instant::now() + retry_after.unwrap_or(self.wait);
        if retry_after.is_none() {
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        }
    }
}
