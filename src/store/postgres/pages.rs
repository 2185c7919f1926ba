//! Pages of certificates that are distributed over several servers. A page is divided by ranges of
//! serials, which are random: so each server returns its part of the page, while with a limit alone
//! each would return a whole page.

use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};

use super::PostgresStore;
use super::session::{Sessions, Transaction};
use crate::domain::certificate::Certificate;
use crate::store::query::Turns;
use crate::store::range::{BEFORE, BEYOND, leading_of};
use crate::store::row::{StoredCertificate, certificate_columns};
use crate::store::{Change, CutStore, IdRange, StoreError};

/// How many ranges each issuer is divided into for a load: with ten issuers and ten million
/// certificates, each has 16,000.
const LOAD_PARTS: u32 = 64;
/// How often a load uses its snapshot while other connections read: much more often than the ten
/// minutes after which PostgreSQL ends an idle transaction.
const TOUCHED_EVERY: Duration = Duration::from_mins(1);
/// How many certificates a load reads at once: 4 MB.
const LOAD_PAGE: u32 = 10_000;
/// How often a page is tried. A connection may be lost; a server that is unavailable usually stays so.
const TRIES: usize = 3;
/// For smaller pages, the width of the range does not matter: 32 servers may each return a whole one,
/// 8,000 rows.
const WIDTH_MATTERS_FROM: usize = 256;

/// What to read: the incident, the issuer, the range of serials, and the limit.
#[derive(Clone, Debug)]
struct Wanted {
    incident: Option<i64>,
    issuer: Vec<u8>,
    after: Vec<u8>,
    until: Vec<u8>,
    limit: usize,
}

impl PostgresStore {
    /// Reads all certificates, several ranges at a time. If a connection is lost, its page is read
    /// again.
    pub(super) async fn emit_ranges(
        &self,
        snapshot: &mut Transaction,
        at_once: usize,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let ranges = IdRange::between(self.cuts(LOAD_PARTS).await?);
        let walks = ranges.into_iter().map(|range| self.walk(range).boxed());
        let mut pages = stream::iter(walks).flatten_unordered(at_once);
        let mut turns = Turns::default();
        let mut touched = Instant::now();
        while let Some(page) = pages.try_next().await? {
            // Other connections read for up to an hour if there are many certificates. Meanwhile this
            // one must not be taken for one that hangs (`idle_in_transaction_session_timeout`).
            if touched.elapsed() >= TOUCHED_EVERY {
                let touch = sqlx::query("SELECT 1").execute(&mut *snapshot);
                self.queries.named("load_touch", touch).await?;
                touched = Instant::now();
            }
            for certificate in page {
                emit(Change::Certificate(Box::new(certificate)));
                turns.emitted().await;
            }
        }
        Ok(())
    }

    /// The pages of a range.
    fn walk(
        &self,
        range: IdRange,
    ) -> impl Stream<Item = Result<Vec<Certificate>, StoreError>> + Send {
        stream::try_unfold(Some(range), async move |range| {
            let Some(mut range) = range else {
                return Ok(None);
            };
            let mut tries = 0;
            let page = loop {
                let page = self.read_ranges(None, &range, LOAD_PAGE).await;
                tries += 1;
                match page {
                    Err(StoreError::Unavailable { .. }) if tries < TRIES => {}
                    page => break page?,
                }
            };
            let came_full = page.len() == LOAD_PAGE as usize;
            range.after = page.last().map(|last| last.id.clone());
            Ok(Some((page, came_full.then_some(range))))
        })
    }

    /// The first `limit` certificates of a range, in order; if an incident is given, only those that it
    /// affects. The width of the queried range is halved or doubled until it returns a good part of a
    /// page.
    pub(super) async fn read_ranges(
        &self,
        incident: Option<i64>,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found: Vec<Certificate> = Vec::new();
        let (last_issuer, last_serial) = range.upper();
        let (issuer, serial) = range.lower();
        let mut at = Some((issuer.to_vec(), serial.to_vec()));
        if issuer.is_empty() {
            at = self.issuer_after(BEFORE).await?;
        }
        while let Some((issuer, serial)) = at {
            if (&issuer[..], &serial[..]) >= (last_issuer, last_serial) {
                break;
            }
            let width = self.servers.width();
            let most = if issuer == last_issuer {
                last_serial
            } else {
                BEYOND
            };
            let end = end(&serial, width).filter(|end| &end[..] < most);
            let left = wanted - found.len();
            let rows = self
                .wanted(Wanted {
                    incident,
                    issuer: issuer.clone(),
                    after: serial,
                    until: end.clone().unwrap_or_else(|| most.to_vec()),
                    limit: left,
                })
                .await?;
            let many = rows.len();
            found.extend(rows.into_iter().map(|row| row.0));
            if many == left {
                if many == wanted && wanted >= WIDTH_MATTERS_FROM {
                    self.servers.set_width(width / 2);
                }
                return Ok(found);
            }
            // Always doubled if the range was empty, so that a gap is crossed in at most 64 steps.
            if many == 0 || many < wanted / 4 {
                self.servers.set_width(width.saturating_mul(2));
            }
            at = match end {
                Some(end) => Some((issuer, end)),
                None => self.issuer_after(&issuer).await?,
            };
        }
        Ok(found)
    }

    /// In a task of its own, so that ranges are decoded in parallel.
    async fn wanted(&self, wanted: Wanted) -> Result<Vec<StoredCertificate>, StoreError> {
        let reading = tokio::spawn(read(self.pool.clone(), wanted));
        let reading = async { reading.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) };
        self.queries.named("certificate_range", reading).await
    }

    /// The position before all serials of the next issuer that has certificates.
    async fn issuer_after(&self, issuer: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, StoreError> {
        let next = self.first_after(issuer).await?;
        Ok(next.map(|(issuer, _)| (issuer, BEFORE.to_vec())))
    }
}

async fn read(pool: Sessions, wanted: Wanted) -> sqlx::Result<Vec<StoredCertificate>> {
    let select = match wanted.incident {
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
        .bind(wanted.issuer)
        .bind(wanted.after)
        .bind(wanted.until)
        .bind(i64::try_from(wanted.limit).unwrap_or(i64::MAX));
    let select = match wanted.incident {
        None => select,
        Some(number) => select.bind(number),
    };
    select.fetch_all(&pool).await
}

/// The end of a range of this width after a serial; `None` if it is after all serials.
fn end(serial: &[u8], width: u64) -> Option<Vec<u8>> {
    let end = leading_of(serial).checked_add(width)?;
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
        // A range ends after its beginning, so that each walk ends.
        let mut at = Vec::new();
        let mut ranges = 1;
        while let Some(next) = end(&at, 1 << 56) {
            assert!(next > at);
            (at, ranges) = (next, ranges + 1);
        }
        assert_eq!(ranges, 256);
        assert!(serial.as_slice() < BEYOND && [0xff; 32].as_slice() < BEYOND);
    }
}
