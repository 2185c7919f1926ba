//! The content of the change feed, and the positions of its readers.

use async_trait::async_trait;

use super::error::StoreError;
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
        /// The batch's number, by which batches that were already counted are recognised.
        batch: i64,
        /// When it was counted, by the clock of who stored it; `None`: an earlier version did not say.
        counted_at: Option<Timestamp>,
        /// What was observed.
        observation: Observation,
    },
    /// An incident is new, or something of it changed.
    Incident(Box<Incident>),
    /// The changes after the reader's place have been dropped, or never were there: it has to load
    /// everything anew.
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

/// The result of a load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// All but the certificates.
    BesideCertificates,
    /// Everything.
    Everything,
}

/// The change feed.
#[async_trait]
pub trait FeedStore {
    /// Loads everything, certificates in any order, and the position of the feed.
    async fn load(
        &self,
        what: Load,
        observed_from: Timestamp,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError>;

    /// Reads what changed after `since`, and the feed's new position. Cheap if nothing changed.
    async fn changes(
        &self,
        since: FeedPosition,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError>;
}
