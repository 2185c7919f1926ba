//! The interface of a store. Each method is one durable step or one consistent read.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::batch::{BatchKey, ClosedBatch, Closing, ImportProgress};
use super::delivery::DeliveryStore;
use super::error::StoreError;
use super::export::ExportStore;
use super::feed::{Change, FeedPosition, Load};
use super::gateway::GatewayStore;
use super::lease::{Lease, LeaseGuard, Turn};
use super::names::NameStore;
use super::planned::PlannedStore;
use super::range::IdRange;
use super::rebalances::StoredRebalance;
use super::replica::ReplicaStore;
use super::source::SourceStore;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::hash::HashKey;
use crate::domain::certificate::{Basis, Cause, Certificate, Successor};
use crate::domain::demand::observation::Observation;
use crate::domain::moves::incident::Incident;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{Span, Timestamp};

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

/// What is registered in one durable step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registration<'a> {
    /// Tables that the certificates name, with their bytes. One that is stored already is left.
    pub tables: &'a [StoredTable],
    /// The certificates.
    pub certificates: &'a [Certificate],
    /// Observations that come with them (certificates expired already), counted at once.
    pub observations: &'a [Observation],
    /// Certificates replaced by others of these, with their successors. One that is not there, or
    /// has a successor, stays as it is.
    pub successions: &'a [(CertId, Successor)],
    /// Where the file stands after this step.
    pub progress: Option<&'a ImportProgress>,
}

/// What became of one certificate of a [`Registration`].
#[derive(Clone, Debug, PartialEq)]
pub enum Registered {
    /// It was there: this is the row as stored, window and all.
    Existing(Box<Certificate>),
    /// It is new.
    Inserted,
}

/// Something learned of a CA's clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Learned {
    /// At which CA.
    pub ca: CaName,
    /// What it is, such as `returns`.
    pub name: String,
    /// The lesson, as JSON.
    pub body: String,
}

/// A window that is to take another's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The certificate.
    pub id: CertId,
    /// The window that it has: where it has another meanwhile, nothing is moved.
    pub from: Span,
    /// The new one.
    pub to: Span,
    /// What the new one was drawn from.
    pub basis: Basis,
    /// Why.
    pub cause: Cause,
}

/// What came of naming a successor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Succession {
    /// There is no such certificate.
    Unknown,
    /// It has another successor.
    Other(Successor),
    /// It had this successor already.
    Same,
    /// It has this successor now.
    Set,
}

/// A published set of documents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    /// Its number; newer ones have higher numbers. 0 until it is stored.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The documents' paths, such as `ranking.json`, and their bytes.
    pub documents: Vec<(String, Arc<[u8]>)>,
}

