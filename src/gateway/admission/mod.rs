//! Where a new order asks for admission, and where its result is reported.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::acme::Endpoint;

pub mod hold;
mod queue;

/// What is known of a request for a new order before the upstream has seen it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewOrder {
    /// The keyed hash of the account's URL; `None` where the request names no account.
    pub account: Option<u128>,
    /// Whether the request's signature was verified with that account's key. An account's URL is
    /// public: without this nobody is to have a place before others for it.
    pub verified: bool,
    /// The keyed hash of the set of names.
    pub names: u128,
    /// Whether it renews a certificate, and whether that is due.
    pub renewal: Renewal,
    /// How often an order of this account for these names has failed, one after the other.
    pub failures: u32,
    /// The keyed hash of the address that it comes from: whose turn it is where it was not verified.
    pub address: u128,
    /// For how many seconds its client waits for an answer.
    pub hold_seconds: i64,
    /// Octets of its body.
    pub octets: usize,
}

/// Whether an order renews a certificate. Neither is believed of a request that is not verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// A first order.
    No,
    /// It replaces a living certificate whose window is still to come.
    Early,
    /// It replaces a certificate whose window is open, past or urgent: by `replaces` (RFC 9773
    /// section 5) or, where that is missing, by account and names.
    Due,
}

/// What is to be done with a request for a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It passes. The number is given back with the result.
    Forward(u64),
    /// Its account is over a limit of its own: 429, and it may come again after so many seconds.
    OverLimit {
        /// 1 to 86,400.
        retry_after_seconds: u32,
    },
    /// It is answered 503 and may come again after so many seconds.
    TurnAway {
        /// 1 to 86,400.
        retry_after_seconds: u32,
    },
}

/// What came of a request that went on to the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The number of its admission; `None` for all but new orders.
    pub ticket: Option<u64>,
    /// The upstream's status; `None` where no whole answer came, or the client left before it did.
    pub status: Option<u16>,
    /// From sending the request until the answer's head was there.
    pub latency: Duration,
}

/// Who decides which new orders go on, and when. Only new orders ask: what continues an order is
/// never held and never turned away.
#[async_trait]
pub trait Admission: Debug + Send + Sync {
    /// Waits for a place while the request is held. The future is dropped when the client goes: a
    /// held request then gives up its place at once.
    async fn admit(&self, request: &NewOrder) -> Decision;

    /// The result of a request, new order or not, which shows how much the upstream can take.
    /// Reported once for each request that was passed on, even if its client has left meanwhile.
    fn told(&self, outcome: &Outcome);

    /// Whether more is asked than the upstream bears: then no 500 of it is handed on.
    fn is_loaded(&self) -> bool;
}

/// Lets everything through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

#[async_trait]
impl Admission for Open {
    async fn admit(&self, _: &NewOrder) -> Decision {
        Decision::Forward(0)
    }

    fn told(&self, _: &Outcome) {}

    fn is_loaded(&self) -> bool {
        false
    }
}
