//! The content of a line, independent of the format.

use std::borrow::Cow;

use crate::time::Timestamp;

/// A step towards a certificate that counts as demand.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// Finalizing an order; on success a certificate is issued.
    Finalize,
    /// Requesting a certificate.
    NewOrder,
    /// Requesting and issuing a certificate in one request.
    Whole,
}

/// A request found in a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// When.
    pub at: Timestamp,
    /// The step.
    pub step: Step,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// The ACME error type, such as `urn:ietf:params:acme:error:dns`, if the line contains it.
    pub error_type: Option<Cow<'a, str>>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The client's user agent.
    pub agent: Option<Cow<'a, str>>,
}

impl Request<'_> {
    /// The same without borrowing from the line.
    pub(super) fn into_owned(self) -> Request<'static> {
        let Self {
            at,
            step,
            succeeded,
            error_type,
            latency_ms,
            agent,
        } = self;
        Request {
            at,
            step,
            succeeded,
            error_type: error_type.map(|urn| Cow::Owned(urn.into_owned())),
            latency_ms,
            agent: agent.map(|agent| Cow::Owned(agent.into_owned())),
        }
    }
}

/// A line that seems to be about demand but is not in the expected format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the line is not of the format")]
pub struct Unreadable;

/// The step for a request with this method and target. The query is ignored.
pub(super) fn step_of(method: &str, target: &str) -> Option<Step> {
    if method != "POST" {
        return None;
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.trim_end_matches('/').rsplit('/');
    let last = parts.next().unwrap_or_default();
    let before = parts.next().unwrap_or_default();
    match last {
        "new-order" | "newOrder" | "new_order" | "neworder" | "order-plz" => Some(Step::NewOrder),
        "finalize" | "finalize-order" => Some(Step::Finalize),
        // Boulder: /acme/finalize/ACCOUNT/ORDER; Pebble: /finalize-order/ORDER.
        _ if before.starts_with("finalize") => Some(Step::Finalize),
        _ if parts.next().is_some_and(|part| part == "finalize") => Some(Step::Finalize),
        _ => None,
    }
}

/// Whether an HTTP status means success.
pub(super) const fn is_success(status: u16) -> bool {
    status < 400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_orders_and_finalizations_are_demand_and_nothing_else() {
        for (target, step) in [
            ("/acme/new-order", Some(Step::NewOrder)),
            ("/acme/acme/new-order?x=1", Some(Step::NewOrder)),
            ("/order-plz", Some(Step::NewOrder)),
            ("/acme/finalize/1/2", Some(Step::Finalize)),
            ("/acme/acme/order/abc/finalize", Some(Step::Finalize)),
            ("/finalize-order/abc", Some(Step::Finalize)),
            ("/acme/order/1/2", None),
            ("/acme/new-nonce", None),
            ("/directory", None),
            ("/acme/renewal-info/a.b", None),
            ("/", None),
        ] {
            assert_eq!(step_of("POST", target), step, "{target}");
            assert_eq!(step_of("GET", target), None, "{target}");
        }
    }
}
