//! Bulk events that somebody announced.

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::{MOST_PLANNED, PlannedStore, StoreError, StoredPlanned};

#[async_trait]
impl PlannedStore for SqliteStore {
    async fn announce(
        &self,
        event: &StoredPlanned,
        over_before: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let clean = sqlx::query("DELETE FROM planned WHERE to_at < ?1").bind(over_before.unix());
        let insert = sqlx::query_scalar::<_, i64>(
            "INSERT INTO planned (ca, name, from_at, to_at, certificates, made_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE (SELECT count(*) FROM planned) < ?7
             RETURNING id",
        )
        .bind(event.ca.as_str())
        .bind(&event.name)
        .bind(event.event.span.from.unix())
        .bind(event.event.span.to.unix())
        .bind(event.event.certificates)
        .bind(event.made_at.unix())
        .bind(MOST_PLANNED);
        let mut transaction = self.write().await?;
        self.queries
            .named("planned_clean", clean.execute(&mut *transaction))
            .await?;
        let id = self
            .queries
            .named("planned_insert", insert.fetch_optional(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(id)
    }

    async fn planned(&self) -> Result<Vec<StoredPlanned>, StoreError> {
        let select = sqlx::query_as::<_, StoredPlanned>(
            "SELECT id, ca, name, from_at, to_at, certificates, made_at FROM planned
             ORDER BY from_at, id LIMIT ?1",
        )
        .bind(MOST_PLANNED);
        self.queries
            .named("planned_select", select.fetch_all(self.readers()))
            .await
    }

    async fn withdraw(&self, id: i64) -> Result<bool, StoreError> {
        let delete =
            sqlx::query_scalar::<_, i64>("DELETE FROM planned WHERE id = ?1 RETURNING id").bind(id);
        let mut transaction = self.write().await?;
        let gone = self
            .queries
            .named("planned_delete", delete.fetch_optional(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(gone.is_some())
    }
}
