//! Progress reports of an import.

use super::lines::Position;
use crate::engine::verdict::Verdict;

/// Receives the progress of an import.
pub trait Watch: Send {
    /// A record has its verdict.
    fn judged(&mut self, line: u64, verdict: &Verdict);
    /// Everything before `at` is durable and reported.
    fn reached(&mut self, at: Position);
    /// An earlier run was interrupted; this one reports the records from `at` on.
    fn resumed(&mut self, at: Position);
}
