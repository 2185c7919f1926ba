//! The change feed, and the positions of its readers.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::demand::observation::Observation;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;

/// The position of a reader of the change feed. Only the store that made it can interpret it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct FeedPosition(pub i64);

/// One change. The feed may repeat a change; applying it again must have no further effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A certificate is new, or its window or successor has changed.
    Certificate(Box<Certificate>),
    /// Observations were removed: they have to be summed again, unless this number was received before.
    /// A load returns the numbers that it includes.
    Forgotten(i64),
    /// An observation of a batch that counts. The observations of a batch are consecutive.
    Observed {
        /// The number of the batch, by which repeated batches are recognised.
        batch: i64,
        /// When it was stored, by the clock of the process that stored it; `None` if an earlier version
        /// did not record that.
        counted_at: Option<Timestamp>,
        /// The observation.
        observation: Observation,
    },
    /// An incident is new or has changed.
    Incident(Box<Incident>),
    /// The changes after the reader's position have been dropped, or never existed: everything has to
    /// be loaded again.
    Lost,
    /// The record of a certificate's polls has changed.
    Polls {
        /// The keyed hash of the CertID.
        fingerprint: u128,
        /// The record of its polls, as the engine packs it.
        record: u64,
    },
    /// A certificate was removed.
    Removed(CertId),
}

/// What to load.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// Everything except the certificates.
    WithoutCertificates,
    /// Everything.
    Everything,
}

/// The change feed.
#[async_trait]
pub trait FeedStore {
    /// Loads everything, certificates in any order, and returns the position of the feed.
    async fn load(
        &self,
        what: Load,
        observed_from: Timestamp,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError>;

    /// Reads the changes after `since`, and returns the new position. Cheap if nothing changed.
    async fn changes(
        &self,
        since: FeedPosition,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError>;
}
