//! The outcome of a window.

/// What happened after a certificate was given its window.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Fate {
    /// The client renewed in its window.
    Kept,
    /// The client renewed at another time, or not at all.
    Broken,
    /// Not known yet, or impossible to know.
    #[default]
    NotYet,
}
