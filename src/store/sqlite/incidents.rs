//! Incidents, and the certificates that they affect.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use super::certificates::four;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::outcome::distinct_ids;
use crate::store::row::{StoredCertificate, certificate_columns, incident, incident_columns};
use crate::store::{Change, FeedPosition, IdRange, IncidentStore, StoreError};

/// How many CertIDs one statement adds: 256 · 2 parameters.
const ROWS: usize = 4 * 4 * 4 * 4;

/// Unused rows of the statement are NULL.
const INSERT: &str = concat!(
    "INSERT INTO incident_certificates (incident, key_identifier, serial)
     SELECT ?, column1, column2 FROM (VALUES ",
    four!(four!(four!(four!("(?, ?)")))),
    ") WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
);

#[async_trait]
impl IncidentStore for SqliteStore {
    async fn create_incident(&self, given: &Incident) -> Result<i64, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_insert", error))?;
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        let insert = sqlx::query_scalar(
            "INSERT INTO incidents (body, updated_at, changed) VALUES (?1, ?2, ?3)
             RETURNING number",
        )
        .bind(body)
        .bind(updated_at)
        .bind(stamp);
        let number = self
            .queries
            .named("incident_insert", insert.fetch_one(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(number)
    }

    async fn update_incident(
        &self,
        given: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_update", error))?;
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        let update = sqlx::query(
            "UPDATE incidents SET body = ?3, updated_at = ?4, changed = ?5
             WHERE number = ?1 AND updated_at = ?2 AND updated_at < ?4",
        )
        .bind(given.id)
        .bind(seen_at.unix())
        .bind(body)
        .bind(updated_at)
        .bind(stamp);
        let updated = self
            .run_in(&mut transaction, "incident_update", update)
            .await?;
        self.commit(transaction).await?;
        Ok(updated == 1)
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents ORDER BY number DESC",
        );
        let read = async {
            let rows = select.fetch_all(self.readers()).await?;
            rows.into_iter().map(incident).collect()
        };
        self.queries.named("incident_select", read).await
    }

    async fn add_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let mut added = 0;
        for chunk in distinct_ids(ids).chunks(ROWS) {
            let mut insert = sqlx::query(INSERT).bind(incident);
            for row in 0..ROWS {
                let id = chunk.get(row);
                insert = insert
                    .bind(id.map(|id| id.key_identifier.octets()))
                    .bind(id.map(|id| id.serial.octets()));
            }
            added += self
                .run_in(&mut transaction, "incident_certificate_insert", insert)
                .await?;
        }
        self.commit(transaction).await?;
        Ok(added)
    }

    async fn incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        // CROSS JOIN makes SQLite go from the incident's CertIDs, in order, to their certificates,
        // however many certificates there are.
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM (SELECT key_identifier AS issuer, serial AS number FROM incident_certificates
                    WHERE incident = ?1 AND (key_identifier, serial) > (?2, ?3)
                      AND (key_identifier, serial) <= (?4, ?5))
             CROSS JOIN certificates ON key_identifier = issuer AND serial = number
             ORDER BY issuer, number LIMIT ?6"
        ))
        .bind(incident)
        .bind(from_issuer)
        .bind(from)
        .bind(to_issuer)
        .bind(to)
        .bind(limit);
        self.found("incident_certificate_page", select).await
    }
}

impl SqliteStore {
    /// Passes on the incidents that changed after `since`, or all.
    pub(super) async fn emit_incidents(
        &self,
        connection: &mut SqliteConnection,
        since: Option<FeedPosition>,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        // Commits are numbered from 1.
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents WHERE changed > ?1 ORDER BY number",
        )
        .bind(since.map_or(0, |since| since.0));
        let read = async {
            let rows = select.fetch_all(connection).await?;
            rows.into_iter().map(incident).collect()
        };
        let changed: Vec<Incident> = self.queries.named("changed_incidents", read).await?;
        for incident in changed {
            emit(Change::Incident(Box::new(incident)));
        }
        Ok(())
    }
}
