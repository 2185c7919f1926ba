//! The change feed: commits are numbered, and each row has the number of the commit that wrote it.

use async_trait::async_trait;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::row::{
    CertIdRow, StoredCertificate, StoredObservation, cert_id, certificate_columns, counted_columns,
};
use crate::store::{Change, FeedPosition, FeedStore, Load, StoreError};

#[async_trait]
impl FeedStore for SqliteStore {
    async fn load(
        &self,
        what: Load,
        observed_from: Timestamp,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        let mut snapshot = self.read().await?;
        let position = self.position(&mut snapshot).await?;
        self.emit_incidents(&mut snapshot, None, emit).await?;
        if what == Load::Everything {
            let certificates = sqlx::query_as::<_, StoredCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM certificates"
            ))
            .fetch(&mut *snapshot);
            self.queries
                .each("load_certificates", certificates, |row| {
                    emit(Change::Certificate(Box::new(row.0)));
                })
                .await?;
        }
        self.emit_polls(&mut snapshot, None, emit).await?;
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            counted_columns!(),
            " FROM observations JOIN batches ON number = batch
             WHERE batches.closed AND ended_at > ?1 ORDER BY batch"
        ))
        .bind(observed_from.unix())
        .fetch(&mut *snapshot);
        self.queries
            .each("load_observations", observations, |row| {
                emit(observed(row));
            })
            .await?;
        let forgettings =
            sqlx::query_scalar::<_, i64>("SELECT changed FROM forgettings").fetch(&mut *snapshot);
        self.queries
            .each("load_forgettings", forgettings, |number| {
                emit(Change::Forgotten(number));
            })
            .await?;
        self.end(snapshot).await?;
        Ok(position)
    }

    async fn changes(
        &self,
        since: FeedPosition,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        let mut snapshot = self.read().await?;
        let position = self.position(&mut snapshot).await?;
        if position != since {
            self.emit_since(&mut snapshot, since, emit).await?;
        }
        self.end(snapshot).await?;
        Ok(position)
    }
}

impl SqliteStore {
    async fn emit_since(
        &self,
        snapshot: &mut SqliteConnection,
        since: FeedPosition,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        // Incidents come before the windows that they moved.
        self.emit_incidents(snapshot, Some(since), emit).await?;
        // Removals come before registrations, because a removed certificate may have been registered
        // again.
        let removals = sqlx::query_as::<_, CertIdRow>(
            "SELECT key_identifier, serial FROM removals WHERE changed > ?1",
        )
        .bind(since.0)
        .fetch_all(&mut *snapshot);
        for row in self.queries.named("changed_removals", removals).await? {
            emit(Change::Removed(cert_id("changed_removals", row)?));
        }
        let certificates = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE changed > ?1"
        ))
        .bind(since.0)
        .fetch(&mut *snapshot);
        self.queries
            .each("changed_certificates", certificates, |row| {
                emit(Change::Certificate(Box::new(row.0)));
            })
            .await?;
        self.emit_polls(snapshot, Some(since), emit).await?;
        let forgettings =
            sqlx::query_scalar::<_, i64>("SELECT changed FROM forgettings WHERE changed > ?1")
                .bind(since.0)
                .fetch(&mut *snapshot);
        self.queries
            .each("changed_forgettings", forgettings, |number| {
                emit(Change::Forgotten(number));
            })
            .await?;
        // CROSS JOIN makes SQLite go from the few new batches to their observations, not the other way
        // round.
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            counted_columns!(),
            " FROM batches CROSS JOIN observations ON batch = number
             WHERE changed > ?1 AND closed AND NOT silent ORDER BY changed, number"
        ))
        .bind(since.0)
        .fetch(&mut *snapshot);
        self.queries
            .each("changed_observations", observations, |row| {
                emit(observed(row));
            })
            .await
    }

    async fn position(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<FeedPosition, StoreError> {
        let select = sqlx::query_scalar("SELECT commits FROM feed");
        self.queries
            .named("feed_position", select.fetch_one(connection))
            .await
            .map(FeedPosition)
    }
}

fn observed(row: StoredObservation) -> Change {
    Change::Observed {
        batch: row.batch,
        counted_at: row.counted_at,
        observation: row.observation,
    }
}
