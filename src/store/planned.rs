//! Bulk events that somebody announced, as stored.

use std::fmt::Debug;

use async_trait::async_trait;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::error::StoreError;
use super::row::parsed;
use crate::domain::policy::ca::CaName;
use crate::domain::policy::planned::Planned;
use crate::domain::time::{Span, Timestamp};

/// The most events that are not over yet: one an hour for a month and more. All are read at once.
pub const MOST_PLANNED: i64 = 1_000;

/// A bulk event as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPlanned {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// The CA.
    pub ca: CaName,
    /// The name that its owner gave it.
    pub name: String,
    /// When, and how many certificates it asks for.
    pub event: Planned,
    /// When it was announced.
    pub made_at: Timestamp,
}

/// Bulk events.
#[async_trait]
pub trait PlannedStore: Debug + Send + Sync {
    /// Stores a new event, and removes those that were over before `over_before`. Its number;
    /// `None` where there are [`MOST_PLANNED`].
    async fn announce(
        &self,
        event: &StoredPlanned,
        over_before: Timestamp,
    ) -> Result<Option<i64>, StoreError>;

    /// All events, the first to begin first.
    async fn planned(&self) -> Result<Vec<StoredPlanned>, StoreError>;

    /// Takes an event back; whether it was there.
    async fn withdraw(&self, id: i64) -> Result<bool, StoreError>;
}

impl<'r, R> FromRow<'r, R> for StoredPlanned
where
    R: Row,
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    f64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get(0)?,
            ca: parsed("ca", row.try_get(1)?)?,
            name: row.try_get::<&str, _>(2)?.to_owned(),
            event: Planned {
                span: Span {
                    from: row.try_get(3).map(Timestamp::from_unix)?,
                    to: row.try_get(4).map(Timestamp::from_unix)?,
                },
                certificates: row.try_get(5)?,
            },
            made_at: row.try_get(6).map(Timestamp::from_unix)?,
        })
    }
}
