//! Announced load: a migration, a new customer, a key rotation.

use serde::Serialize;

use crate::time::Span;

/// A bulk event that is known in advance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// When it will happen.
    #[serde(flatten)]
    pub span: Span,
    /// How many certificates it will request, spread evenly over the span.
    pub certificates: f64,
}
