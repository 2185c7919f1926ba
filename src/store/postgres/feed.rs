//! The change feed: rows carry the transaction that wrote them. A transaction's number says when it
//! began, not when it commits, so a reader's place is the oldest transaction that was still running
//! when it looked: everything from there on is told again.

use sqlx::PgConnection;

use super::PostgresStore;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::Timestamp;
use crate::store::row::{
    StoredCertificate, StoredObservation, certificate_columns, misfit, observation_columns,
};
use crate::store::{Change, FeedPosition, Load, StoreError};

/// Whether a row was written since the place in `$1`. What this snapshot sees was written by older
/// transactions than its last; a newer number is another server's, from which the row was restored
/// with its old number. It was loaded then and is no news until this server has counted that far.
macro_rules! is_news {
    () => {
        "changed >= $1::text::xid8 AND changed < pg_snapshot_xmax(pg_current_snapshot())"
    };
}
pub(super) use is_news;

impl PostgresStore {
    pub(super) async fn read_hash_key(&self) -> Result<HashKey, StoreError> {
        let select = sqlx::query_scalar::<_, Vec<u8>>("SELECT hash_key FROM secrets");
        let key = self
            .queries
            .named("hash_key", select.fetch_one(&self.pool))
            .await?;
        let key = key.try_into().map_err(|_| {
            StoreError::from_driver("hash_key", misfit("hash_key", "not 16 octets"))
        })?;
        Ok(HashKey::new(key))
    }

    pub(super) async fn tell_all(
        &self,
        what: Load,
        observed_from: Timestamp,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let position = self.position(&mut snapshot).await?;
        self.tell_incidents(&mut snapshot, None, tell).await?;
        if what == Load::Everything {
            let certificates = sqlx::query_as::<_, StoredCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM certificates"
            ))
            .fetch(&mut *snapshot);
            self.queries
                .each("load_certificates", certificates, |row| {
                    tell(Change::Certificate(Box::new(row.0)));
                })
                .await?;
        }
        self.tell_polls(&mut snapshot, None, tell).await?;
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            observation_columns!(),
            " FROM observations JOIN batches ON number = batch
             WHERE batches.closed AND ended_at > $1 ORDER BY batch"
        ))
        .bind(observed_from.unix())
        .fetch(&mut *snapshot);
        self.queries
            .each("load_observations", observations, |row| {
                tell(observed(row));
            })
            .await?;
        let forgettings =
            sqlx::query_scalar::<_, i64>("SELECT changed::text::bigint FROM forgettings")
                .fetch(&mut *snapshot);
        self.queries
            .each("load_forgettings", forgettings, |number| {
                tell(Change::Forgotten(number));
            })
            .await?;
        self.commit(snapshot).await?;
        Ok(position)
    }

    pub(super) async fn tell_changes(
        &self,
        since: FeedPosition,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        // One statement sees one snapshot: where there is nothing in it, its place is the new one.
        let look = sqlx::query_as::<_, (i64, bool)>(concat!(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                    EXISTS (SELECT 1 FROM certificates WHERE ",
            is_news!(),
            ") OR EXISTS (SELECT 1 FROM removals WHERE ",
            is_news!(),
            ") OR EXISTS (SELECT 1 FROM forgettings WHERE ",
            is_news!(),
            ") OR EXISTS (SELECT 1 FROM batches WHERE ",
            is_news!(),
            ") OR EXISTS (SELECT 1 FROM incidents WHERE ",
            is_news!(),
            ") OR EXISTS (SELECT 1 FROM polls WHERE ",
            is_news!(),
            ")"
        ))
        .bind(since.0.to_string())
        .fetch_one(&self.pool);
        let (position, news) = self.queries.named("feed_look", look).await?;
        if !news {
            return Ok(FeedPosition(position));
        }
        let mut snapshot = self.snapshot().await?;
        let position = self.position(&mut snapshot).await?;
        self.tell_since(&mut snapshot, since, tell).await?;
        self.commit(snapshot).await?;
        Ok(position)
    }

    async fn tell_since(
        &self,
        snapshot: &mut PgConnection,
        since: FeedPosition,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        // Incidents before the windows that they moved.
        self.tell_incidents(snapshot, Some(since), tell).await?;
        // Removals before registrations: a certificate that was removed and registered again is there.
        let removals = sqlx::query_as::<_, (Vec<u8>, Vec<u8>)>(concat!(
            "SELECT key_identifier, serial FROM removals WHERE ",
            is_news!()
        ))
        .bind(since.0.to_string())
        .fetch_all(&mut *snapshot);
        for (key_identifier, serial) in self.queries.named("changed_removals", removals).await? {
            tell(Change::Removed(cert_id(&key_identifier, &serial)?));
        }
        let certificates = sqlx::query_as::<_, StoredCertificate>(concat!(
            "SELECT ",
            certificate_columns!(),
            " FROM certificates WHERE ",
            is_news!()
        ))
        .bind(since.0.to_string())
        .fetch(&mut *snapshot);
        self.queries
            .each("changed_certificates", certificates, |row| {
                tell(Change::Certificate(Box::new(row.0)));
            })
            .await?;
        self.tell_polls(snapshot, Some(since), tell).await?;
        let forgettings = sqlx::query_scalar::<_, i64>(concat!(
            "SELECT changed::text::bigint FROM forgettings WHERE ",
            is_news!()
        ))
        .bind(since.0.to_string())
        .fetch(&mut *snapshot);
        self.queries
            .each("changed_forgettings", forgettings, |number| {
                tell(Change::Forgotten(number));
            })
            .await?;
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            observation_columns!(),
            " FROM batches JOIN observations ON batch = number
             WHERE ",
            is_news!(),
            " AND closed AND NOT silent ORDER BY batch"
        ))
        .bind(since.0.to_string())
        .fetch(&mut *snapshot);
        self.queries
            .each("changed_observations", observations, |row| {
                tell(observed(row));
            })
            .await
    }

    async fn position(&self, connection: &mut PgConnection) -> Result<FeedPosition, StoreError> {
        let select =
            sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
        self.queries
            .named("feed_position", select.fetch_one(connection))
            .await
            .map(FeedPosition)
    }
}

fn observed(row: StoredObservation) -> Change {
    Change::Observed {
        batch: row.batch,
        observation: row.observation,
    }
}

fn cert_id(key_identifier: &[u8], serial: &[u8]) -> Result<CertId, StoreError> {
    match (KeyIdentifier::new(key_identifier), Serial::new(serial)) {
        (Ok(key_identifier), Ok(serial)) => Ok(CertId {
            key_identifier,
            serial,
        }),
        (Err(error), _) | (_, Err(error)) => Err(StoreError::from_driver(
            "changed_removals",
            misfit("key_identifier", error),
        )),
    }
}
