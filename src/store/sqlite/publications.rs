//! Publications and their documents.

use std::sync::Arc;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::outcome::{DocumentRow, KEPT_PUBLICATIONS, publication};
use crate::store::{Publication, StoreError};

impl SqliteStore {
    pub(super) async fn insert_publication(
        &self,
        publication: &Publication,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.write().await?;
        let insert = sqlx::query_scalar::<_, i64>(
            "INSERT INTO publications (number, made_at)
             SELECT (SELECT coalesce(max(number), 0) + 1 FROM publications), ?1
             WHERE ?2 IS NULL OR NOT EXISTS (SELECT 1 FROM publications WHERE made_at >= ?2)
             RETURNING number",
        )
        .bind(publication.made_at.unix())
        .bind(unless_since.map(Timestamp::unix));
        let Some(number) = self
            .queries
            .named(
                "publication_insert",
                insert.fetch_optional(&mut *transaction),
            )
            .await?
        else {
            return Ok(None);
        };
        for (position, (path, bytes)) in (0_i64..).zip(&publication.documents) {
            let insert = sqlx::query(
                "INSERT INTO documents (publication, position, path, bytes)
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(number)
            .bind(position)
            .bind(path)
            .bind(&bytes[..]);
            self.queries
                .named("document_insert", insert.execute(&mut *transaction))
                .await?;
        }
        let oldest = number - KEPT_PUBLICATIONS + 1;
        let documents = sqlx::query("DELETE FROM documents WHERE publication < ?1").bind(oldest);
        self.queries
            .named("document_delete", documents.execute(&mut *transaction))
            .await?;
        let publications = sqlx::query("DELETE FROM publications WHERE number < ?1").bind(oldest);
        self.queries
            .named(
                "publication_delete",
                publications.execute(&mut *transaction),
            )
            .await?;
        self.commit(transaction).await?;
        Ok(Some(number))
    }

    pub(super) async fn read_publication_after(
        &self,
        after: i64,
    ) -> Result<Option<Publication>, StoreError> {
        // One statement, so that the documents are those of the publication.
        let select = sqlx::query_as::<_, DocumentRow>(
            "SELECT number, made_at, path, bytes
             FROM publications LEFT JOIN documents ON publication = number
             WHERE number = (SELECT max(number) FROM publications) AND number > ?1
             ORDER BY position",
        )
        .bind(after);
        let rows = self
            .queries
            .named("publication_select", select.fetch_all(self.readers()))
            .await?;
        Ok(publication(rows))
    }

    pub(super) async fn read_document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        let select = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT bytes FROM documents WHERE path = ?1 ORDER BY publication DESC LIMIT 1",
        )
        .bind(path);
        let bytes = self
            .queries
            .named("document_select", select.fetch_optional(self.readers()))
            .await?;
        Ok(bytes.map(Into::into))
    }
}
