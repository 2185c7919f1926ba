//! Finds out whether a database that did not accept writes does so again.

use std::io::{self, Write as _};
use std::path::Path;

use super::SqliteStore;
use crate::store::StoreError;

/// The free space in bytes that is required before writes are accepted again: some hundred
/// registrations. Less might be used up within one of them.
const ROOM_OCTETS: usize = 1 << 20;

impl SqliteStore {
    /// The known reason why writes are not accepted.
    pub(super) fn known_trouble(&self) -> Option<String> {
        match self.connections.check() {
            Err(error) => Some(error.to_string()),
            Ok(_) => self.queries.condition().trouble().map(str::to_owned),
        }
    }

    /// If writes failed, tests whether they are accepted again: there is some free space, the log can
    /// be copied into the database, and a transaction can be committed.
    pub(super) async fn try_to_write(&self) -> Result<(), StoreError> {
        let condition = self.queries.condition();
        if condition.trouble().is_none() {
            return Ok(());
        }
        if let Some(folder) = self.connections.folder().map(Path::to_owned) {
            let room = tokio::task::spawn_blocking(move || room(&folder));
            let room = async { Ok(room.await.map_err(io::Error::other)??) };
            self.queries.named("room", room).await?;
        }
        // The only obstacle may be a log that could not grow.
        self.queries.named("empty_log", self.log.empty()).await?;
        let write = sqlx::query("UPDATE feed SET commits = commits WHERE only_row = 1");
        self.write_alone("write_again", write).await?;
        condition.recovered();
        tracing::info!(event = "database_writable");
        Ok(())
    }
}

/// Whether this much fits into the folder. The file has no name, and is removed at the end.
fn room(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; ROOM_OCTETS])?;
    file.sync_data()
}
