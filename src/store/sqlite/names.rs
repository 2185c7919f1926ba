//! Certificates by the names that they were issued for.

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::names::{NamedRow, named};
use crate::store::row::hexadecimal;
use crate::store::{MOST_NAMESAKES, NameStore, Named, StoreError};

const QUERY: &str = "names_note";

#[async_trait]
impl NameStore for SqliteStore {
    async fn note_names(&self, given: &[Named], now: Timestamp) -> Result<Vec<Named>, StoreError> {
        let rows: Vec<_> = given
            .iter()
            .map(|one| {
                (
                    hexadecimal(&one.names.to_be_bytes()),
                    one.not_after.unix(),
                    hexadecimal(one.id.key_identifier.octets()),
                    hexadecimal(one.id.serial.octets()),
                )
            })
            .collect();
        let rows = serde_json::to_string(&rows)
            .map_err(|error| StoreError::from_driver(QUERY, sqlx::Error::Encode(error.into())))?;
        let insert = sqlx::query(
            "INSERT INTO certificate_names (names, not_after, key_identifier, serial)
             SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), unhex(value ->> 3)
             FROM json_each(?1) WHERE true
             ON CONFLICT DO NOTHING",
        )
        .bind(&rows);
        // A subquery for each set of names, so that a set with very many certificates costs no more.
        let select = sqlx::query_as::<_, NamedRow>(
            "SELECT unhex(found.value ->> 0), found.value ->> 1, unhex(found.value ->> 2),
                    unhex(found.value ->> 3)
             FROM (SELECT DISTINCT value ->> 0 AS names FROM json_each(?1)) AS sets,
                  json_each((SELECT json_group_array(json_array(
                                 sets.names, not_after, hex(key_identifier), hex(serial)))
                             FROM (SELECT * FROM certificate_names
                                   WHERE names = unhex(sets.names) AND not_after > ?2
                                   ORDER BY not_after DESC LIMIT ?3))) AS found",
        )
        .bind(&rows)
        .bind(now.unix())
        .bind(MOST_NAMESAKES);
        let mut transaction = self.write().await?;
        self.run_in(&mut transaction, QUERY, insert).await?;
        let found = self.rows_in(&mut transaction, QUERY, select).await?;
        self.commit(transaction).await?;
        found.into_iter().map(|row| named(QUERY, row)).collect()
    }

    async fn sweep_names(&self, before: Timestamp) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM certificate_names WHERE not_after < ?1").bind(before.unix());
        self.write_alone("sweep_names", delete).await
    }
}
