//! The interface of a store. Each method is one transaction or one consistent read.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::batch::{BatchStore, ObservationStore};
use super::certificates::{CertificateStore, CutStore, RegisterStore};
use super::delivery::DeliveryStore;
use super::error::StoreError;
use super::export::ExportStore;
use super::failures::FailureStore;
use super::feed::FeedStore;
use super::gateway::GatewayStore;
use super::incidents::IncidentStore;
use super::learned::LearnedStore;
use super::lease::LeaseStore;
use super::moves::MoveStore;
use super::names::NameStore;
use super::planned::PlannedStore;
use super::polls::PollStore;
use super::publications::PublicationStore;
use super::rebalances::RebalanceStore;
use super::replica::ReplicaStore;
use super::secrets::SecretStore;
use super::source::SourceStore;
use super::successors::SuccessorStore;
use super::tables::TableStore;

/// A database, or one of its servers, that does not answer within this time is unavailable.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Whether certificates may be stored that the index does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sharing {
    /// Another process may have registered it just now, so a miss is looked up in the store
    /// (PostgreSQL).
    AskOnMiss,
    /// The change feed makes the index complete, so a miss means that there is no such certificate
    /// (SQLite).
    IndexIsComplete,
}

/// The store: the interfaces of its topics, and its own state. Every method is one transaction or one
/// consistent read. Each runs named queries, which are counted in `/metrics`.
#[async_trait]
pub trait Store:
    BatchStore
    + CertificateStore
    + CutStore
    + DeliveryStore
    + ExportStore
    + FailureStore
    + FeedStore
    + GatewayStore
    + IncidentStore
    + LearnedStore
    + LeaseStore
    + MoveStore
    + NameStore
    + ObservationStore
    + PlannedStore
    + PollStore
    + PublicationStore
    + RebalanceStore
    + RegisterStore
    + ReplicaStore
    + SecretStore
    + SourceStore
    + SuccessorStore
    + TableStore
    + Debug
    + Send
    + Sync
{
    /// Connects if that was not done yet, and checks the schema. Once this has succeeded, it does
    /// nothing more.
    ///
    /// # Errors
    /// Those of [`super::connect()`]. Until it has succeeded, everything else returns
    /// [`StoreError::Unavailable`].
    async fn admit(&self) -> Result<(), StoreError>;

    /// Whether a miss in the index has to be looked up here.
    fn sharing(&self) -> Sharing;

    /// How many queries this handle has run; tests use it to show that none was needed.
    fn queries_run(&self) -> u64;

    /// Waits for a notification that another process has changed something, so that reading the change
    /// feed is worthwhile. It is only a hint: if it is lost or never sent, the feed still contains the
    /// change.
    async fn hinted(&self);

    /// Why the database does not accept writes; `None` if no reason is known.
    fn trouble(&self) -> Option<String>;

    /// Which server was unavailable at the last [`Store::try_again`]: the database, or a server of a
    /// distributed one. Rows on it can be neither read nor written.
    fn away(&self) -> Option<&'static str> {
        None
    }

    /// Checks whether the database and all its servers answer, each within [`ANSWERS_WITHIN`], and
    /// whether writes are accepted again if the last ones were not.
    async fn try_again(&self) -> Result<(), StoreError>;

    /// How many certificates the next transaction of a bulk write should contain: enough to be fast,
    /// and few enough that other writers do not wait for long.
    fn step_records(&self) -> usize;
}
