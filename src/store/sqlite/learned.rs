//! What was learned, kept across restarts.

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::outcome::{LearnedRow, learned};
use crate::store::{Learned, StoreError};

impl SqliteStore {
    pub(super) async fn read_learned(&self) -> Result<Vec<Learned>, StoreError> {
        let select =
            sqlx::query_as::<_, LearnedRow>("SELECT ca, name, body FROM learned ORDER BY ca, name");
        let rows = self
            .queries
            .named("learned_select", select.fetch_all(self.readers()))
            .await?;
        rows.into_iter().map(learned).collect()
    }

    pub(super) async fn upsert_learned(
        &self,
        learned: &Learned,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let upsert = sqlx::query(
            "INSERT INTO learned (ca, name, body, learned_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (ca, name)
             DO UPDATE SET body = excluded.body, learned_at = excluded.learned_at",
        )
        .bind(learned.ca.as_str())
        .bind(&learned.name)
        .bind(&learned.body)
        .bind(now.unix());
        self.queries
            .named("learned_upsert", upsert.execute(&mut *transaction))
            .await?;
        self.commit(transaction).await
    }
}
