//! Certificates.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use sqlx::{PgConnection, PgExecutor};

use super::PostgresStore;
use super::copy::Copied;
use super::observations::Telling;
use super::pool::hurried_step;
use super::tables::Durable;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::store::outcome::{Distinct, Trace, is_brought, summed};
use crate::store::row::{
    MarkedCertificate, basis_columns, cause_columns, certificate_columns, successor_columns,
};
use crate::store::{Registered, Registration, StoreError};

/// Rows sent in one statement: 2 MB or so.
pub(super) const ROWS: usize = 10_000;
/// Fewer rows than this are inserted as fast as they are copied, which takes two more statements.
const COPIED_FROM: usize = 100;
/// How often a step is tried that another process got in the way of. Each try waits for that
/// process to finish, so more than two are rare.
pub(super) const TRIES: usize = 8;
/// The SQLSTATEs of a transaction that may succeed when tried again: serialization failure and
/// deadlock.
const TRY_AGAIN: [&str; 2] = ["40001", "40P01"];

impl PostgresStore {
    pub(super) async fn write_registration(
        &self,
        registration: Registration<'_>,
    ) -> Result<Vec<Registered>, StoreError> {
        let distinct = Distinct::new(registration.certificates);
        let alone = distinct.certificates().len() <= 1
            && registration.successions.is_empty()
            && registration.observations.is_empty()
            && registration.progress.is_none();
        let mut tries = 0;
        let stored = loop {
            let attempt = if alone {
                let work = self.register_one(registration, &distinct);
                hurried_step("certificate_insert", work).await
            } else {
                self.register_many(registration, &distinct).await
            };
            tries += 1;
            match attempt {
                Err(error) if tries < TRIES && may_pass(&error) => {}
                attempt => break attempt?,
            }
        };
        Ok(distinct.outcomes(&stored))
    }

    /// The common case, without a transaction around it: a table that no certificate names harms
    /// nobody, one statement is a transaction, and both are synced at once.
    async fn register_one(
        &self,
        registration: Registration<'_>,
        distinct: &Distinct<'_>,
    ) -> Result<HashMap<CertId, Certificate>, StoreError> {
        self.insert_tables(&self.pool, registration.tables, Durable::WithTheNext)
            .await?;
        let mut stored = HashMap::new();
        let Some(&certificate) = distinct.certificates().first() else {
            return Ok(stored);
        };
        for _ in 0..TRIES {
            if self.insert_rows(&self.pool, &[certificate]).await? == 1 {
                return Ok(stored);
            }
            // It was there a moment ago, and may have been removed since.
            if let Some(row) = self.read_certificate(&certificate.id).await? {
                stored.insert(row.id.clone(), row);
                return Ok(stored);
            }
        }
        Err(contested())
    }

    async fn register_many(
        &self,
        registration: Registration<'_>,
        distinct: &Distinct<'_>,
    ) -> Result<HashMap<CertId, Certificate>, StoreError> {
        let mut transaction = self.begin().await?;
        // In one order everywhere: tables by number, certificates by CertID, those replaced by
        // CertID, the batch, the file. Two that meet crosswise all the same, one's new among the
        // other's replaced, are tried again.
        self.insert_tables(&mut *transaction, registration.tables, Durable::AtCommit)
            .await?;
        let mut stored = HashMap::new();
        for chunk in distinct.certificates().chunks(ROWS) {
            self.insert_chunk(&mut transaction, chunk, &mut stored)
                .await?;
        }
        let mut successions: Vec<_> = registration.successions.iter().collect();
        successions.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (id, successor) in successions {
            if is_brought(successor, &stored) {
                self.set_successor(&mut *transaction, id, successor).await?;
            }
        }
        if !registration.observations.is_empty() {
            let file = registration.progress.map(|progress| &progress.sha256[..]);
            let telling = Telling::ByFeedAndLoads;
            self.insert_counted(&mut transaction, telling, file, registration.observations)
                .await?;
        }
        if let Some(progress) = registration.progress {
            self.upsert_progress(&mut transaction, progress).await?;
        }
        self.commit(transaction).await?;
        Ok(stored)
    }

