//! Reads all certificates by parts of the table, several at a time: one connection decodes about
//! 100,000 certificates a second. If a connection is lost, only its part is read again.

use futures_util::{StreamExt as _, stream};
use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::session::{Sessions, Transaction};
use crate::domain::certificate::Certificate;
use crate::store::query::Turns;
use crate::store::row::{StoredCertificate, certificate_columns};
use crate::store::{Change, StoreError};

/// How many parts are read at once: of the pool's ten connections, some are left for registrations.
const PARTS_AT_ONCE: usize = 4;
/// How many pages of the table a part has: 8 MiB, about 29,000 certificates, 10 MB in memory.
const PART_PAGES: i64 = 1_024;
/// How often a part is tried. A connection may be lost; a database that is unavailable usually stays
/// so.
const TRIES: usize = 3;

impl PostgresStore {
    /// Passes on all certificates of this snapshot.
    pub(super) async fn emit_certificates(
        &self,
        snapshot: &mut Transaction,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let select = sqlx::query_as::<_, (i64, bool)>(
            "SELECT pg_relation_size('certificates') / current_setting('block_size')::bigint,
                    distributed_by IS NOT NULL
             FROM feed",
        );
        let select = select.fetch_one(&mut *snapshot);
        let (pages, is_distributed) = self.queries.named("load_size", select).await?;
        // One connection holds the snapshot, and one is left for others.
        let free = self.pool.pool.options().get_max_connections() - 2;
        let at_once = usize::try_from(free).unwrap_or(1).min(PARTS_AT_ONCE);
        if is_distributed {
            // The rows are on other servers, and no snapshot covers several servers. Changes in the
            // meantime are read again from the feed (`position`).
            return self.emit_ranges(snapshot, at_once, emit).await;
        }
        let export = sqlx::query_scalar::<_, String>("SELECT pg_export_snapshot()");
        let export = export.fetch_one(&mut *snapshot);
        let name = self.queries.named("load_snapshot", export).await?;
        // One more than there are, because a table of less than a page has none.
        let starts = (0..=pages).step_by(usize::try_from(PART_PAGES).unwrap_or(1));
        let parts = starts.map(|start| self.part(&name, start));
        let mut parts = stream::iter(parts).buffer_unordered(at_once);
        let mut turns = Turns::default();
        while let Some(part) = parts.next().await {
            for certificate in part? {
                emit(Change::Certificate(Box::new(certificate)));
                turns.emitted().await;
            }
        }
        Ok(())
    }

    /// The certificates of the pages from `start` on, as of this snapshot.
    async fn part(&self, snapshot: &str, start: i64) -> Result<Vec<Certificate>, StoreError> {
        let mut tries = 0;
        loop {
            // In a task of its own, so that parts are decoded in parallel.
            let reading = tokio::spawn(read(self.pool.clone(), snapshot.to_owned(), start));
            let reading = async { reading.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) };
            let part = self.queries.named("load_certificates", reading).await;
            tries += 1;
            match part {
                Err(StoreError::Unavailable { .. }) if tries < TRIES => {}
                part => return part,
            }
        }
    }
}

async fn read(pool: Sessions, snapshot: String, start: i64) -> sqlx::Result<Vec<Certificate>> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'"
    );
    let mut transaction = pool.begin(AssertSqlSafe(begin)).await?;
    let rows = sqlx::query_as::<_, StoredCertificate>(concat!(
        "SELECT ",
        certificate_columns!(),
        " FROM certificates WHERE ctid >= $1::text::tid AND ctid < $2::text::tid"
    ))
    .bind(format!("({start},0)"))
    .bind(format!("({},0)", start + PART_PAGES))
    .fetch_all(&mut transaction)
    .await?;
    transaction.commit().await?;
    Ok(rows.into_iter().map(|row| row.0).collect())
}
