//! Publications and their documents.

use std::sync::Arc;

use super::PostgresStore;
use super::certificates::{TRIES, contested};
use super::session::Transaction;
use crate::domain::time::Timestamp;
use crate::store::outcome::{DocumentRow, KEPT_PUBLICATIONS, publication};
use crate::store::{Publication, StoreError};

impl PostgresStore {
    pub(super) async fn insert_publication(
        &self,
        publication: &Publication,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.begin().await?;
        let made_at = publication.made_at;
        let Some(number) = self
            .next_publication(&mut transaction, made_at, unless_since)
            .await?
        else {
            return Ok(None);
        };
        for (position, (path, bytes)) in (0_i64..).zip(&publication.documents) {
            let insert = sqlx::query(
                "INSERT INTO documents (publication, position, path, bytes)
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(number)
            .bind(position)
            .bind(path)
            .bind(&bytes[..]);
            self.queries
                .named("document_insert", insert.execute(&mut transaction))
                .await?;
        }
        let oldest = number - KEPT_PUBLICATIONS + 1;
        let documents = sqlx::query("DELETE FROM documents WHERE publication < $1").bind(oldest);
        self.queries
            .named("document_delete", documents.execute(&mut transaction))
            .await?;
        let publications = sqlx::query("DELETE FROM publications WHERE number < $1").bind(oldest);
        self.queries
            .named("publication_delete", publications.execute(&mut transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(Some(number))
    }

    /// Takes the next number, unless a publication was made at `unless_since` or later. Whoever takes the same
    /// number at the same moment waits here until the first has committed, and looks again.
    async fn next_publication(
        &self,
        connection: &mut Transaction,
        made_at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        for _ in 0..TRIES {
            let insert = sqlx::query_as::<_, (Option<i64>, bool)>(
                "WITH fresh AS (
                     SELECT EXISTS (SELECT 1 FROM publications WHERE made_at >= $2::bigint) AS made
                 ), new AS (
                     INSERT INTO publications (number, made_at)
                     SELECT (SELECT coalesce(max(number), 0) + 1 FROM publications), $1::bigint
                     FROM fresh WHERE NOT made
                     ON CONFLICT DO NOTHING RETURNING number
                 )
                 SELECT (SELECT number FROM new), made FROM fresh",
            )
            .bind(made_at.unix())
            .bind(unless_since.map(Timestamp::unix));
            let (number, made) = self
                .queries
                .named("publication_insert", insert.fetch_one(&mut *connection))
                .await?;
            if made || number.is_some() {
                return Ok(number);
            }
        }
        Err(contested())
    }

    pub(super) async fn read_publication_after(
        &self,
        after: i64,
    ) -> Result<Option<Publication>, StoreError> {
        // One statement, so that the documents are those of the publication.
        let select = sqlx::query_as::<_, DocumentRow>(
            "SELECT number, made_at, path, bytes
             FROM publications LEFT JOIN documents ON publication = number
             WHERE number = (SELECT max(number) FROM publications) AND number > $1
             ORDER BY position",
        )
        .bind(after);
        let rows = self
            .queries
            .named("publication_select", select.fetch_all(&self.pool))
            .await?;
        Ok(publication(rows))
    }

    pub(super) async fn read_document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        let select = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT bytes FROM documents WHERE path = $1 ORDER BY publication DESC LIMIT 1",
        )
        .bind(path);
        let bytes = self
            .queries
            .named("document_select", select.fetch_optional(&self.pool))
            .await?;
        Ok(bytes.map(Into::into))
    }
}
