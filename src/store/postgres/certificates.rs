//! Registering and removing certificates.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use sqlx::PgExecutor;

use super::PostgresStore;
use super::again::tried_again;
use super::columns::{ROWS, column};
use super::copy::Copied;
use super::observations::Visibility;
use super::outbox::{Kind, Outbox, body};
use super::pool::hurried_step;
use super::session::Transaction;
use super::tables::Durable;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::store::outcome::{Distinct, TRIES, distinct_ids, is_brought, summed};
use crate::store::row::{
    CertIdRow, basis_columns, bind_certificate, cause_columns, cert_id, certificate_columns,
    successor_columns,
};
use crate::store::{CertificateStore, RegisterStore, Registered, Registration, StoreError};

/// Fewer rows than this are inserted as fast as they are copied, because COPY needs two more
/// statements.
const COPIED_FROM: usize = 100;

#[async_trait]
impl RegisterStore for PostgresStore {
    async fn register(
        &self,
        registration: Registration<'_>,
    ) -> Result<Vec<Registered>, StoreError> {
        let distinct = Distinct::new(registration.certificates);
        let alone = distinct.certificates().len() <= 1
            && registration.successions.is_empty()
            && registration.observations.is_empty()
            && registration.progress.is_none();
        let _place = self.servers.place()?;
        let register = || async {
            if alone {
                let work = self.register_one(registration, &distinct);
                hurried_step("certificate_insert", work).await
            } else {
                self.register_many(registration, &distinct).await
            }
        };
        let stored = tried_again(register).await?;
        Ok(distinct.outcomes(&stored))
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        let ids = distinct_ids(ids);
        tried_again(|| self.try_delete(&ids)).await
    }

    async fn purge_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError> {
        let mut transaction = self.begin_by_key().await?;
        let select = sqlx::query_as::<_, CertIdRow>(
            "SELECT key_identifier, serial FROM certificates
             WHERE not_after < $1 ORDER BY not_after LIMIT $2",
        )
        .bind(before.unix())
        .bind(i64::from(limit));
        let expired = self
            .rows_in(&mut transaction, "certificate_expired", select)
            .await?;
        let expired = expired.into_iter().map(|row| cert_id("cert_id", row));
        let mut expired = expired.collect::<Result<Vec<_>, _>>()?;
        expired.sort();
        // A certificate that another process has purged in the meantime is not stored and counted
        // again.
        let delete = sqlx::query_as::<_, (Vec<u8>, i64, bool, bool)>(
            "DELETE FROM certificates USING unnest($1::bytea[], $2::bytea[]) AS ids (issuer, number)
             WHERE key_identifier = issuer AND serial = number AND not_after < $3
             RETURNING key_identifier, issued_at, hour_known, steered",
        )
        .bind(column(&expired, |id| id.key_identifier.octets()))
        .bind(column(&expired, |id| id.serial.octets()))
        .bind(before.unix());
        let rows = self
            .rows_in(&mut transaction, "certificate_purge", delete)
            .await?;
        let purged = rows.len() as u64;
        let observations = summed(rows, ca_of)?;
        if !observations.is_empty() {
            let visibility = Visibility::LoadsOnly;
            self.insert_counted(&mut transaction, visibility, None, (&observations, None))
                .await?;
        }
        self.commit(transaction).await?;
        Ok(purged)
    }
}

