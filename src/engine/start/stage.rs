//! The stages of a process that started with the index's file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::watch;

use crate::domain::time::Timestamp;

/// The stages of a process that started with the index's file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Stage {
    /// The store has not been reached: the file's content is answered, nothing is accepted.
    Offline,
    /// The index follows the store; the ledger and other sums do not exist yet.
    Following,
    /// Everything is available.
    Ready,
}

/// The index's file, and the stage of a process that started with it.
#[derive(Debug)]
pub(in crate::engine) struct Resuming {
    /// `None` if no file is kept.
    pub(in crate::engine) path: Option<PathBuf>,
    pub(in crate::engine) written_at: AtomicI64,
    pub(in crate::engine) stage: watch::Sender<Stage>,
    /// Whether the index came from a file and has followed the store since. Then it is complete,
    /// and need not be summed from the store.
    pub(in crate::engine) follows: AtomicBool,
}

impl Resuming {
    /// Everything is summed, and no file is kept.
    pub(in crate::engine) fn complete() -> Self {
        Self {
            path: None,
            written_at: AtomicI64::new(0),
            stage: watch::Sender::new(Stage::Ready),
            follows: AtomicBool::new(false),
        }
    }

    /// With a file.
    pub(in crate::engine) fn at(path: PathBuf, now: Timestamp, stage: Stage) -> Self {
        Self {
            path: Some(path),
            written_at: AtomicI64::new(now.unix()),
            stage: watch::Sender::new(stage),
            follows: AtomicBool::new(false),
        }
    }

    pub(in crate::engine) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    pub(in crate::engine) fn reach(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Records that the index came from a file and has followed the store since.
    pub(in crate::engine) fn follow(&self) {
        self.follows.store(true, Ordering::Relaxed);
    }

    /// Logs that the file cannot be used.
    pub(in crate::engine) fn ignore(&self, reason: &str) {
        if let Some(path) = &self.path {
            ignore(path, reason);
        }
    }
}

pub(in crate::engine) fn ignore(path: &Path, reason: &str) {
    tracing::warn!(event = "snapshot_ignored", path = %path.display(), reason);
}
