//! The content of a line, whatever its format.

use std::borrow::Cow;

use crate::time::Timestamp;

/// A step of getting a certificate that is demand.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// The order is finalized: where that succeeds, a certificate is issued.
    Finalize,
    /// A certificate is asked for.
    NewOrder,
    /// A certificate is asked for and issued in one request.
    Whole,
}

/// What a line says of demand.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// When.
    pub at: Timestamp,
    /// Which step.
    pub step: Step,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// The ACME error type, such as `urn:ietf:params:acme:error:dns`, where the line says it.
    pub error_type: Option<Cow<'a, str>>,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// What the client calls itself.
    pub agent: Option<Cow<'a, str>>,
}

impl Request<'_> {
    /// The same, with nothing of the line borrowed.
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

/// A line that is about demand, as it seems, and is not of the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the line is not of the format")]
pub struct Unreadable;

/// The step that a POST to this path is; queries are no part of it.
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

/// Whether a status of HTTP is a success.
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