impl PostgresStore {
    /// The common case, without an explicit transaction: a table that no certificate names does no
    /// harm, the single statement for the certificate is a transaction, and its commit syncs both.
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
            if self.insert_row(certificate).await? {
                self.hint();
                return Ok(stored);
            }
            // It was stored a moment ago, and may have been removed since.
            if let Some(row) = self.certificate(&certificate.id).await? {
                stored.insert(row.id.clone(), row);
                return Ok(stored);
            }
        }
        Err(StoreError::contested("certificate_insert"))
    }

    async fn register_many(
        &self,
        registration: Registration<'_>,
        distinct: &Distinct<'_>,
    ) -> Result<HashMap<CertId, Certificate>, StoreError> {
        let mut transaction = self.begin_by_key().await?;
        let mut outbox = Outbox::default();
        // The same order everywhere: tables by number, certificates by CertID, replaced certificates by
        // CertID, the batch, the file. Deadlocks are still possible if a new certificate of one process
        // is replaced by one of another; these are repeated.
        self.insert_tables(&mut transaction, registration.tables, Durable::AtCommit)
            .await?;
        let mut stored = HashMap::new();
        for chunk in distinct.certificates().chunks(ROWS) {
            self.insert_chunk(&mut transaction, chunk, &mut stored)
                .await?;
            let new = |one: &&&Certificate| !stored.contains_key(&one.id);
            outbox.certificates(&chunk.iter().filter(new).copied().collect::<Vec<_>>())?;
        }
        let brought = registration.successions.iter();
        let brought = brought.filter(|(_, successor)| is_brought(successor, &stored));
        let mut successions: Vec<_> = brought.map(|(id, successor)| (id, successor)).collect();
        successions.sort_by_key(|(id, _)| *id);
        // If a certificate is given several times, the first counts.
        successions.dedup_by(|(later, _), (first, _)| later == first);
        for chunk in successions.chunks(ROWS) {
            let rows = self.set_successors(&mut transaction, chunk).await?;
            outbox.certificates(&rows.iter().collect::<Vec<_>>())?;
        }
        if !registration.observations.is_empty() {
            let file = registration.progress.map(|progress| &progress.sha256[..]);
            let visibility = Visibility::FeedAndLoads;
            let batch = self
                .insert_counted(
                    &mut transaction,
                    visibility,
                    file,
                    (registration.observations, None),
                )
                .await?;
            outbox.refer(Kind::Batch, batch);
        }
        if let Some(progress) = registration.progress {
            self.upsert_progress(&mut transaction, progress).await?;
        }
        self.commit_changes(transaction, &outbox).await?;
        Ok(stored)
    }

    /// Inserts those that are not stored; the rows of the others are added to `stored`.
    async fn insert_chunk(
        &self,
        connection: &mut Transaction,
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
            self.meets_known
                .store(inserted.len() < left.len(), Ordering::Relaxed);
            left.retain(|certificate| !inserted.contains(&certificate.id));
            if left.is_empty() {
                return Ok(());
            }
            let ids: Vec<&CertId> = left.iter().map(|one| &one.id).collect();
            for row in self.read_among(&mut *connection, &ids).await? {
                stored.insert(row.id.clone(), row);
            }
            // A row that was there at the first statement and gone at the second is tried again.
            left.retain(|certificate| !stored.contains_key(&certificate.id));
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::contested("certificate_insert"))
    }

    /// Inserts one certificate and adds it to the outbox, in one statement, if it is not stored;
    /// returns whether it was new.
    async fn insert_row(&self, one: &Certificate) -> Result<bool, StoreError> {
        let body = body::of_certificates(&[one])
            .map_err(|error| StoreError::from_driver("certificate_insert", error))?;
        let insert = sqlx::query_scalar(
            "SELECT register_certificate($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                                         $14, $15, $16, $17, $18, $19, $20)",
        );
        let insert = bind_certificate!(insert, one).bind(body);
        self.queries
            .named("certificate_insert", insert.fetch_one(&self.pool))
            .await
    }

    /// Inserts the certificates that are not stored, and returns these. They are recognised by the rows
    /// that the statement returns, because the row count of a distributed database includes rows that
    /// existed before.
    async fn insert_rows(
        &self,
        executor: impl PgExecutor<'_>,
        rows: &[&Certificate],
    ) -> Result<HashSet<CertId>, StoreError> {
        let (ids, orders): (Vec<_>, Vec<_>) = rows
            .iter()
            .map(|one| successor_columns(one.successor.as_ref()))
            .unzip();
        let insert = sqlx::query_as::<_, CertIdRow>(concat!(
            "INSERT INTO certificates (",
            certificate_columns!(),
            ") SELECT rows.* FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[],
             $5::bigint[], $6::boolean[], $7::boolean[], $8::bigint[], $9::bigint[],
             $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::boolean[],
             $15::bigint[], $16::bigint[], $17::double precision[], $18::text[],
             $19::text[]) AS rows
             ON CONFLICT DO NOTHING RETURNING key_identifier, serial"
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
        let rows = self
            .queries
            .named("certificate_insert", insert.fetch_all(executor))
            .await?;
        rows.into_iter()
            .map(|row| cert_id("cert_id", row))
            .collect()
    }

    async fn try_delete(&self, ids: &[&CertId]) -> Result<u64, StoreError> {
        let mut outbox = Outbox::default();
        let mut removed = 0;
        let mut transaction = self.begin_by_key().await?;
        for chunk in ids.chunks(ROWS) {
            // By their keys, in the order given, so that they are locked in the order of CertIDs, as
            // registrations do.
            let delete = sqlx::query_as::<_, CertIdRow>(
                "DELETE FROM certificates USING unnest($1::bytea[], $2::bytea[])
                     AS ids (issuer, number)
                 WHERE key_identifier = issuer AND serial = number
                 RETURNING key_identifier, serial",
            )
            .bind(column(chunk, |id| id.key_identifier.octets()))
            .bind(column(chunk, |id| id.serial.octets()));
            let gone = self
                .rows_in(&mut transaction, "certificate_delete", delete)
                .await?;
            removed += gone.len() as u64;
            let gone = gone.into_iter().map(|row| cert_id("cert_id", row));
            outbox.removed(&gone.collect::<Result<Vec<_>, _>>()?);
        }
        self.commit_changes(transaction, &outbox).await?;
        Ok(removed)
    }
}
