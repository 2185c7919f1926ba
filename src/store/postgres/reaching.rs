//! Checks whether the database, and the servers of a distributed one, answer.

use super::PostgresStore;
use super::pool::within;
use crate::store::{ANSWERS_WITHIN, StoreError};

impl PostgresStore {
    /// Reads whether the database is distributed, before any other query.
    pub(super) async fn look_for_servers(&self) -> Result<(), StoreError> {
        let select = sqlx::query_scalar("SELECT distributed_by IS NOT NULL FROM feed");
        let select = select.fetch_one(&self.pool);
        let is_distributed = self.queries.named("servers_look", select).await?;
        self.servers.set_distributed(is_distributed);
        Ok(())
    }

    /// Checks all servers; if there are several, by an index look-up that finds nothing.
    pub(super) async fn reach_servers(&self) -> Result<(), StoreError> {
        let are_several = self.servers.are_several();
        let select = sqlx::query(if are_several {
            "SELECT 1 FROM certificates WHERE not_after < -1 LIMIT 1"
        } else {
            "SELECT 1"
        });
        let answered = self.queries.answered_so_far();
        let reaching = within(ANSWERS_WITHIN, select.execute(&self.pool));
        let reached = self.queries.named("servers_reach", reaching).await;
        // A single server that has answered other queries in the meantime is busy, not unavailable.
        let is_busy = !are_several && self.queries.answered_so_far() > answered;
        let is_away = matches!(reached, Err(StoreError::Unavailable { .. })) && !is_busy;
        self.servers.set_away(is_away);
        reached.map(drop)
    }
}
