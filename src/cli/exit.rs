//! The outcome of a command.

/// The outcome of a command that did not fail with an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// Done, but some records were rejected: 3.
    DoneWithRejections,
}
