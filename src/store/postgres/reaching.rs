//! Asking the servers of a distributed database whether they are there.

use std::time::Duration;

use super::PostgresStore;
use super::pool::within;
use crate::store::StoreError;

/// A server that has not answered by then is away: with a second between two tries it is named within five.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

impl PostgresStore {
    /// Reads whether there are several, before anything else is asked.
    pub(super) async fn look_for_servers(&self) -> Result<(), StoreError> {
        let select = sqlx::query_scalar("SELECT distributed_by IS NOT NULL FROM feed");
        let select = select.fetch_one(&self.pool);
        let is_distributed = self.queries.named("servers_look", select).await?;
        self.servers.set_distributed(is_distributed);
        Ok(())
    }

    /// Asks all servers, if there are several, by an index look-up that finds nothing.
    pub(super) async fn reach_servers(&self) -> Result<(), StoreError> {
        if !self.servers.are_several() {
            return Ok(());
        }
        let select = sqlx::query("SELECT 1 FROM certificates WHERE not_after < -1 LIMIT 1");
        let reaching = within(ANSWERS_WITHIN, select.execute(&self.pool));
        let reached = self.queries.named("servers_reach", reaching).await;
        let is_away = matches!(reached, Err(StoreError::Unavailable { .. }));
        self.servers.set_away(is_away);
        reached.map(drop)
    }
}