    /// Inserts those that are not there; the rows of the others go into `stored`.
    async fn insert_chunk(
        &self,
        connection: &mut PgConnection,
        chunk: &[&Certificate],
        stored: &mut HashMap<CertId, Certificate>,
    ) -> Result<(), StoreError> {
        if chunk.len() >= COPIED_FROM
            && !self.meets_known.load(Ordering::Relaxed)
            && self.copy_rows(connection, chunk).await? == Copied::All
        {
            return Ok(());
        }
        let mut left: Vec<&Certificate> = chunk.to_vec();
        for _ in 0..TRIES {
            let inserted = self.insert_rows(&mut *connection, &left).await?;
            let all = inserted == left.len() as u64;
            self.meets_known.store(!all, Ordering::Relaxed);
            if all {
                return Ok(());
            }
            let rows = self.marked(&mut *connection, &left).await?;
            let mut seen = HashSet::with_capacity(rows.len());
            for row in rows {
                seen.insert(row.certificate.id.clone());
                if !row.ours {
                    stored.insert(row.certificate.id.clone(), row.certificate);
                }
            }
            // One that was there at the first statement and gone at the second is tried again.
            left.retain(|certificate| !seen.contains(&certificate.id));
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(contested())
    }

    /// Inserts those that are not there; how many that were.
    async fn insert_rows(
        &self,
        executor: impl PgExecutor<'_>,
        rows: &[&Certificate],
    ) -> Result<u64, StoreError> {
        let (ids, orders): (Vec<_>, Vec<_>) = rows
            .iter()
            .map(|one| successor_columns(one.successor.as_ref()))
            .unzip();
        let insert = sqlx::query(concat!(
            "INSERT INTO certificates (",
            certificate_columns!(),
            ") SELECT rows.* FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[],
             $5::bigint[], $6::boolean[], $7::boolean[], $8::bigint[], $9::bigint[],
             $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[],
             $15::bigint[], $16::bigint[], $17::double precision[], $18::text[],
             $19::text[]) AS rows
             ON CONFLICT DO NOTHING"
        ))
        .bind(column(rows, |one| one.id.key_identifier.octets()))
        .bind(column(rows, |one| one.id.serial.octets()))
        .bind(column(rows, |one| one.validity.not_before.unix()))
        .bind(column(rows, |one| one.validity.not_after.unix()))
        .bind(column(rows, |one| one.issued_at.unix()))
        .bind(column(rows, |one| one.hour_known))
        .bind(column(rows, |one| one.steered))
        .bind(column(rows, |one| one.registered_at.unix()))
        .bind(column(rows, |one| one.window.from.unix()))
        .bind(column(rows, |one| one.window.to.unix()))
        .bind(column(rows, |one| basis_columns(one.basis).0))
        .bind(column(rows, |one| basis_columns(one.basis).1))
        .bind(column(rows, |one| basis_columns(one.basis).2))
        .bind(column(rows, |one| basis_columns(one.basis).3))
        .bind(column(rows, |one| cause_columns(one.cause).0))
        .bind(column(rows, |one| cause_columns(one.cause).1))
        .bind(column(rows, |one| one.follows))
        .bind(ids)
        .bind(orders);
        self.queries
            .named("certificate_insert", insert.execute(executor))
            .await
            .map(|done| done.rows_affected())
    }

