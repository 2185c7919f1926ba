//! Moves: new windows in the place of earlier ones.

use async_trait::async_trait;

use super::PostgresStore;
use super::again::tried_again;
use super::columns::{ROWS, column};
use super::outbox::Outbox;
use super::tables::Durable;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::Certificate;
use crate::domain::time::{Span, Timestamp};
use crate::store::outcome::distinct_moves;
use crate::store::row::{
    MarkedCertificate, StoredCertificate, basis_columns, cause_columns, certificate_columns,
};
use crate::store::{IdRange, Move, MoveStore, StoreError};

/// The fewest and the most certificates that one step of a search reads: many per round trip, and at
/// about 200 bytes each not more than 2 MB.
const SLICE: (u32, u32) = (1_000, 10_000);

#[async_trait]
impl MoveStore for PostgresStore {
    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let mut left = range.clone();
        while found.len() < wanted {
            let slice = self.window_slice(span, now, &left, limit).await?;
            let Some(last) = slice.last() else { break };
            left.after = Some(last.certificate.id.clone());
            let with = slice.into_iter().filter(|row| row.ours);
            found.extend(with.map(|row| row.certificate));
        }
        found.truncate(wanted);
        Ok(found)
    }

    async fn move_windows(
        &self,
        tables: &[StoredTable],
        moves: &[Move],
    ) -> Result<u64, StoreError> {
        let moves = distinct_moves(moves);
        tried_again(|| self.try_write_windows(tables, &moves)).await
    }
}

impl PostgresStore {
    async fn try_write_windows(
        &self,
        tables: &[StoredTable],
        moves: &[&Move],
    ) -> Result<u64, StoreError> {
        // Each row is found by its key and locked in the order of the moves: for thousands of moves the
        // planner would otherwise scan the whole table in each statement.
        let mut transaction = self.begin_by_key().await?;
        let mut outbox = Outbox::default();
        // In the same order as registrations: tables by number, certificates by CertID.
        self.insert_tables(&mut transaction, tables, Durable::AtCommit)
            .await?;
        let mut taken = 0;
        for chunk in moves.chunks(ROWS) {
            // If another process is changing a row, this waits for it and then compares the window
            // again.
            let update = sqlx::query_as::<_, StoredCertificate>(concat!(
                "UPDATE certificates
                 SET window_start = new_start, window_end = new_end, table_number = new_table,
                     span_start = new_span_start, span_end = new_span_end, plain = new_plain,
                     incident = new_incident, rebalance = new_rebalance
                 FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[],
                     $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
                     $10::boolean[], $11::bigint[], $12::bigint[])
                     AS moves (issuer, number, old_start, old_end, new_start, new_end,
                         new_table, new_span_start, new_span_end, new_plain, new_incident,
                         new_rebalance)
                 WHERE key_identifier = issuer AND serial = number
                   AND window_start = old_start AND window_end = old_end
                 RETURNING ",
                certificate_columns!()
            ))
            .bind(column(chunk, |one| one.id.key_identifier.octets()))
            .bind(column(chunk, |one| one.id.serial.octets()))
            .bind(column(chunk, |one| one.from.from.unix()))
            .bind(column(chunk, |one| one.from.to.unix()))
            .bind(column(chunk, |one| one.to.from.unix()))
            .bind(column(chunk, |one| one.to.to.unix()))
            .bind(column(chunk, |one| basis_columns(one.basis).0))
            .bind(column(chunk, |one| basis_columns(one.basis).1))
            .bind(column(chunk, |one| basis_columns(one.basis).2))
            .bind(column(chunk, |one| basis_columns(one.basis).3))
            .bind(column(chunk, |one| cause_columns(one.cause).0))
            .bind(column(chunk, |one| cause_columns(one.cause).1));
            let rows = self
                .rows_in(&mut transaction, "window_move", update)
                .await?;
            taken += rows.len() as u64;
            outbox.certificates(&rows.iter().map(|row| &row.0).collect::<Vec<_>>())?;
        }
        self.commit_changes(transaction, &outbox).await?;
        Ok(taken)
    }

    /// The next certificates of a range: those that are wanted, and the last one that was read. They
    /// are read in slices, so that a wrong estimate of the planner cannot make each page scan the whole
    /// table.
    async fn window_slice(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<MarkedCertificate>, StoreError> {
        let (fewest, most) = SLICE;
        if self.servers.are_several() {
            let slice = self
                .read_ranges(None, range, limit.clamp(fewest, most))
                .await?;
            let marked = |certificate: Certificate| MarkedCertificate {
                ours: certificate.window.from < span.to
                    && certificate.window.to > span.from
                    && certificate.validity.not_after > now
                    && certificate.successor.is_none(),
                certificate,
            };
            return Ok(slice.into_iter().map(marked).collect());
        }
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        let select = sqlx::query_as::<_, MarkedCertificate>(concat!(
            "WITH slice AS MATERIALIZED (
                 SELECT ",
            certificate_columns!(),
            ", window_start < $4 AND window_end > $3 AND not_after > $5
                   AND successor_id IS NULL AND successor_order IS NULL AS wanted
                 FROM certificates WHERE (key_identifier, serial) > ($1, $2)
                     AND (key_identifier, serial) <= ($7, $8)
                 ORDER BY key_identifier, serial LIMIT $6
             )
             SELECT ",
            certificate_columns!(),
            ", wanted FROM slice
             WHERE wanted OR (key_identifier, serial) =
                 (SELECT key_identifier, serial FROM slice
                  ORDER BY key_identifier DESC, serial DESC LIMIT 1)
             ORDER BY key_identifier, serial"
        ))
        .bind(from_issuer)
        .bind(from)
        .bind(span.from.unix())
        .bind(span.to.unix())
        .bind(now.unix())
        .bind(i64::from(limit.clamp(fewest, most)))
        .bind(to_issuer)
        .bind(to);
        self.rows("window_page", select).await
    }
}
