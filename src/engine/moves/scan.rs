//! Reads all certificates in pages. Several ranges of CertIDs are read in parallel, and each
//! resumes where it stopped if the database was unavailable for a moment.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::certificate::Certificate;
use crate::domain::time::{Span, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::store::{IdRange, Store, StoreError};

/// Ranges read in parallel: a process has at least four connections, and a lease holds one.
const AT_ONCE: usize = 3;
/// The approximate number of certificates in a range, a dozen pages. With fewer than twice as many,
/// there is one range.
const RANGE_ROWS: usize = 25_000;
/// The most ranges of an issuer: far more than are read in parallel, so that a longer range does
/// not delay the end.
const MOST_PARTS: u32 = 256;
/// How often reading a page is tried …
const TRIES: u32 = 5;
/// … and the pause between tries: 4 s in total, in which a database can restart.
const PAUSE: Duration = Duration::from_secs(1);

/// The certificates to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Question {
    /// Those named for the incident with this number.
    OfIncident(i64),
    /// Those not replaced, valid beyond `now`, and with a window that overlaps `span`.
    WithWindows { span: Span, now: Timestamp },
}

/// Reads pages. Pages of a range come in order, and no certificate comes twice.
#[derive(Debug)]
pub(in crate::engine) struct Scan {
    store: Arc<dyn Store>,
    question: Question,
    page_rows: u32,
    /// Ranges that have not been started.
    waiting: std::vec::IntoIter<IdRange>,
    /// One page of each started range.
    reading: JoinSet<Result<(IdRange, Vec<Certificate>), StoreError>>,
}

impl Engine {
    /// The ranges that contain all certificates.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub(in crate::engine) async fn scan_ranges(&self) -> Result<Vec<IdRange>, EngineError> {
        let parts = self.certificates_indexed() / RANGE_ROWS;
        if parts < 2 {
            return Ok(vec![IdRange::ALL]);
        }
        let parts = u32::try_from(parts).unwrap_or(MOST_PARTS).min(MOST_PARTS);
        Ok(IdRange::between(self.store.cuts(parts).await?))
    }

    /// Starts to read these ranges.
    pub(in crate::engine) fn scan(
        &self,
        ranges: Vec<IdRange>,
        question: Question,
        page_rows: u32,
    ) -> Scan {
        Scan::new(Arc::clone(&self.store), ranges, question, page_rows)
    }
}

impl Scan {
    fn new(
        store: Arc<dyn Store>,
        ranges: Vec<IdRange>,
        question: Question,
        page_rows: u32,
    ) -> Self {
        Self {
            store,
            question,
            page_rows,
            waiting: ranges.into_iter(),
            reading: JoinSet::new(),
        }
    }

    /// The next available page of any range; `None` after the last.
    ///
    /// # Errors
    /// [`EngineError::Store`], [`EngineError::Aside`].
    pub(in crate::engine) async fn next(
        &mut self,
    ) -> Result<Option<Vec<Certificate>>, EngineError> {
        loop {
            while self.reading.len() < AT_ONCE
                && let Some(range) = self.waiting.next()
            {
                self.read(range);
            }
            let Some(read) = self.reading.join_next().await else {
                return Ok(None);
            };
            let (mut range, page) =
                read.map_err(|error| EngineError::Aside(error.to_string()))??;
            let Some(last) = page.last() else { continue };
            if page.len() == self.page_rows as usize {
                range.after = Some(last.id.clone());
                self.read(range);
            }
            return Ok(Some(page));
        }
    }

    fn read(&mut self, range: IdRange) {
        let (store, question, rows) = (Arc::clone(&self.store), self.question, self.page_rows);
        self.reading.spawn(async move {
            let page = patiently(store.as_ref(), question, &range, rows).await?;
            Ok((range, page))
        });
    }
}

async fn patiently(
    store: &dyn Store,
    question: Question,
    range: &IdRange,
    rows: u32,
) -> Result<Vec<Certificate>, StoreError> {
    let mut tries = 1;
    loop {
        let page = match question {
            Question::OfIncident(number) => {
                store.incident_certificates_in(number, range, rows).await
            }
            Question::WithWindows { span, now } => {
                store
                    .certificates_with_windows_in(span, now, range, rows)
                    .await
            }
        };
        match page {
            Err(error) if error.is_absence() && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
                tries += 1;
            }
            page => return page,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
    use crate::domain::certificate::{Basis, Cause, Validity};
    use crate::domain::time::{DAY, HOUR};
    use crate::store::{Migrations, Registration, connect};

    const NOW: Timestamp = Timestamp::from_unix(1_794_787_200);

    fn certificate(n: u32) -> Certificate {
        let scattered = n.wrapping_mul(2_654_435_761).to_be_bytes();
        let window = Span {
            from: NOW + DAY,
            to: NOW + DAY + HOUR,
        };
        Certificate {
            id: CertId {
                key_identifier: KeyIdentifier::new(&[1 + u8::from(n.is_multiple_of(3)); 20])
                    .unwrap(),
                serial: Serial::new(&scattered.repeat(4)).unwrap(),
            },
            validity: Validity {
                not_before: NOW,
                not_after: NOW + 90 * DAY,
            },
            issued_at: NOW,
            hour_known: true,
            steered: true,
            registered_at: NOW,
            window,
            cause: Cause::Registration,
            follows: None,
            basis: Basis::Span(window),
            successor: None,
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_certificate_comes_once_from_several_ranges_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("offpeak.db").display());
        let store = connect(&url, Migrations::Apply).await.unwrap();
        let all: Vec<Certificate> = (0..3_000).map(certificate).collect();
        let registration = Registration {
            certificates: &all,
            ..Registration::default()
        };
        store.register(registration).await.unwrap();
        let ids: Vec<CertId> = all.iter().map(|one| one.id.clone()).collect();
        store.add_incident_certificates(1, &ids).await.unwrap();
        let ranges = IdRange::between(store.cuts(16).await.unwrap());
        assert!(ranges.len() > 16, "{}", ranges.len());
        let span = Span {
            from: NOW,
            to: NOW + 2 * DAY,
        };
        for question in [
            Question::OfIncident(1),
            Question::WithWindows { span, now: NOW },
        ] {
            let mut pages = Scan::new(Arc::clone(&store), ranges.clone(), question, 20);
            let mut most = 0;
            let mut found = Vec::new();
            while let Some(page) = pages.next().await.unwrap() {
                most = most.max(pages.reading.len());
                assert!(page.len() <= 20 && page.is_sorted_by(|a, b| a.id < b.id));
                found.extend(page.into_iter().map(|one| one.id));
            }
            assert_eq!(found.len(), all.len(), "{question:?}");
            let distinct: BTreeSet<CertId> = found.into_iter().collect();
            assert_eq!(distinct, ids.iter().cloned().collect());
            assert_eq!(most, AT_ONCE, "that many are read beside each other");
        }
    }
}
