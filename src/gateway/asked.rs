//! A request being handled, and what a new order is to replace.

use std::sync::Arc;

use axum::http::{HeaderValue, Method};

use super::Gateway;
use super::store_time::StoreTime;
use crate::domain::acme::{Endpoint, Envelope, Intent};
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::domain::time::Timestamp;
use crate::wire::Interim;

/// The state of a request being handled.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) now: Timestamp,
    pub(super) method: Method,
    /// The path and query as received.
    pub(super) path_and_query: String,
    /// The host named by the client.
    pub(super) host: HeaderValue,
    pub(super) scheme: &'static str,
    /// The endpoint, as far as the request alone shows it.
    pub(super) endpoint: Endpoint,
    pub(super) envelope: Option<Envelope>,
    pub(super) intent: Intent,
    /// The keyed hash of the account it names.
    pub(super) account: Option<u128>,
    /// Whether a new order was signed with the known key of that account.
    pub(super) verified: bool,
    /// What a new order is to replace.
    pub(super) place: Place,
    /// Sends interim answers while the client waits, if no proxy is in between.
    pub(super) interim: Option<Interim>,
    /// The time left for queries to the store.
    pub(super) store: StoreTime,
}

impl Asked {
    /// The nonce in the request.
    pub(super) fn nonce(&self) -> Option<&str> {
        self.envelope.as_ref()?.nonce.as_deref()
    }
}

/// What a new order is to replace. Dropping it releases a reserved place.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) gateway: Option<Arc<Gateway>>,
    /// The certificate named in `replaces`.
    pub(super) reserved: Option<Reserved>,
    /// The certificate matched by account and names.
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
    /// Its CertID as registered.
    pub(super) predecessor: CertId,
    /// Its CertID as the client wrote it.
    pub(super) written: String,
    pub(super) hold: Hold,
}

/// How the place is reserved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Hold {
    /// It is never reserved. Nobody knows for whom the certificate was issued. The order still
    /// states what it replaces, as RFC 9773 section 5 demands of one that was accepted.
    Never,
    /// It is reserved only after the upstream has verified the request, because we could not.
    NotYet,
    /// It is reserved by this successor.
    Token(Successor),
}
