//! Registering and removing certificates.

use std::collections::HashMap;
use std::time::Instant;

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::store::outcome::{Distinct, is_brought, summed};
use crate::store::row::{
    CERTIFICATE_COLUMNS, MarkedCertificate, bind_certificate, certificate_columns, hexadecimal,
};
use crate::store::{RegisterStore, Registered, Registration, StoreError};

/// The same text four times, with commas between.
macro_rules! four {
    ($row:expr) => {
        concat!($row, ", ", $row, ", ", $row, ", ", $row)
    };
}
pub(super) use four;

macro_rules! two {
    ($row:expr) => {
        concat!($row, ", ", $row)
    };
}

/// How many rows one statement inserts: 512 · 19 parameters, of the 32,766 that SQLite allows. After a
/// statement, the database's thread waits some tenths of a millisecond for the next one, which is as
/// long as it needs for 64 rows.
const ROWS: usize = 512;
/// … and how many for few certificates: unused parts of a statement cost as much as used ones.
const FEW: usize = 16;
/// How many certificates one transaction removes. Each is in the table, three indexes and the removals;
/// if each of these is on a page of its own, 10,000 pages are written.
const REMOVED: usize = 2_000;
/// How many CertIDs one JSON text contains: at 100 bytes each, 1 MB.
pub(super) const IDS: usize = 10_000;

/// The statement has a fixed length; unused rows are NULL. Parameters have no numbers, because the
/// driver numbers the others itself.
///
/// With OR FAIL an error rolls back the whole transaction. For a statement that can be rolled back
/// alone, SQLite copies every page that it touches; that took a fifth of an import.
macro_rules! insert_certificates {
    ($rows:expr) => {
        concat!(
            "INSERT OR FAIL INTO certificates (",
            certificate_columns!(),
            ", changed) SELECT column1, column2, column3, column4, column5, column6, column7, \
             column8, column9, column10, column11, column12, column13, column14, column15, \
             column16, column17, column18, column19, ? \
             FROM (VALUES ",
            $rows,
            ") WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
        )
    };
}
macro_rules! certificate_row {
    () => {
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
}
const INSERT_ONE: &str = insert_certificates!(certificate_row!());
const INSERT_FEW: &str = insert_certificates!(four!(four!(certificate_row!())));
const INSERT_MANY: &str =
    insert_certificates!(four!(four!(four!(four!(two!(certificate_row!()))))));

#[async_trait]
impl RegisterStore for SqliteStore {
    async fn register(
        &self,
        registration: Registration<'_>,
    ) -> Result<Vec<Registered>, StoreError> {
        let of_many = registration.certificates.len() > 1;
        let mut pages_before = 0;
        let mut transaction = if of_many {
            self.throttle.yield_lock().await;
            pages_before = self.log.pages().await;
            self.write_many().await?
        } else {
            self.write().await?
        };
        let began = Instant::now();
        let stamp = self.stamp(&mut transaction).await?;
        self.insert_tables(&mut transaction, registration.tables)
            .await?;
        let distinct = Distinct::new(registration.certificates);
        let stored = self
            .insert_certificates(&mut transaction, stamp, &distinct.certificates())
            .await?;
        for (id, successor) in registration.successions {
            if is_brought(successor, &stored) {
                self.set_successor(&mut transaction, stamp, id, successor)
                    .await?;
            }
        }
        if !registration.observations.is_empty() {
            let file = registration.progress.map(|progress| &progress.sha256[..]);
            self.insert_counted(
                &mut transaction,
                Some(stamp),
                file,
                (registration.observations, None),
            )
            .await?;
        }
        if let Some(progress) = registration.progress {
            self.upsert_progress(&mut transaction, progress).await?;
        }
        self.commit(transaction).await?;
        if of_many {
            let now = Instant::now();
            let held = now.duration_since(began);
            let pages = self.log.pages().await;
            // If there are fewer pages than before, the log was restarted in between.
            let written = match pages - pages_before {
                grown @ 0.. => grown,
                _ => pages,
            };
            let records = registration.certificates.len();
            self.throttle.held(records, written, held, now);
            self.log.shorten().await;
        }
        Ok(distinct.outcomes(&stored))
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        let ids: Vec<&CertId> = ids.iter().collect();
        let mut removed = 0;
        for ids in ids.chunks(REMOVED) {
            let mut transaction = self.write().await?;
            let stamp = self.stamp(&mut transaction).await?;
            let ids = json(ids);
            let bury = sqlx::query(
                "INSERT INTO removals (key_identifier, serial, changed)
                 SELECT key_identifier, serial, ?1 FROM certificates
                 WHERE (key_identifier, serial) IN
                 (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?2))
                 ON CONFLICT (key_identifier, serial)
                 DO UPDATE SET changed = excluded.changed, removed_at = excluded.removed_at",
            )
            .bind(stamp)
            .bind(&ids);
            self.run_in(&mut transaction, "removal_insert", bury)
                .await?;
            let delete = sqlx::query(
                "DELETE FROM certificates WHERE (key_identifier, serial) IN
                 (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?1))",
            )
            .bind(&ids);
            removed += self
                .run_in(&mut transaction, "certificate_delete", delete)
                .await?;
            self.commit(transaction).await?;
        }
        Ok(removed)
    }

    async fn purge_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let delete = sqlx::query_as::<_, (Vec<u8>, i64, bool, bool)>(
            "DELETE FROM certificates WHERE (key_identifier, serial) IN
             (SELECT key_identifier, serial FROM certificates
              WHERE not_after < ?1 ORDER BY not_after LIMIT ?2)
             RETURNING key_identifier, issued_at, hour_known, steered",
        )
        .bind(before.unix())
        .bind(limit);
        let rows = self
            .rows_in(&mut transaction, "certificate_purge", delete)
            .await?;
        let purged = rows.len() as u64;
        let observations = summed(rows, ca_of)?;
        if !observations.is_empty() {
            self.insert_counted(&mut transaction, None, None, (&observations, None))
                .await?;
        }
        self.commit(transaction).await?;
        Ok(purged)
    }
}

