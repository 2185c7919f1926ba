//! From a database that takes no writes back to one that does.

use std::io::{self, Write as _};
use std::path::Path;

use super::SqliteStore;
use crate::store::StoreError;

/// The free space that is required before writes are accepted again: some hundred registrations.
/// Less might be used up within one of them.
const ROOM_OCTETS: usize = 1 << 20;

impl SqliteStore {
    /// What keeps writes from being taken.
    pub(super) fn known_trouble(&self) -> Option<String> {
        match self.connections.check() {
            Err(error) => Some(error.to_string()),
            Ok(_) => self.queries.condition().trouble().map(str::to_owned),
        }
    }

    /// Where writes failed, tries whether they are taken again: there is room for some, the log can
    /// be brought into the database, and a transaction can be made durable.
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
        // A log that could grow no further may be all that is in the way.
        self.queries.named("empty_log", self.log.empty()).await?;
        let write = sqlx::query("UPDATE feed SET commits = commits WHERE only_row = 1");
        self.write_alone("write_again", write).await?;
        condition.recovered();
        tracing::info!(event = "database_writable");
        Ok(())
    }
}

/// Whether so much fits into this folder. The file has no name, and is gone at the end.
fn room(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&vec![0; ROOM_OCTETS])?;
    file.sync_data()
}
