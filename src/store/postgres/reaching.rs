//! Asking the database, and the servers of a distributed one, whether they are there.

use super::PostgresStore;
use super::pool::within;
use crate::store::{ANSWERS_WITHIN, StoreError};

impl PostgresStore {
    /// Reads whether there are several, before anything else is asked.
    pub(super) async fn look_for_servers(&self) -> Result<(), StoreError> {
        let select = sqlx::query_scalar("SELECT distributed_by IS NOT NULL FROM feed");
        let select = select.fetch_one(&self.pool);
        let is_distributed = self.queries.named("servers_look", select).await?;
        self.servers.set_distributed(is_distributed);
        Ok(())
    }

    /// Asks all servers; if there are several, by an index look-up that finds nothing.
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
        // One server that has answered others meanwhile is busy, and not away.
        let is_busy = !are_several && self.queries.answered_so_far() > answered;
        let is_away = matches!(reached, Err(StoreError::Unavailable { .. })) && !is_busy;
        self.servers.set_away(is_away);
        reached.map(drop)
    }
}
