//! The interface through which new orders ask for admission and report their results.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::acme::Endpoint;

pub mod hold;
mod queue;

/// The facts about a new order before the upstream has seen it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewOrder {
    /// The keyed hash of the account's URL; `None` if the request names no account.
    pub account: Option<u128>,
    /// Whether the request's signature was verified with that account's key. An account's URL is
    /// public, so without this it gives no priority.
    pub verified: bool,
    /// The keyed hash of the set of names.
    pub names: u128,
    /// Whether it renews a certificate, and whether that is due.
    pub renewal: Renewal,
    /// The number of consecutive failures of this account for these names.
    pub failures: u32,
    /// The keyed hash of the sender's address, which takes turns if the request is not verified.
    pub address: u128,
    /// How long its client waits for an answer, in seconds.
    pub hold_seconds: i64,
    /// The size of its body, in octets.
    pub octets: usize,
}

/// Whether an order renews a certificate. It is a first order if the request is not verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// A first order.
    No,
    /// It replaces a valid certificate whose window has not opened yet.
    Early,
    /// It replaces a certificate whose window is open, past or urgent: by `replaces` (RFC 9773
    /// section 5) or, without it, by account and names.
    Due,
}

/// The decision about a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It may be forwarded. The ticket is returned with the result.
    Forward(u64),
    /// Its account is over its own limit: 429, and when to come back.
    OverLimit {
        /// 1 to 86,400.
        retry_after_seconds: u32,
    },
    /// It is answered 503, and when to come back.
    TurnAway {
        /// 1 to 86,400.
        retry_after_seconds: u32,
    },
}

/// The result of a request that was forwarded to the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its ticket; `None` for all but new orders.
    pub ticket: Option<u64>,
    /// The upstream's status; `None` if no complete answer came, or the client left first.
    pub status: Option<u16>,
    /// From sending the request until the answer's headers arrived.
    pub latency: Duration,
}

/// Decides which new orders are forwarded, and when. Requests that continue an order are never held
/// or rejected.
#[async_trait]
pub trait Admission: Debug + Send + Sync {
    /// Waits while the request is held. Dropping the future, because the client left, gives up its
    /// place at once.
    async fn admit(&self, request: &NewOrder) -> Decision;

    /// Reports the result of a forwarded request of any kind, which shows how much the upstream can
    /// handle. Called once for each, even if its client has left.
    fn report(&self, outcome: &Outcome);

    /// Whether demand exceeds what the upstream can handle; then its 500s are not passed on.
    fn is_loaded(&self) -> bool;
}

/// Admits everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

#[async_trait]
impl Admission for Open {
    async fn admit(&self, _: &NewOrder) -> Decision {
        Decision::Forward(0)
    }

    fn report(&self, _: &Outcome) {}

    fn is_loaded(&self) -> bool {
        false
    }
}
