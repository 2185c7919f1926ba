//! How a command ended.

/// How a command that was not stopped by an error ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// Done, but some records were rejected: 3.
    DoneWithRejections,
}