impl SqliteStore {
    /// Inserts those that are not stored, and returns the rows of the others.
    async fn insert_certificates(
        &self,
        connection: &mut SqliteConnection,
        stamp: i64,
        certificates: &[&Certificate],
    ) -> Result<HashMap<CertId, Certificate>, StoreError> {
        let mut contested: Vec<&CertId> = Vec::new();
        for chunk in certificates.chunks(ROWS) {
            let (text, rows) = match chunk.len() {
                1 => (INSERT_ONE, 1),
                2..=FEW => (INSERT_FEW, FEW),
                _ => (INSERT_MANY, ROWS),
            };
            let mut insert = sqlx::query(text).bind(stamp);
            for row in 0..rows {
                insert = match chunk.get(row) {
                    Some(one) => bind_certificate!(insert, one),
                    None => {
                        (0..CERTIFICATE_COLUMNS).fold(insert, |unused, _| unused.bind(None::<i64>))
                    }
                };
            }
            let inserted = self
                .run_in(connection, "certificate_insert", insert)
                .await?;
            if inserted < chunk.len() as u64 {
                contested.extend(chunk.iter().map(|certificate| &certificate.id));
            }
        }
        let mut stored = HashMap::new();
        for ids in contested.chunks(IDS) {
            let select = sqlx::query_as::<_, MarkedCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                ", changed = ?1 FROM certificates WHERE (key_identifier, serial) IN
                 (SELECT unhex(value ->> 0), unhex(value ->> 1) FROM json_each(?2))"
            ))
            .bind(stamp)
            .bind(json(ids));
            let rows = self
                .rows_in(connection, "certificate_select_many", select)
                .await?;
            // The rows with the stamp of this commit are those it inserted.
            let earlier = rows.into_iter().filter(|row| !row.ours);
            stored.extend(earlier.map(|row| (row.certificate.id.clone(), row.certificate)));
        }
        Ok(stored)
    }
}

/// CertIDs as a JSON array of pairs of hexadecimal texts: SQLite has no arrays, but can read JSON.
pub(super) fn json(ids: &[&CertId]) -> String {
    let mut text = String::from("[");
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str("[\"");
        text.push_str(&hexadecimal(id.key_identifier.octets()));
        text.push_str("\",\"");
        text.push_str(&hexadecimal(id.serial.octets()));
        text.push_str("\"]");
    }
    text.push(']');
    text
}
