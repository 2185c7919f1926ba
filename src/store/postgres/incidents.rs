//! Incidents, and the certificates that they concern.

use sqlx::PgConnection;

use super::PostgresStore;
use super::certificates::{ROWS, TRIES, column, may_pass};
use super::feed::is_news;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::outcome::distinct_ids;
use crate::store::row::{StoredCertificate, certificate_columns, incident, incident_columns};
use crate::store::{Change, FeedPosition, StoreError};

impl PostgresStore {
    pub(super) async fn insert_incident(&self, given: &Incident) -> Result<i64, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_insert", error))?;
        let insert = sqlx::query_scalar(
            "INSERT INTO incidents (body, updated_at) VALUES ($1, $2) RETURNING number",
        )
        .bind(body)
        .bind(updated_at);
        self.queries
            .named("incident_insert", insert.fetch_one(&self.pool))
            .await
    }

    pub(super) async fn write_incident(
        &self,
        given: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (body, updated_at) = incident_columns(given)
            .map_err(|error| StoreError::from_driver("incident_update", error))?;
        let update = sqlx::query(
            "UPDATE incidents SET body = $3, updated_at = $4, changed = pg_current_xact_id()
             WHERE number = $1 AND updated_at = $2 AND updated_at < $4",
        )
        .bind(given.id)
        .bind(seen_at.unix())
        .bind(body)
        .bind(updated_at);
        let updated = self
            .queries
            .named("incident_update", update.execute(&self.pool))
            .await?;
        Ok(updated.rows_affected() == 1)
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

    /// Tells the incidents that changed since then, or all.
    pub(super) async fn tell_incidents(
        &self,
        connection: &mut PgConnection,
        since: Option<FeedPosition>,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let select = match since {
            None => sqlx::query_as::<_, (i64, String)>(
                "SELECT number, body FROM incidents ORDER BY number",
            ),
            Some(since) => sqlx::query_as::<_, (i64, String)>(concat!(
                "SELECT number, body FROM incidents WHERE ",
                is_news!(),
                " ORDER BY number"
            ))
            .bind(since.0.to_string()),
        };
        let read = async {
            let rows = select.fetch_all(connection).await?;
            rows.into_iter().map(incident).collect()
        };
        let changed: Vec<Incident> = self.queries.named("changed_incidents", read).await?;
        for incident in changed {
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
            let insert = sqlx::query(
                "INSERT INTO incident_certificates (incident, key_identifier, serial)
                 SELECT $1, rows.* FROM unnest($2::bytea[], $3::bytea[]) AS rows
                 ON CONFLICT DO NOTHING",
            )
            .bind(incident)
            .bind(column(chunk, |id| id.key_identifier.octets()))
            .bind(column(chunk, |id| id.serial.octets()));
            added += self
                .queries
                .named(
                    "incident_certificate_insert",
                    insert.execute(&mut *transaction),
                )
                .await?
                .rows_affected();
        }
        self.commit(transaction).await?;
        Ok(added)
    }

    pub(super) async fn read_incident_certificates_after(
        &self,
        incident: i64,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        // No key identifier is empty: the empty one comes before all.
        let (key_identifier, serial) = after.map_or((&[][..], &[][..]), |id| {
            (id.key_identifier.octets(), id.serial.octets())
        });
        // OFFSET 0 keeps the planner from joining the other way round: from the members in their
        // order to their certificates, however many certificates there are.
        let select = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM (SELECT key_identifier AS issuer, serial AS number FROM incident_certificates
                    WHERE incident = $1 AND (key_identifier, serial) > ($2, $3)) AS members
             CROSS JOIN LATERAL (
                 SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE key_identifier = issuer AND serial = number OFFSET 0
             ) AS registered
             ORDER BY issuer, number LIMIT $4"
        ))
        .bind(incident)
        .bind(key_identifier)
        .bind(serial)
        .bind(i64::from(limit));
        let rows = self
            .queries
            .named("incident_certificate_page", select.fetch_all(&self.pool))
            .await?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }
}
