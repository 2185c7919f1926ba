//! The configuration of admission.

use super::account_limit::AccountLimit;
use crate::time::{Span, Timestamp};

/// The configuration of admission.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// The most new orders a second; `None`: what the upstream can handle, as its answers show.
    pub new_orders_per_second: Option<f64>,
    /// When the CA has reduced capacity, or none.
    pub ceilings: Vec<Ceiling>,
    /// The most requests to hold.
    pub held: usize,
    /// The most octets of held bodies, in total.
    pub held_octets: usize,
    /// The limit of new orders per account; `None` for no limit.
    pub per_account: Option<AccountLimit>,
}

/// A limit on new orders during a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// When it applies.
    pub span: Span,
    /// New orders a second; 0 if closed.
    pub per_second: f64,
}

impl Limits {
    /// The lowest of the configured rate, the ceiling for a second, and the measured rate.
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