    /// The rows of these certificates, and whether this transaction inserted them.
    async fn marked(
        &self,
        connection: &mut PgConnection,
        certificates: &[&Certificate],
    ) -> Result<Vec<MarkedCertificate>, StoreError> {
        // OFFSET 0 keeps the planner from making a join of it: in a table that it has no figures of
        // yet it would read all rows, once a step.
        let select = sqlx::query_as::<_, MarkedCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            ", changed = pg_current_xact_id()
             FROM unnest($1::bytea[], $2::bytea[]) AS ids (issuer, number),
             LATERAL (
                 SELECT ",
            certificate_columns!(),
            ", changed FROM certificates
                 WHERE key_identifier = issuer AND serial = number OFFSET 0
             ) AS found"
        ))
        .bind(column(certificates, |one| one.id.key_identifier.octets()))
        .bind(column(certificates, |one| one.id.serial.octets()));
        self.queries
            .named("certificate_select_many", select.fetch_all(connection))
            .await
    }

    pub(super) async fn delete_certificates(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        let mut tries = 0;
        loop {
            let attempt = self.try_delete(ids).await;
            tries += 1;
            match attempt {
                Err(error) if tries < TRIES && may_pass(&error) => {}
                attempt => return attempt,
            }
        }
    }

    async fn try_delete(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        let mut removed = 0;
        let mut transaction = self.begin().await?;
        for chunk in ids.chunks(ROWS) {
            // Locked in the order of CertIDs, as registrations lock them.
            let delete = sqlx::query(
                "WITH doomed AS (
                     SELECT key_identifier, serial
                     FROM certificates
                     JOIN unnest($1::bytea[], $2::bytea[]) AS ids (issuer, number)
                       ON key_identifier = issuer AND serial = number
                     ORDER BY key_identifier, serial
                     FOR UPDATE OF certificates
                 ), gone AS (
                     DELETE FROM certificates USING doomed
                     WHERE certificates.key_identifier = doomed.key_identifier
                       AND certificates.serial = doomed.serial
                     RETURNING certificates.key_identifier, certificates.serial
                 )
                 INSERT INTO removals (key_identifier, serial)
                 SELECT key_identifier, serial FROM gone ORDER BY key_identifier, serial
                 ON CONFLICT (key_identifier, serial)
                 DO UPDATE SET changed = excluded.changed, removed_at = excluded.removed_at",
            )
            .bind(column(chunk, |id| id.key_identifier.octets()))
            .bind(column(chunk, |id| id.serial.octets()));
            removed += self
                .queries
                .named("certificate_delete", delete.execute(&mut *transaction))
                .await?
                .rows_affected();
        }
        self.commit(transaction).await?;
        Ok(removed)
    }

    pub(super) async fn delete_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        // What another process is purging is left to it.
        let delete = sqlx::query_as::<_, (Vec<u8>, i64, bool, bool)>(
            "WITH expired AS (
                 SELECT key_identifier, serial FROM certificates
                 WHERE not_after < $1 ORDER BY not_after LIMIT $2 FOR UPDATE SKIP LOCKED
             )
             DELETE FROM certificates USING expired
             WHERE certificates.key_identifier = expired.key_identifier
               AND certificates.serial = expired.serial
             RETURNING certificates.key_identifier, issued_at, hour_known, steered",
        )
        .bind(before.unix())
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("certificate_purge", delete.fetch_all(&mut *transaction))
            .await?;
        let purged = rows.len() as u64;
        let traces = rows
            .into_iter()
            .map(Trace::from_columns)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| StoreError::from_driver("certificate_purge", error))?;
        let observations = summed(traces.into_iter(), ca_of);
        if !observations.is_empty() {
            let telling = Telling::ByLoadsAlone;
            self.insert_counted(&mut transaction, telling, None, &observations)
                .await?;
        }
        self.commit(transaction).await?;
        Ok(purged)
    }
}

/// Whether the same again may succeed: another process was in the way.
pub(super) fn may_pass(error: &StoreError) -> bool {
    error
        .code()
        .is_some_and(|code| TRY_AGAIN.contains(&code.as_str()))
}

/// A row that others take away and put back faster than it can be read.
pub(super) fn contested() -> StoreError {
    StoreError::Unavailable {
        query: "certificate_insert",
        source: sqlx::Error::RowNotFound,
    }
}

/// One field of all rows: a column on its way into an array parameter.
pub(super) fn column<'a, S, T>(rows: &'a [S], field: impl Fn(&'a S) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
