//! Announced load: a migration, a new customer, a key rotation.

use crate::time::Span;

/// A bulk event that is known in advance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// When it will happen.
    pub span: Span,
    /// How many certificates it will request, spread evenly over the span.
    pub certificates: f64,
}
