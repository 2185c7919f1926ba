//! Where all certificates are cut into ranges.

use super::SqliteStore;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::store::StoreError;
use crate::store::range::{BEFORE, cuts};
use crate::store::row::misfit;

/// Issuers that are cut: a CA has tens. What comes after is one range.
const MOST_ISSUERS: usize = 1_000;

impl SqliteStore {
    pub(super) async fn read_cuts(&self, parts: u32) -> Result<Vec<CertId>, StoreError> {
        let mut all = Vec::new();
        let mut issuer = BEFORE.to_vec();
        for _ in 0..MOST_ISSUERS {
            let Some((next, first, last)) = self.serials_after(&issuer).await? else {
                break;
            };
            let misfits =
                |error| StoreError::from_driver("certificate_issuer", misfit("serial", error));
            let key_identifier = KeyIdentifier::new(&next).map_err(misfits)?;
            let first = Serial::new(&first).map_err(misfits)?;
            let last = Serial::new(&last).map_err(misfits)?;
            all.extend(cuts(&key_identifier, &first, &last, parts));
            issuer = next;
        }
        Ok(all)
    }

    /// The first issuer after this one that has certificates, and the first and last of their serials.
    async fn serials_after(
        &self,
        issuer: &[u8],
    ) -> Result<Option<(Vec<u8>, Vec<u8>, Vec<u8>)>, StoreError> {
        // Three steps into the primary key.
        let select = sqlx::query_as(
            "SELECT key_identifier, serial,
                    (SELECT max(serial) FROM certificates AS others
                     WHERE others.key_identifier = first.key_identifier)
             FROM (SELECT key_identifier, serial FROM certificates WHERE key_identifier > ?1
                   ORDER BY key_identifier, serial LIMIT 1) AS first",
        )
        .bind(issuer);
        self.queries
            .named("certificate_issuer", select.fetch_optional(self.readers()))
            .await
    }
}
