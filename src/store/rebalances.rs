//! Reports of rebalances, as stored.

use async_trait::async_trait;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::both::for_both_stores;
use super::error::StoreError;
use super::outcome::TRIES;
use super::row::parsed;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;

/// A rebalance as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredRebalance {
    /// Its number; newer ones have higher numbers.
    pub number: i64,
    /// The CA.
    pub ca: CaName,
    /// When it began.
    pub made_at: Timestamp,
    /// Its report, as JSON; `None` until it is complete.
    pub body: Option<String>,
}

/// Rebalances.
#[async_trait]
pub trait RebalanceStore {
    /// Begins a rebalance of a CA, unless one began at `unless_since` or later. Returns its number, or
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

    /// The rebalance with this number.
    async fn rebalance(&self, number: i64) -> Result<Option<StoredRebalance>, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl RebalanceStore for ThisStore {
        async fn begin_rebalance(
            &self,
            ca: &CaName,
            made_at: Timestamp,
            unless_since: Option<Timestamp>,
        ) -> Result<Option<i64>, StoreError> {
            // A process that takes the same number at the same moment waits until the first one has
            // committed, and then checks again.
            for _ in 0..TRIES {
                let insert = sqlx::query_as::<_, (i64,)>(
                    "INSERT INTO rebalances (number, ca, made_at)
                     SELECT (SELECT coalesce(max(number), 0) + 1 FROM rebalances),
                            CAST($1 AS text), CAST($2 AS bigint)
                     WHERE NOT EXISTS (SELECT 1 FROM rebalances
                                       WHERE ca = CAST($1 AS text)
                                         AND made_at >= CAST($3 AS bigint))
                     ON CONFLICT DO NOTHING RETURNING number",
                )
                .bind(ca.as_str())
                .bind(made_at.unix())
                .bind(unless_since.map(Timestamp::unix));
                let taken = self.written_row("rebalance_insert", insert).await?;
                if let Some((number,)) = taken {
                    return Ok(Some(number));
                }
                let made = sqlx::query_as::<_, (i64,)>(
                    "SELECT number FROM rebalances WHERE ca = $1 AND made_at >= $2 LIMIT 1",
                )
                .bind(ca.as_str())
                .bind(unless_since.map(Timestamp::unix));
                if self.row("rebalance_made", made).await?.is_some() {
                    return Ok(None);
                }
            }
            Err(StoreError::contested("rebalance_insert"))
        }

        async fn finish_rebalance(&self, number: i64, body: &str) -> Result<(), StoreError> {
            let update = sqlx::query("UPDATE rebalances SET body = $2 WHERE number = $1")
                .bind(number)
                .bind(body);
            self.write_alone("rebalance_update", update).await
        }

        async fn rebalances(&self, limit: u32) -> Result<Vec<StoredRebalance>, StoreError> {
            let select = sqlx::query_as(
                "SELECT number, ca, made_at, body FROM rebalances ORDER BY number DESC LIMIT $1",
            )
            .bind(i64::from(limit));
            self.rows("rebalances_select", select).await
        }

        async fn rebalance(&self, number: i64) -> Result<Option<StoredRebalance>, StoreError> {
            let select = sqlx::query_as(
                "SELECT number, ca, made_at, body FROM rebalances WHERE number = $1",
            )
            .bind(number);
            self.row("rebalance_select", select).await
        }
    }
}

impl<'r, R> FromRow<'r, R> for StoredRebalance
where
    R: Row,
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            number: row.try_get(0)?,
            ca: parsed("ca", row.try_get(1)?)?,
            made_at: row.try_get(2).map(Timestamp::from_unix)?,
            body: row.try_get::<Option<&str>, _>(3)?.map(str::to_owned),
        })
    }
}
