//! Progress reports of an import.

use super::lines::Position;
use crate::engine::verdict::Verdict;

/// Is told how an import goes on.
pub trait Watch: Send {
    /// A record was judged.
    fn judged(&mut self, line: u64, verdict: &Verdict);
    /// Everything before `at` is durable and judged.
    fn reached(&mut self, at: Position);
    /// An earlier run was broken off; this one judges the records from `at` on.
    fn resumed(&mut self, at: Position);
}
