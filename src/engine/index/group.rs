//! Which cohort a certificate is of, and how it was renewed.

use crate::domain::certificate::Basis;
use crate::domain::time::{Span, Timestamp};

/// On which window a certificate is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Group {
    /// The plain one.
    Control,
    /// The one drawn for it.
    Steered,
}

/// When a certificate was renewed, held against its window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Renewal {
    /// After it.
    After,
    /// Before it.
    Before,
    /// In it.
    InWindow,
    /// It was not, or nobody knows when.
    #[default]
    Untold,
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
