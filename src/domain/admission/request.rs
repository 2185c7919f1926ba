//! Requests to admission, and its decisions.

use super::line::Ticket;

/// The sender of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// The keyed hash of an account whose key verified the request's signature.
    Account(u64),
    /// The keyed hash of an address, if the sender is not verified. An account's URL and a CertID
    /// are public, so they give no priority.
    Address(u64),
}

/// Whether an order renews a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// It replaces a certificate whose window is open, past or urgent.
    Due,
    /// It replaces a certificate whose window has not opened yet.
    Early,
    /// It is a first order.
    No,
}

/// A request for a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// Its sender.
    pub party: Party,
    /// The keyed hash of the party and the set of names. A request with the same hash is a
    /// repetition.
    pub order: u64,
    /// Whether it is a renewal.
    pub renewal: Renewal,
    /// Consecutive failures of this order.
    pub failures: u32,
    /// How long it may be held, in seconds; see [`super::hold_seconds`].
    pub hold_seconds: i64,
    /// The length of its body, in octets.
    pub octets: usize,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Forward it now.
    Forward,
    /// Hold it until [`super::Admission::next`] decides.
    Hold(Ticket),
    /// Its account exceeds its own limit: 429.
    OverLimit {
        /// Seconds until the limit allows another.
        retry_after_seconds: i64,
    },
    /// There is no place for it: 503.
    TurnAway {
        /// Seconds until its assigned second.
        retry_after_seconds: i64,
    },
}

/// The decision about a held request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// Forward it now.
    Forward(Ticket),
    /// It was held for as long as its client waits, or had to give up its place: 503.
    TurnAway {
        /// The request.
        ticket: Ticket,
        /// Seconds until its assigned second.
        retry_after_seconds: i64,
    },
}

impl Request {
    /// Whether the account is verified.
    pub(super) const fn is_verified(&self) -> bool {
        matches!(self.party, Party::Account(_))
    }
}
