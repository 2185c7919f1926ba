//! A certificate as stored in the registry.

use super::validity::Validity;
use serde::{Deserialize, Serialize};

use super::certid::CertId;
use super::names::Names;
use crate::time::{Span, Timestamp};

/// A submitted certificate, not checked yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submission {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// When it was issued, if the source says so.
    pub issued_at: Option<Timestamp>,
    /// The certificate that it replaces, if the source says so.
    pub replaces: Option<CertId>,
    /// Its names, if the source lists them; otherwise empty. Only a keyed hash of them is stored.
    pub names: Names,
}

/// What the start of a window was drawn from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Uniform over the starts in this span, ignoring the load: the control group's plain window.
    Plain(Span),
    /// Uniform over the starts in this span, without slots (for short lifetimes and the ends of
    /// bands).
    Span(Span),
    /// The table stored with this number.
    Table(i64),
    /// Uniform over the starts that make a cron-like client renew at this one of its ticks.
    Tick(Timestamp),
}

/// What drew a certificate's present window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// An incident with this number moved it.
    Incident(i64),
    /// A rebalance with this number moved it.
    Rebalance(i64),
    /// It was drawn at registration.
    Registration,
}

impl Cause {
    /// The salt for the hash of the draw, so that a moved certificate gets a new draw.
    #[must_use]
    pub const fn salt(self) -> i64 {
        match self {
            Self::Incident(number) => number * 2 + 1,
            Self::Rebalance(number) => number * 2 + 2,
            Self::Registration => 0,
        }
    }
}

/// What replaced a certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Successor {
    /// The replacement's CertID.
    By(CertId),
    /// An order that is expected to produce the replacement.
    Order(String),
}

/// A registered certificate: one row of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// When it was issued: what the source said, or `notBefore` + the CA's backdating.
    pub issued_at: Timestamp,
    /// Whether `issued_at` is exact to the hour. It is not if the source gave no time and
    /// `notBefore` is exactly midnight; such a certificate counts only for the day.
    pub hour_known: bool,
    /// Whether it was issued inside the window of the certificate it replaced, which makes it
    /// steered load.
    pub steered: bool,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Its `suggestedWindow`.
    pub window: Span,
    /// What the window was drawn from.
    pub basis: Basis,
    /// What drew it.
    pub cause: Cause,
    /// f at registration: the probability that its client follows the window, 0 to 1
    /// (`docs/allocation.md`). Later polls change the forecast, but not this. `None` if it was
    /// registered after its band and is probably already replaced; then it does not count until it
    /// is polled.
    pub follows: Option<f64>,
    /// What replaced it, if anything did.
    pub successor: Option<Successor>,
}
