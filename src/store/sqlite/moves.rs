//! Moves: new windows in the place of earlier ones.

use async_trait::async_trait;

use super::SqliteStore;
use super::certificates::four;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::Certificate;
use crate::domain::time::{Span, Timestamp};
use crate::store::outcome::distinct_moves;
use crate::store::row::{StoredCertificate, basis_columns, cause_columns, certificate_columns};
use crate::store::{IdRange, Move, MoveStore, StoreError};

/// How many windows one statement moves: 64 · 12 parameters, in the order of a registration.
const ROWS: usize = 4 * 4 * 4;

/// Unused rows of the statement are NULL, which equals no certificate.
macro_rules! move_row {
    () => {
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
}
const MOVE: &str = concat!(
    "UPDATE certificates
     SET window_start = column5, window_end = column6, table_number = column7,
         span_start = column8, span_end = column9, plain = column10, incident = column11,
         rebalance = column12, changed = ?
     FROM (VALUES ",
    four!(four!(four!(move_row!()))),
    ") WHERE key_identifier = column1 AND serial = column2
         AND window_start = column3 AND window_end = column4"
);

#[async_trait]
impl MoveStore for SqliteStore {
    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        // The plus prevents the use of the index on `not_after`: a page continues where the last one
        // ended, in the order of the primary key, so that all pages together read each row once.
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE (key_identifier, serial) > (?1, ?2)
                 AND (key_identifier, serial) <= (?7, ?8)
                 AND window_start < ?4 AND window_end > ?3 AND +not_after > ?5
                 AND successor_id IS NULL AND successor_order IS NULL
             ORDER BY key_identifier, serial LIMIT ?6"
        ))
        .bind(from_issuer)
        .bind(from)
        .bind(span.from.unix())
        .bind(span.to.unix())
        .bind(now.unix())
        .bind(limit)
        .bind(to_issuer)
        .bind(to);
        self.found("window_page", select).await
    }

    async fn move_windows(
        &self,
        tables: &[StoredTable],
        moves: &[Move],
    ) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        self.insert_tables(&mut transaction, tables).await?;
        let mut taken = 0;
        for chunk in distinct_moves(moves).chunks(ROWS) {
            let mut update = sqlx::query(MOVE).bind(stamp);
            for row in 0..ROWS {
                let one = chunk.get(row);
                let (table, start, end, plain) =
                    one.map(|one| basis_columns(one.basis)).unwrap_or_default();
                let (incident, rebalance) =
                    one.map(|one| cause_columns(one.cause)).unwrap_or_default();
                update = update
                    .bind(one.map(|one| one.id.key_identifier.octets()))
                    .bind(one.map(|one| one.id.serial.octets()))
                    .bind(one.map(|one| one.from.from.unix()))
                    .bind(one.map(|one| one.from.to.unix()))
                    .bind(one.map(|one| one.to.from.unix()))
                    .bind(one.map(|one| one.to.to.unix()))
                    .bind(table)
                    .bind(start)
                    .bind(end)
                    .bind(plain)
                    .bind(incident)
                    .bind(rebalance);
            }
            taken += self.run_in(&mut transaction, "window_move", update).await?;
        }
        self.commit(transaction).await?;
        Ok(taken)
    }
}