/// The store. Every method is one durable step or one consistent read; each runs named queries
/// that show in `/metrics`.
#[async_trait]
pub trait Store:
    DeliveryStore
    + ExportStore
    + GatewayStore
    + NameStore
    + PlannedStore
    + ReplicaStore
    + SourceStore
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

    /// Takes a duty on; `None` where another process is at it.
    async fn take_lease(&self, duty: Lease, turn: Turn) -> Result<Option<LeaseGuard>, StoreError>;

    /// The key of the keyed hashes, made by the first migration.
    async fn hash_key(&self) -> Result<HashKey, StoreError>;

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

    /// Stores new certificates, and with them tables, observations and progress, all or nothing.
    /// One outcome a certificate, in order; the same CertID twice in one registration is
    /// `Existing` the second time.
    async fn register(&self, registration: Registration<'_>)
    -> Result<Vec<Registered>, StoreError>;

    /// The certificate with exactly this CertID.
    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError>;

    /// Those of these certificates that are there, in no order.
    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, StoreError>;

    /// CertIDs, in order, that cut all certificates into ranges of about one size, about so many for each
    /// issuer. They need not be registered.
    async fn cuts(&self, parts: u32) -> Result<Vec<CertId>, StoreError>;

    /// The first `limit` certificates of a range, in the order of key identifier and serial.
    async fn certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;

    /// Removes certificates; how many were there. What they taught the model goes with them.
    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError>;

    /// Removes up to `limit` certificates whose `notAfter` is before `before`, and keeps their
    /// issuance as observations of the source `registrations`, under the CA that `ca_of` names.
    /// Returns how many were removed. The change feed does not mention it: its readers have counted
    /// those certificates and drop expired ones themselves.
    async fn purge_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError>;

    /// Names a certificate's successor.
    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError>;

    /// Takes a successor back; whether there was one. `None`: no such certificate.
    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError>;

    /// The bytes of the table with this number.
    async fn table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// How far a file has been imported.
    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, StoreError>;

    /// Forgets a file: its progress, and the observations counted under it. Whether it was known.
    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, StoreError>;

    /// The batch that was closed under this key.
    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, StoreError>;

    /// Opens a batch of observations; nothing of it counts until it is closed.
    async fn open_batch(&self, now: Timestamp) -> Result<i64, StoreError>;

    /// Adds observations to an open batch.
    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), StoreError>;

    /// Closes a batch: all its observations count from now on, under `key` where there is one.
    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
        now: Timestamp,
    ) -> Result<Closing, StoreError>;

    /// Stores a new incident; its number.
    async fn create_incident(&self, incident: &Incident) -> Result<i64, StoreError>;

    /// Stores the changes of an incident, unless it was changed since `seen_at`, its `updated_at`
    /// as read; returns whether it was stored. Nothing is stored either if the new `updated_at` is
    /// not later than `seen_at`, because two writers that read the same state within a second could
    /// not be told apart. [`Incident::touch`] makes sure that it is later.
    async fn update_incident(
        &self,
        incident: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// All incidents, the newest first.
    async fn incidents(&self) -> Result<Vec<Incident>, StoreError>;

    /// Adds certificates, registered or not, to those that an incident concerns; how many of them
    /// were not among them yet.
    async fn add_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError>;

    /// The first `limit` of a range's registered certificates that an incident concerns, in the order
    /// of key identifier and serial.
    async fn incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;

    /// The first `limit` certificates of a range, in the order of key identifier and serial, that
    /// are not replaced, live beyond `now`, and have a window that lies in `span` in part.
    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError>;

    /// Moves windows, with the tables that the new ones were drawn from, all or nothing; how many
    /// were moved. Of several moves of one certificate the first counts. The change feed tells the
    /// certificates.
    async fn move_windows(&self, tables: &[StoredTable], moves: &[Move])
    -> Result<u64, StoreError>;

    /// Begins a rebalance of a CA, unless one was begun at `unless_since` or later; its number, or
    /// `None`.
    async fn begin_rebalance(
        &self,
        ca: &CaName,
        made_at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError>;

    /// Stores the report of a rebalance, as JSON.
    async fn finish_rebalance(&self, number: i64, body: &str) -> Result<(), StoreError>;

    /// Up to `limit` rebalances, the newest first.
    async fn rebalances(&self, limit: u32) -> Result<Vec<StoredRebalance>, StoreError>;

    /// The rebalance of this number.
    async fn rebalance(&self, number: i64) -> Result<Option<StoredRebalance>, StoreError>;

    /// Stores the records of polls of certificates, by fingerprint; of several with one fingerprint
    /// the last. One that nobody registered harms nobody; `sweep_polls` drops it.
    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError>;

    /// Drops the records of polls that were written before `before`.
    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError>;

    /// Everything learned, by CA and name.
    async fn learned(&self) -> Result<Vec<Learned>, StoreError>;

    /// Keeps what was learned, replacing what was kept under the same name.
    async fn set_learned(&self, learned: &Learned, now: Timestamp) -> Result<(), StoreError>;

    /// Drops tables that no certificate needs at `now` any more.
    async fn sweep_tables(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Drops observations before `observed_before`, batches left open before `opened_before`, and
    /// the keys of requests closed before `keys_before`.
    async fn sweep_observations(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError>;

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

    /// Stores a publication, unless one was made at `unless_since` or later; its number, or `None`.
    async fn publish(
        &self,
        publication: &Publication,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError>;

    /// The newest document at this path, of any publication that is kept.
    async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// The newest publication, where its number is higher than `after`.
    async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError>;
}
