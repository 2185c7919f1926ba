//! Incidents, and the certificates that they affect.

use async_trait::async_trait;

use super::PostgresStore;
use super::again::tried_again;
use super::columns::{ROWS, column};
use super::outbox::{Kind, Outbox};
use super::session::Transaction;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::outcome::distinct_ids;
use crate::store::row::{StoredCertificate, certificate_columns, incident, incident_columns};
use crate::store::{Change, IdRange, IncidentStore, StoreError};

#[async_trait]
impl IncidentStore for PostgresStore {
    async fn create_incident(&self, given: &Incident) -> Result<i64, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_insert", error))?;
        let mut transaction = self.write().await?;
        let insert = sqlx::query_scalar(
            "INSERT INTO incidents (body, updated_at) VALUES ($1, $2) RETURNING number",
        )
        .bind(body)
        .bind(updated_at);
        let number = self
            .queries
            .named("incident_insert", insert.fetch_one(&mut transaction))
            .await?;
        self.commit_changes(transaction, &referring_to(number))
            .await?;
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
        let update = sqlx::query(
            "UPDATE incidents SET body = $3, updated_at = $4
             WHERE number = $1 AND updated_at = $2 AND updated_at < $4",
        )
        .bind(given.id)
        .bind(seen_at.unix())
        .bind(body)
        .bind(updated_at);
        let updated = self
            .run_in(&mut transaction, "incident_update", update)
            .await?;
        if updated == 0 {
            return Ok(false);
        }
        self.commit_changes(transaction, &referring_to(given.id))
            .await?;
        Ok(true)
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents ORDER BY number DESC",
        );
        let read = async {
            let rows = select.fetch_all(&self.pool).await?;
            rows.into_iter().map(incident).collect()
        };
        self.queries.named("incident_select", read).await
    }

    async fn add_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError> {
        let ids = distinct_ids(ids);
        tried_again(|| self.try_insert_incident_certificates(incident, &ids)).await
    }

    async fn incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        if self.servers.are_several() {
            return self.read_ranges(Some(incident), range, limit).await;
        }
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        // Both tables are restricted to the same range of CertIDs, so that all pages together read each
        // row once, whichever join the planner chooses.
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM (
                 SELECT key_identifier, serial FROM incident_certificates
                 WHERE incident = $1 AND (key_identifier, serial) > ($2, $3)
                   AND (key_identifier, serial) <= ($4, $5)
             ) AS members
             JOIN certificates USING (key_identifier, serial)
             WHERE (certificates.key_identifier, certificates.serial) > ($2, $3)
               AND (certificates.key_identifier, certificates.serial) <= ($4, $5)
             ORDER BY key_identifier, serial LIMIT $6"
        ))
        .bind(incident)
        .bind(from_issuer)
        .bind(from)
        .bind(to_issuer)
        .bind(to)
        .bind(i64::from(limit));
        self.found("incident_certificate_page", select).await
    }
}

impl PostgresStore {
    /// Passes on all incidents.
    pub(super) async fn emit_incidents(
        &self,
        connection: &mut Transaction,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents ORDER BY number",
        );
        let read = async {
            let rows = select.fetch_all(connection).await?;
            rows.into_iter().map(incident).collect()
        };
        let incidents: Vec<Incident> = self.queries.named("load_incidents", read).await?;
        for incident in incidents {
            emit(Change::Incident(Box::new(incident)));
        }
        Ok(())
    }

    async fn try_insert_incident_certificates(
        &self,
        incident: i64,
        ids: &[&CertId],
    ) -> Result<u64, StoreError> {
        let mut added = 0;
        let mut transaction = self.write().await?;
        for chunk in ids.chunks(ROWS) {
            // The returned rows are counted, because the row count of a distributed database includes
            // rows that existed before.
            let insert = sqlx::query(
                "INSERT INTO incident_certificates (incident, key_identifier, serial)
                 SELECT $1, rows.* FROM unnest($2::bytea[], $3::bytea[]) AS rows
                 ON CONFLICT DO NOTHING RETURNING 1",
            )
            .bind(incident)
            .bind(column(chunk, |id| id.key_identifier.octets()))
            .bind(column(chunk, |id| id.serial.octets()));
            let rows = self
                .queries
                .named(
                    "incident_certificate_insert",
                    insert.fetch_all(&mut transaction),
                )
                .await?;
            added += rows.len() as u64;
        }
        self.commit(transaction).await?;
        Ok(added)
    }
}

fn referring_to(incident: i64) -> Outbox {
    let mut outbox = Outbox::default();
    outbox.refer(Kind::Incident, incident);
    outbox
}
