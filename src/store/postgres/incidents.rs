//! Incidents, and the certificates that they concern.

use super::PostgresStore;
use super::certificates::{TRIES, may_pass};
use super::columns::{ROWS, column};
use super::outbox::{Kind, Outbox};
use super::session::Transaction;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::outcome::distinct_ids;
use crate::store::row::{StoredCertificate, certificate_columns, incident, incident_columns};
use crate::store::{Change, IdRange, StoreError};

impl PostgresStore {
    pub(super) async fn insert_incident(&self, given: &Incident) -> Result<i64, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_insert", error))?;
        let mut transaction = self.begin().await?;
        let insert = sqlx::query_scalar(
            "INSERT INTO incidents (body, updated_at) VALUES ($1, $2) RETURNING number",
        )
        .bind(body)
        .bind(updated_at);
        let number = self
            .queries
            .named("incident_insert", insert.fetch_one(&mut transaction))
            .await?;
        self.append(&mut transaction, &referring_to(number)).await?;
        self.commit(transaction).await?;
        Ok(number)
    }

    pub(super) async fn write_incident(
        &self,
        given: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_update", error))?;
        let mut transaction = self.begin().await?;
        let update = sqlx::query(
            "UPDATE incidents SET body = $3, updated_at = $4
             WHERE number = $1 AND updated_at = $2 AND updated_at < $4",
        )
        .bind(given.id)
        .bind(seen_at.unix())
        .bind(body)
        .bind(updated_at);
        let updated = self
            .queries
            .named("incident_update", update.execute(&mut transaction))
            .await?;
        if updated.rows_affected() == 0 {
            return Ok(false);
        }
        self.append(&mut transaction, &referring_to(given.id))
            .await?;
        self.commit(transaction).await?;
        Ok(true)
    }

    pub(super) async fn read_incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents ORDER BY number DESC",
        );
        let read = async {
            let rows = select.fetch_all(&self.pool).await?;
            rows.into_iter().map(incident).collect()
        };
        self.queries.named("incident_select", read).await
    }

    /// Tells all incidents.
    pub(super) async fn tell_incidents(
        &self,
        connection: &mut Transaction,
        tell: &mut (dyn FnMut(Change) + Send),
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
            tell(Change::Incident(Box::new(incident)));
        }
        Ok(())
    }

    pub(super) async fn insert_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError> {
        let ids = distinct_ids(ids);
        let mut tries = 0;
        loop {
            let attempt = self.try_insert_incident_certificates(incident, &ids).await;
            tries += 1;
            match attempt {
                Err(error) if tries < TRIES && may_pass(&error) => {}
                attempt => return attempt,
            }
        }
    }

    async fn try_insert_incident_certificates(
        &self,
        incident: i64,
        ids: &[&CertId],
    ) -> Result<u64, StoreError> {
        let mut added = 0;
        let mut transaction = self.begin().await?;
        for chunk in ids.chunks(ROWS) {
            // Counted by what comes back: a distributed database counts those that were there as well.
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

    pub(super) async fn read_incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        if self.servers.are_several() {
            return self.read_ranges(Some(incident), range, limit).await;
        }
        let ((from_issuer, from), (to_issuer, to)) = (range.lower(), range.upper());
        // Both sides lie between the same CertIDs, so that whichever way they are joined, all pages
        // together pass each row once.
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
        let rows = self
            .queries
            .named("incident_certificate_page", select.fetch_all(&self.pool))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}

fn referring_to(incident: i64) -> Outbox {
    let mut outbox = Outbox::default();
    outbox.refer(Kind::Incident, incident);
    outbox
}
