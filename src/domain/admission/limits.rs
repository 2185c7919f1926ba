//! The configuration of admission.

use super::account_limit::AccountLimit;
use crate::time::{Span, Timestamp};

/// What is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// New orders a second at most; `None`: what the upstream bears.
    pub new_orders_per_second: Option<f64>,
    /// When the CA takes less than usual, or nothing.
    pub ceilings: Vec<Ceiling>,
    /// Requests that are held at most.
    pub held: usize,
    /// Octets of the bodies that are held at most, in all.
    pub held_octets: usize,
    /// New orders of each account; `None`: as many as it likes.
    pub per_account: Option<AccountLimit>,
}

/// While `span`, so many new orders a second at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// When.
    pub span: Span,
    /// New orders a second; 0: closed.
    pub per_second: f64,
}

impl Limits {
    /// The least of what is configured, of the ceiling in a second, and of what was shown.
    pub(super) fn least(&self, second: i64, shown: Option<f64>) -> Option<f64> {
        let at = Timestamp::from_unix(second);
        let ceilings = self
            .ceilings
            .iter()
            .filter(|ceiling| ceiling.span.contains(at));
        ceilings
            .map(|ceiling| ceiling.per_second)
            .chain(self.new_orders_per_second)
            .chain(shown)
            .reduce(f64::min)
    }
}
