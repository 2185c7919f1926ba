//! Bulk events that somebody announced.

use async_trait::async_trait;

use super::PostgresStore;
use crate::domain::time::Timestamp;
use crate::store::{MOST_PLANNED, PlannedStore, StoreError, StoredPlanned};

#[async_trait]
impl PlannedStore for PostgresStore {
    async fn announce(
        &self,
        event: &StoredPlanned,
        over_before: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let clean =
            sqlx::query("DELETE FROM planned WHERE to_at < $1::bigint").bind(over_before.unix());
        self.queries
            .named("planned_clean", clean.execute(&self.pool))
            .await?;
        let insert = sqlx::query_scalar::<_, i64>(
            "INSERT INTO planned (ca, name, from_at, to_at, certificates, made_at)
             SELECT $1::text, $2::text, $3::bigint, $4::bigint, $5::double precision, $6::bigint
             WHERE (SELECT count(*) FROM planned) < $7::bigint
             RETURNING id",
        )
        .bind(event.ca.as_str())
        .bind(&event.name)
        .bind(event.event.span.from.unix())
        .bind(event.event.span.to.unix())
        .bind(event.event.certificates)
        .bind(event.made_at.unix())
        .bind(MOST_PLANNED);
        self.queries
            .named("planned_insert", insert.fetch_optional(&self.pool))
            .await
    }

    async fn planned(&self) -> Result<Vec<StoredPlanned>, StoreError> {
        let select = sqlx::query_as::<_, StoredPlanned>(
            "SELECT id, ca, name, from_at, to_at, certificates, made_at FROM planned
             ORDER BY from_at, id LIMIT $1",
        )
        .bind(MOST_PLANNED);
        self.queries
            .named("planned_select", select.fetch_all(&self.pool))
            .await
    }

    async fn withdraw(&self, id: i64) -> Result<bool, StoreError> {
        let delete = sqlx::query("DELETE FROM planned WHERE id = $1").bind(id);
        let deleted = self
            .queries
            .named("planned_delete", delete.execute(&self.pool))
            .await?;
        Ok(deleted.rows_affected() > 0)
    }
}
