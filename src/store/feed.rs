//! What the change feed tells, and where its readers stand.

use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::demand::observation::Observation;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;

/// Where a reader of the change feed stands. Opaque: only the store that made it can read it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct FeedPosition(pub i64);

/// One thing that changed. A change may be told more than once; applying it again must not matter.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A certificate is new, or its window or successor is.
    Certificate(Box<Certificate>),
    /// Observations were taken back: sum them anew, unless this number was heard before. A load
    /// tells those that it has taken into account.
    Forgotten(i64),
    /// An observation of a batch that counts. All of a batch's come together.
    Observed {
        /// The batch's number: tells what was counted already.
        batch: i64,
        /// When it was counted, by the clock of who stored it; `None`: an earlier version did not say.
        counted_at: Option<Timestamp>,
        /// What was observed.
        observation: Observation,
    },
    /// An incident is new, or something of it changed.
    Incident(Box<Incident>),
    /// What came after the reader's place is not told any more, or was never: he has to load anew.
    Lost,
    /// What polls of a certificate have shown changed, by its fingerprint in the index.
    Polls {
        /// The keyed hash of the CertID.
        fingerprint: u128,
        /// The record of its polls, as the engine packs it.
        record: u64,
    },
    /// A certificate is gone.
    Removed(CertId),
}

/// What a load tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// All but the certificates.
    BesideCertificates,
    /// Everything.
    Everything,
}
