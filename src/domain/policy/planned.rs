//! Load that somebody has announced: a migration, a new customer, a rotation of keys.

use crate::time::Span;

/// A bulk event, known ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// When it is to happen.
    pub span: Span,
    /// How many certificates it asks for, evenly over the span.
    pub certificates: f64,
}
