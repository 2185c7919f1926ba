//! Announced bulk events, as stored.

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::parsed;
use crate::domain::policy::ca::CaName;
use crate::domain::policy::planned::Planned;
use crate::domain::time::{Span, Timestamp};

/// The most events that are not over yet: one an hour for more than a month. All are read at once.
pub const MOST_PLANNED: i64 = 1_000;

/// A bulk event as stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredPlanned {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// The CA.
    pub ca: CaName,
    /// The name that its owner gave to it.
    pub name: String,
    /// When it takes place, and how many certificates it needs.
    #[serde(flatten)]
    pub event: Planned,
    /// When it was announced.
    pub made_at: Timestamp,
}

/// Bulk events.
#[async_trait]
pub trait PlannedStore {
    /// Stores a new event, and removes those that ended before `over_before`. Returns its number;
    /// `None` if there are [`MOST_PLANNED`] already.
    async fn announce(
        &self,
        event: &StoredPlanned,
        over_before: Timestamp,
    ) -> Result<Option<i64>, StoreError>;

    /// All events, in the order in which they begin.
    async fn planned(&self) -> Result<Vec<StoredPlanned>, StoreError>;

    /// Removes an event; returns whether it was stored.
    async fn withdraw(&self, id: i64) -> Result<bool, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl PlannedStore for ThisStore {
        async fn announce(
            &self,
            event: &StoredPlanned,
            over_before: Timestamp,
        ) -> Result<Option<i64>, StoreError> {
            let clean =
                sqlx::query("DELETE FROM planned WHERE to_at < $1").bind(over_before.unix());
            self.write_alone("planned_clean", clean).await?;
            let insert = sqlx::query_as::<_, (i64,)>(
                "INSERT INTO planned (ca, name, from_at, to_at, certificates, made_at)
                 SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint),
                        CAST($4 AS bigint), CAST($5 AS double precision), CAST($6 AS bigint)
                 WHERE (SELECT count(*) FROM planned) < CAST($7 AS bigint)
                 RETURNING id",
            )
            .bind(event.ca.as_str())
            .bind(&event.name)
            .bind(event.event.span.from.unix())
            .bind(event.event.span.to.unix())
            .bind(event.event.certificates)
            .bind(event.made_at.unix())
            .bind(MOST_PLANNED);
            let row = self.written_row("planned_insert", insert).await?;
            Ok(row.map(|(id,)| id))
        }

        async fn planned(&self) -> Result<Vec<StoredPlanned>, StoreError> {
            let select = sqlx::query_as(
                "SELECT id, ca, name, from_at, to_at, certificates, made_at FROM planned
                 ORDER BY from_at, id LIMIT $1",
            )
            .bind(MOST_PLANNED);
            self.rows("planned_select", select).await
        }

        async fn withdraw(&self, id: i64) -> Result<bool, StoreError> {
            let delete =
                sqlx::query_as::<_, (i64,)>("DELETE FROM planned WHERE id = $1 RETURNING id")
                    .bind(id);
            Ok(self.written_row("planned_delete", delete).await?.is_some())
        }
    }
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
