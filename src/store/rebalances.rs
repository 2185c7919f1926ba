//! The reports of rebalances, as stored.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

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
    /// When it was begun.
    pub made_at: Timestamp,
    /// Its report, as JSON; `None` until it is done.
    pub body: Option<String>,
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
