//! Publications and their documents.

use std::sync::Arc;

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::outcome::TRIES;
use crate::domain::time::Timestamp;

/// How many publications are kept: three months of daily ones, for questions about the past.
const KEPT_PUBLICATIONS: i64 = 100;

/// A published set of documents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publication {
    /// Its number; newer ones have higher numbers. 0 before it is stored.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The documents' paths, such as `ranking.json`, and their bytes.
    pub documents: Vec<(String, Arc<[u8]>)>,
}

/// Publications.
#[async_trait]
pub trait PublicationStore {
    /// Stores a publication, unless one was made at `unless_since` or later. Returns its number, or
    /// `None`.
    async fn publish(
        &self,
        publication: &Publication,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError>;

    /// The newest document at this path, from any publication that is kept.
    async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// The newest publication, if its number is higher than `after`.
    async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl PublicationStore for ThisStore {
        async fn publish(
            &self,
            publication: &Publication,
            unless_since: Option<Timestamp>,
        ) -> Result<Option<i64>, StoreError> {
            let mut transaction = self.write().await?;
            let mut taken = None;
            for _ in 0..TRIES {
                // A process that takes the same number at the same moment waits here until the first
                // one has committed, and then checks again.
                let insert = sqlx::query_as::<_, (i64,)>(
                    "INSERT INTO publications (number, made_at)
                     SELECT (SELECT coalesce(max(number), 0) + 1 FROM publications),
                            CAST($1 AS bigint)
                     WHERE NOT EXISTS (SELECT 1 FROM publications
                                       WHERE made_at >= CAST($2 AS bigint))
                     ON CONFLICT DO NOTHING RETURNING number",
                )
                .bind(publication.made_at.unix())
                .bind(unless_since.map(Timestamp::unix));
                taken = self.row_in(&mut transaction, "publication_insert", insert).await?;
                if taken.is_some() {
                    break;
                }
                let made = sqlx::query_as::<_, (i64,)>(
                    "SELECT number FROM publications WHERE made_at >= $1 LIMIT 1",
                )
                .bind(unless_since.map(Timestamp::unix));
                let made = self.row_in(&mut transaction, "publication_made", made).await?;
                if made.is_some() {
                    return Ok(None);
                }
            }
            let (number,) = taken.ok_or_else(|| StoreError::contested("publication_insert"))?;
            for (position, (path, bytes)) in (0_i64..).zip(&publication.documents) {
                let insert = sqlx::query(
                    "INSERT INTO documents (publication, position, path, bytes)
                     VALUES ($1, $2, $3, $4)",
                )
                .bind(number)
                .bind(position)
                .bind(path)
                .bind(&bytes[..]);
                self.run_in(&mut transaction, "document_insert", insert).await?;
            }
            let oldest = number - KEPT_PUBLICATIONS + 1;
            let old = sqlx::query("DELETE FROM documents WHERE publication < $1").bind(oldest);
            self.run_in(&mut transaction, "document_delete", old).await?;
            let old = sqlx::query("DELETE FROM publications WHERE number < $1").bind(oldest);
            self.run_in(&mut transaction, "publication_delete", old).await?;
            self.commit(transaction).await?;
            self.hint();
            Ok(Some(number))
        }

        async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
            let select = sqlx::query_as::<_, (Vec<u8>,)>(
                "SELECT bytes FROM documents WHERE path = $1 ORDER BY publication DESC LIMIT 1",
            )
            .bind(path);
            let row = self.row("document_select", select).await?;
            Ok(row.map(|(bytes,)| bytes.into()))
        }

        async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError> {
            // One statement, so that the documents belong to the publication.
            let select = sqlx::query_as(
                "SELECT number, made_at, path, bytes
                 FROM publications LEFT JOIN documents ON publication = number
                 WHERE number = (SELECT max(number) FROM publications) AND number > $1
                 ORDER BY position",
            )
            .bind(after);
            self.rows("publication_select", select).await.map(publication)
        }
    }
}

/// A row: the number and time of the publication, then a document; no path and no bytes if the
/// publication has no documents.
type DocumentRow = (i64, i64, Option<String>, Option<Vec<u8>>);

/// The publication that these rows belong to, in the order of its documents.
fn publication(rows: Vec<DocumentRow>) -> Option<Publication> {
    let &(number, made_at, ..) = rows.first()?;
    Some(Publication {
        number,
        made_at: Timestamp::from_unix(made_at),
        documents: rows
            .into_iter()
            .filter_map(|(_, _, path, bytes)| Some((path?, bytes?.into())))
            .collect(),
    })
}
