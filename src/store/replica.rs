//! The processes that share a database, listed for operators. Nothing else depends on this list.

use async_trait::async_trait;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::error::StoreError;
use crate::domain::time::{DAY, MINUTE, Timestamp};

/// How long a silent replica is listed, in seconds; after that it is assumed to be gone.
pub const REPLICAS_KEPT_SECONDS: i64 = DAY;
/// A process that starts with the name and address of another one replaces it if that one has been
/// silent for this long: six times the 10 s at which it reports.
pub(super) const SUCCEEDED_AFTER_SECONDS: i64 = MINUTE;
/// The most replicas that are listed: ten times as many as one PostgreSQL is known to support
/// (docs/scale.md).
pub(super) const MOST_REPLICAS: i64 = 100;

/// A serving process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    /// Its number, chosen at random when it started.
    pub id: i64,
    /// The name of its machine.
    pub name: String,
    /// The address of its admin listener.
    pub address: String,
    /// The version of offpeak.
    pub software: String,
    /// When it started, by its own clock; so are the other times.
    pub started_at: Timestamp,
    /// When it sent this report.
    pub heard_at: Timestamp,
    /// When it had last read the feed to the end.
    pub fed_at: Timestamp,
}

/// The list of replicas. A store that is used by one process keeps no list.
#[async_trait]
pub trait ReplicaStore {
    /// Records the state of a replica. Removes replicas that it replaces, and those that have been
    /// silent for [`REPLICAS_KEPT_SECONDS`].
    async fn note_replica(&self, replica: &Replica) -> Result<(), StoreError>;

    /// Removes a replica that is being stopped.
    async fn end_replica(&self, id: i64) -> Result<(), StoreError>;

    /// All replicas, by name and address.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError>;
}

impl<'r, R> FromRow<'r, R> for Replica
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            address: row.try_get(2)?,
            software: row.try_get(3)?,
            started_at: row.try_get(4).map(Timestamp::from_unix)?,
            heard_at: row.try_get(5).map(Timestamp::from_unix)?,
            fed_at: row.try_get(6).map(Timestamp::from_unix)?,
        })
    }
}
