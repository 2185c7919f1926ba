//! A request on its way, and what a new order is to replace.

use std::sync::Arc;

use axum::http::{HeaderValue, Method};

use super::Gateway;
use super::store_time::StoreTime;
use crate::domain::acme::{Endpoint, Envelope, Intent};
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;
use crate::wire::Interim;

/// What is known of a request on its way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) now: Timestamp,
    pub(super) method: Method,
    /// As it came.
    pub(super) path_and_query: String,
    /// The host that the client named.
    pub(super) host: HeaderValue,
    pub(super) scheme: &'static str,
    /// As far as the request alone tells.
    pub(super) endpoint: Endpoint,
    pub(super) envelope: Option<Envelope>,
    pub(super) intent: Intent,
    /// The account that it names, as a keyed hash.
    pub(super) account: Option<u128>,
    /// Whether a new order was signed with the key that is known of that account.
    pub(super) verified: bool,
    /// What a new order is to replace.
    pub(super) place: Place,
    /// What tells the client that its answer is still to come, where nothing stands between.
    pub(super) interim: Option<Interim>,
    /// The time that is left for our store.
    pub(super) store: StoreTime,
}

impl Asked {
    /// The request's own nonce.
    pub(super) fn nonce(&self) -> Option<&str> {
        self.envelope.as_ref()?.nonce.as_deref()
    }
}

/// What a new order is to replace. Dropped with a place that is reserved, it gives it up.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) gateway: Option<Arc<Gateway>>,
    /// By `replaces`.
    pub(super) reserved: Option<Reserved>,
    /// By account and names.
    pub(super) by_names: Option<CertId>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(gateway), Some(reserved)) = (&self.gateway, self.reserved.take()) {
            gateway.release(reserved);
        }
    }
}

/// A certificate that an order is to replace.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reserved {
    /// As it is registered.
    pub(super) predecessor: CertId,
    /// As the client wrote it.
    pub(super) written: String,
    pub(super) hold: Hold,
}

/// What keeps others from the place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Hold {
    /// Nothing ever: nobody knows for whom the certificate was issued, so the order says what it
    /// replaces, as RFC 9773 section 5 demands of one that was taken, and takes no place.
    Never,
    /// Nothing until the upstream has verified the request, which we could not.
    NotYet,
    /// This successor.
    Token(Successor),
}
