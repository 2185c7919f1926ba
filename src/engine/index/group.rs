//! A certificate's group in the experiment, and when it was renewed relative to its window.

use crate::domain::certificate::Basis;
use crate::domain::time::{Span, Timestamp};

/// The kind of window that a certificate has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Group {
    /// The plain window.
    Control,
    /// A drawn window.
    Steered,
}

/// When a certificate was renewed, relative to its window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Renewal {
    /// After the window.
    After,
    /// Before the window.
    Before,
    /// In the window.
    InWindow,
    /// Not renewed, or at an unknown time.
    #[default]
    Unknown,
}

impl Group {
    pub(super) const fn of(basis: Basis) -> Self {
        match basis {
            Basis::Plain(_) => Self::Control,
            Basis::Span(_) | Basis::Table(_) | Basis::Tick(_) => Self::Steered,
        }
    }
}

impl Renewal {
    pub(in crate::engine) fn of(window: Span, renewed_at: Timestamp) -> Self {
        if renewed_at < window.from {
            Self::Before
        } else if renewed_at < window.to {
            Self::InWindow
        } else {
            Self::After
        }
    }
}
