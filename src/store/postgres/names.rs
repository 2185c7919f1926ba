//! Certificates by the names that they were issued for.

use async_trait::async_trait;

use super::PostgresStore;
use crate::domain::time::Timestamp;
use crate::store::names::{NamedRow, named};
use crate::store::{MOST_NAMESAKES, NameStore, Named, StoreError};

#[async_trait]
impl NameStore for PostgresStore {
    async fn note_names(&self, given: &[Named], now: Timestamp) -> Result<Vec<Named>, StoreError> {
        const QUERY: &str = "names_note";
        let hash = |one: &Named| one.names.to_be_bytes().to_vec();
        let hashes: Vec<Vec<u8>> = given.iter().map(hash).collect();
        // One round trip: the query does not see the rows inserted here, and does not need to.
        let note = sqlx::query_as::<_, NamedRow>(
            "WITH noted AS (
                 INSERT INTO certificate_names (names, not_after, key_identifier, serial)
                 SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::bytea[])
                 ON CONFLICT DO NOTHING)
             SELECT sets.names, namesakes.not_after, namesakes.key_identifier, namesakes.serial
             FROM (SELECT DISTINCT unnest($1::bytea[]) AS names) AS sets
             CROSS JOIN LATERAL (
                 SELECT not_after, key_identifier, serial FROM certificate_names
                 WHERE certificate_names.names = sets.names AND not_after > $5
                 ORDER BY not_after DESC LIMIT $6) AS namesakes",
        )
        .bind(hashes)
        .bind(
            given
                .iter()
                .map(|one| one.not_after.unix())
                .collect::<Vec<_>>(),
        )
        .bind(octets(given, |one| one.id.key_identifier.octets()))
        .bind(octets(given, |one| one.id.serial.octets()))
        .bind(now.unix())
        .bind(MOST_NAMESAKES);
        let rows = self.rows(QUERY, note).await?;
        rows.into_iter().map(|row| named(QUERY, row)).collect()
    }

    async fn sweep_names(&self, before: Timestamp) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM certificate_names WHERE not_after < $1").bind(before.unix());
        self.sweep("sweep_names", delete).await
    }
}

fn octets(given: &[Named], of: fn(&Named) -> &[u8]) -> Vec<Vec<u8>> {
    given.iter().map(|one| of(one).to_vec()).collect()
}
