//! A certificate as the registry knows it.

use super::validity::Validity;
use serde::{Deserialize, Serialize};

use super::certid::CertId;
use super::names::Names;
use crate::time::{Span, Timestamp};

/// A certificate as somebody hands it in, not yet judged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submission {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// When it was issued, where the source says so.
    pub issued_at: Option<Timestamp>,
    /// The certificate that it replaces, where the source says so.
    pub replaces: Option<CertId>,
    /// The names that it is for, where the source says so; empty otherwise. Only a keyed hash of them is kept.
    pub names: Names,
}

/// What a window's start was drawn from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Basis {
    /// Uniform over the starts in this span, whatever the load: the control group's plain window.
    Plain(Span),
    /// Uniform over the starts in this span, no slots (short lives, and ends of bands).
    Span(Span),
    /// The table stored under this number.
    Table(i64),
    /// Uniform over the starts that make a client of cron's kind renew at this tick of its.
    Tick(Timestamp),
}

/// Why a certificate has this window: the event that drew it last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// The incident of this number moved it.
    Incident(i64),
    /// The rebalance of this number moved it.
    Rebalance(i64),
    /// It is the one drawn at registration.
    Registration,
}

impl Cause {
    /// What salts the hash of the draw, so that a moved certificate is drawn afresh.
    #[must_use]
    pub const fn salt(self) -> i64 {
        match self {
            Self::Incident(number) => number * 2 + 1,
            Self::Rebalance(number) => number * 2 + 2,
            Self::Registration => 0,
        }
    }
}

/// Who took a certificate's place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Successor {
    /// The replacement's CertID.
    By(CertId),
    /// An order that is to bring the replacement.
    Order(String),
}

/// A registered certificate: one row of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// When it was issued: as the source said, or `notBefore` + the CA's backdating.
    pub issued_at: Timestamp,
    /// Whether `issued_at` tells the hour. It does not where the source gave no time and
    /// `notBefore` is exactly midnight: such a certificate informs the day alone.
    pub hour_known: bool,
    /// Whether it was issued inside the window of the certificate it replaced: steered load.
    pub steered: bool,
    /// When the registry took it in.
    pub registered_at: Timestamp,
    /// The `suggestedWindow`, decided once.
    pub window: Span,
    /// What the window was drawn from.
    pub basis: Basis,
    /// What drew it.
    pub cause: Cause,
    /// f at registration: the chance that its client follows the window, 0 to 1 (`docs/allocation.md`).
    /// What polls show later moves the forecast and not this. `None`: registered after its
    /// band, most likely replaced already; it counts for nothing until it is polled.
    pub follows: Option<f64>,
    /// Its successor, once there is one.
    pub successor: Option<Successor>,
}
