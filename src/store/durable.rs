//! The interface of a store. Each method is one durable step or one consistent read.

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

/// A database, or a server of it, that has not answered after this time is away.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What a store does when the index has no entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sharing {
    /// Other processes may have registered it a moment ago: ask (PostgreSQL).
    AskOnMiss,
    /// The change feed makes the index complete: a miss is a miss (SQLite).
    IndexIsComplete,
}

/// The store: what the traits of its topics say, and how it is. Every method is one durable step or one
/// consistent read; each runs named queries that show in `/metrics`.
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
    /// Connects, where that was not done yet, and sees that the schema is as it has to be. After
    /// this has succeeded once it does nothing.
    ///
    /// # Errors
    /// Those of [`super::connect`]. Until it has succeeded everything else is
    /// [`StoreError::Unavailable`].
    async fn admit(&self) -> Result<(), StoreError>;

    /// Whether a miss in the index has to be asked for here.
    fn sharing(&self) -> Sharing;

    /// How many queries this handle has run: so that a test can show where none was.
    fn queries_run(&self) -> u64;

    /// Waits for another process's notification of a change, after which the change feed is worth
    /// reading. It is only a hint: if it is lost or never sent, the feed still has the change.
    async fn hinted(&self);

    /// Why the database takes no writes, in words; `None` if no reason is known.
    fn trouble(&self) -> Option<String>;

    /// Who was away when [`Store::try_again`] asked last: the database, or a server of a distributed one. What
    /// lies there is neither found nor taken.
    fn away(&self) -> Option<&'static str> {
        None
    }

    /// Tries whether the database and all its servers answer, each within [`ANSWERS_WITHIN`], and whether
    /// writes are taken again where the last ones were not.
    async fn try_again(&self) -> Result<(), StoreError>;

    /// How many certificates the next step of a bulk write should hold: enough to fill the database
    /// fast, and few enough that other writers need not wait for long.
    fn step_records(&self) -> usize;
}
