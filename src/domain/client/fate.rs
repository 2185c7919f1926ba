//! The outcome of a window.

/// What became of a window.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Fate {
    /// Its client followed it.
    Kept,
    /// Its client renewed at another time, or not at all.
    Broken,
    /// It cannot be said, not yet or never.
    #[default]
    NotYet,
}
