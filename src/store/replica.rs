//! The processes that share a database, for operators. Nothing depends on it; the rows prevent that
//! something happens twice.

use async_trait::async_trait;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::error::StoreError;
use crate::domain::time::{DAY, MINUTE, Timestamp};

/// A replica that was not heard of for this long is no longer told: somebody took it away.
pub const REPLICAS_KEPT_SECONDS: i64 = DAY;
/// A process that begins under the name and address of another replaces it, if the other has been
/// silent for this long: six times the 10 s after which it would have reported.
pub(super) const SUCCEEDED_AFTER_SECONDS: i64 = MINUTE;
/// The most replicas that are listed: ten times as many as one PostgreSQL is known to carry
/// (docs/scale.md).
pub(super) const MOST_REPLICAS: i64 = 100;

/// A process that serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    /// Its number, drawn at random when it began.
    pub id: i64,
    /// The name of its machine.
    pub name: String,
    /// The address of its admin listener.
    pub address: String,
    /// The version of offpeak.
    pub software: String,
    /// When it began, by its own clock, as the other times are.
    pub started_at: Timestamp,
    /// When it said this.
    pub heard_at: Timestamp,
    /// When it had last read the feed to its end.
    pub fed_at: Timestamp,
}

/// The list of replicas. A store that has one process keeps none.
#[async_trait]
pub trait ReplicaStore {
    /// Notes how a replica is, and forgets those whose place it takes and those not heard of for
    /// [`REPLICAS_KEPT_SECONDS`].
    async fn note_replica(&self, replica: &Replica) -> Result<(), StoreError>;

    /// Takes a replica off the list, since it was told to stop.
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
