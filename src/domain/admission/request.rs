//! What is asked of admission, and what it answers.

use super::line::Ticket;

/// Whose a request is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// The keyed hash of an account whose key verified the request's signature.
    Account(u64),
    /// The keyed hash of an address: nobody knows whose request it is. An account's URL and a CertID are
    /// public, so they get nobody a place before others.
    Address(u64),
}

/// Whether an order renews a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renewal {
    /// It replaces one whose window is open, past or urgent.
    Due,
    /// It replaces one whose window is still to come.
    Early,
    /// A first order.
    No,
}

/// A request for a new order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Request {
    /// Whose it is.
    pub party: Party,
    /// The keyed hash of the party and the set of names: who comes again with it asks for the same.
    pub order: u64,
    /// Whether it renews.
    pub renewal: Renewal,
    /// Consecutive failures of the same order.
    pub failures: u32,
    /// For how many seconds it may be held: see [`super::hold_seconds`].
    pub hold_seconds: i64,
    /// Octets of its body.
    pub octets: usize,
}

/// What is to be done with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It goes on now.
    Forward,
    /// It is held until [`super::Admission::next`] says what becomes of it.
    Hold(Ticket),
    /// Its account is over its own limit: 429.
    OverLimit {
        /// Seconds until the limit has room again.
        retry_after_seconds: i64,
    },
    /// It finds no place: 503.
    TurnAway {
        /// Seconds until the second that it is told to come in.
        retry_after_seconds: i64,
    },
}

/// What becomes of a held request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// It goes on now.
    Forward(Ticket),
    /// It was held for as long as its client waits, or had to make room: 503.
    TurnAway {
        /// Which.
        ticket: Ticket,
        /// Seconds until the second that it is told to come in.
        retry_after_seconds: i64,
    },
}

impl Request {
    /// Whether the account is known to be whose the request says it is.
    pub(super) const fn is_verified(&self) -> bool {
        matches!(self.party, Party::Account(_))
    }
}
