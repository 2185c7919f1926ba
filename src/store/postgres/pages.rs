//! Pages of certificates where they lie on several servers. A page is cut by ranges of serials, which are
//! random: each server then brings its part of the page, where a limit alone would have each bring a
//! whole one.

use super::PostgresStore;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::store::StoreError;
use crate::store::row::{StoredCertificate, certificate_columns};

/// Beyond every serial, which has 32 octets at most.
const BEYOND: [u8; 33] = [0xff; 33];

impl PostgresStore {
    /// Up to `limit` certificates after `after`, in order; of those that an incident concerns, where it
    /// is named. The width of a range is halved and doubled until it is a good part of a page.
    pub(super) async fn read_ranges(
        &self,
        incident: Option<i64>,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found: Vec<Certificate> = Vec::new();
        let mut at = after.map(|id| {
            let (issuer, serial) = (id.key_identifier.octets(), id.serial.octets());
            (issuer.to_vec(), serial.to_vec())
        });
        loop {
            let (issuer, serial) = match at.take() {
                Some(at) => at,
                None => match self.issuer_after(&[]).await? {
                    Some(first) => (first, Vec::new()),
                    None => return Ok(found),
                },
            };
            let width = self.servers.width();
            let end = end(&serial, width);
            let until = end.as_deref().unwrap_or(&BEYOND);
            let left = wanted - found.len();
            let rows = self
                .range(incident, (&issuer[..], &serial[..], until), left)
                .await?;
            let many = rows.len();
            found.extend(rows.into_iter().map(|row| row.0));
            if many == left {
                if many == wanted {
                    self.servers.set_width(width / 2);
                }
                return Ok(found);
            }
            if many < wanted / 4 {
                self.servers.set_width(width.saturating_mul(2));
            }
            at = match end {
                Some(end) => Some((issuer, end)),
                None => match self.issuer_after(&issuer).await? {
                    Some(next) => Some((next, Vec::new())),
                    None => return Ok(found),
                },
            };
        }
    }

    async fn range(
        &self,
        incident: Option<i64>,
        (issuer, after, until): (&[u8], &[u8], &[u8]),
        limit: usize,
    ) -> Result<Vec<StoredCertificate>, StoreError> {
        let select = match incident {
            None => sqlx::query_as::<_, StoredCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM certificates
                 WHERE key_identifier = $1 AND serial > $2 AND serial <= $3
                 ORDER BY serial LIMIT $4"
            )),
            Some(_) => sqlx::query_as::<_, StoredCertificate>(concat!(
                "SELECT ",
                certificate_columns!(),
                " FROM (
                     SELECT key_identifier, serial FROM incident_certificates
                     WHERE incident = $5
                 ) AS members
                 JOIN certificates USING (key_identifier, serial)
                 WHERE key_identifier = $1 AND serial > $2 AND serial <= $3
                 ORDER BY serial LIMIT $4"
            )),
        };
        let select = select
            .bind(issuer)
            .bind(after)
            .bind(until)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let select = match incident {
            None => select,
            Some(number) => select.bind(number),
        };
        self.queries
            .named("certificate_range", select.fetch_all(&self.pool))
            .await
    }

    /// The first issuer after this one that has certificates.
    async fn issuer_after(&self, issuer: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let select = sqlx::query_scalar(
            "SELECT key_identifier FROM certificates WHERE key_identifier > $1
             ORDER BY key_identifier LIMIT 1",
        )
        .bind(issuer);
        self.queries
            .named("certificate_issuer", select.fetch_optional(&self.pool))
            .await
    }
}

/// Where the range of this width after a serial ends; `None`: beyond all.
fn end(serial: &[u8], width: u64) -> Option<Vec<u8>> {
    let mut first = [0; 8];
    for (octet, from) in first.iter_mut().zip(serial) {
        *octet = *from;
    }
    let end = u64::from_be_bytes(first).checked_add(width)?;
    Some(end.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other_to_the_end() {
        assert_eq!(end(&[], 1 << 56), Some(vec![1, 0, 0, 0, 0, 0, 0, 0]));
        let serial = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        assert_eq!(end(&serial, 1), Some(vec![1, 2, 3, 4, 5, 6, 7, 9]));
        assert_eq!(end(&[0xff], 1 << 56), None);
        // A range ends after where it began, so that each walk comes to an end.
        let mut at = Vec::new();
        let mut ranges = 1;
        while let Some(next) = end(&at, 1 << 56) {
            assert!(next > at);
            (at, ranges) = (next, ranges + 1);
        }
        assert_eq!(ranges, 256);
        assert!(serial.as_slice() < BEYOND.as_slice() && [0xff; 32].as_slice() < BEYOND.as_slice());
    }
}
