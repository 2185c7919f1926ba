//! Registers certificates before their chains are delivered, within a time limit. If the store is
//! unavailable, it does so afterwards.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::spool::{Spool, Waiting};
use super::store_time::StoreTime;
use crate::domain::certificate::Submission;
use crate::domain::certificate::certid::CertId;
use crate::engine::verdict::Verdict;
use crate::engine::{Engine, EngineError, RenewalInfo};
use crate::telemetry::CertIdDigest;

/// Certificates written from the spool to the store in one step.
const AT_ONCE: usize = 500;

/// The pause after the store was unavailable, so that its return is noticed within a second.
const TRIED_EVERY: Duration = Duration::from_secs(1);

/// How a certificate was saved before its chain is delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Handed {
    /// In the store.
    Registered,
    /// In the spool, durably.
    Spooled,
    /// Not at all: it was refused, or neither store nor disk took it in time.
    Lost,
}

/// Registers the certificates that a gateway sees.
#[derive(Debug)]
pub(super) struct Registrar {
    engine: Arc<Engine>,
    spool: Arc<Spool>,
    disk_within: Duration,
}

impl Registrar {
    /// `disk_within` limits the time for the disk, after the store has used up its own.
    pub(super) fn new(engine: Arc<Engine>, spool: Arc<Spool>, disk_within: Duration) -> Self {
        Self {
            engine,
            spool,
            disk_within,
        }
    }

    /// Registers a certificate. Returns within the time left for the store plus the limit for the
    /// disk.
    pub(super) async fn register(&self, waiting: Waiting, time: &StoreTime) -> Handed {
        let (engine, spool) = (Arc::clone(&self.engine), Arc::clone(&self.spool));
        let id = waiting.submission.id.clone();
        // From now on it is answered from memory.
        let remembered = spool.remember(&waiting);
        // If the store is unavailable, all waiting certificates are tried together.
        if !time.is_away() || !remembered {
            let waiting = waiting.clone();
            // The task continues if the client leaves or the time is over; a partial result would
            // be repeated.
            let background = self.engine.background();
            let registering =
                background.spawn(async move { register_one(&engine, &spool, &waiting).await });
            if let Some(Ok(Some(handed))) = time.ask(registering).await {
                return handed;
            }
        }
        if !remembered {
            tracing::error!(event = "spool_full", certificate = %CertIdDigest(&id));
            return Handed::Lost;
        }
        let spool = Arc::clone(&self.spool);
        let written = self
            .engine
            .background()
            .spawn_blocking(move || spool.write(&waiting));
        match timeout(self.disk_within, written).await {
            Ok(Ok(Ok(()))) => Handed::Spooled,
            Ok(Ok(Err(error))) => {
                tracing::error!(event = "spool_failed", %error, certificate = %CertIdDigest(&id));
                Handed::Lost
            }
            Ok(Err(_)) | Err(_) => Handed::Lost,
        }
    }

    /// The answer about a waiting certificate: a window as it would be drawn now.
    pub(super) async fn answer(&self, id: &CertId) -> Option<RenewalInfo> {
        let submission = self.spool.find(id)?;
        self.engine.preview(&submission).await
    }

    /// Writes waiting certificates to the store; does not return.
    pub(super) async fn run(&self) {
        loop {
            self.empty().await;
            sleep(TRIED_EVERY).await;
        }
    }

    async fn empty(&self) {
        metrics::gauge!("offpeak_gateway_spooled").set(f64::from(
            u32::try_from(self.spool.len()).unwrap_or(u32::MAX),
        ));
        loop {
            let some = self.spool.some(AT_ONCE);
            if some.is_empty() {
                return;
            }
            match register_all(&self.engine, &some).await {
                Ok(verdicts) => {
                    let taken = some.len();
                    for (waiting, verdict) in some.iter().zip(verdicts) {
                        settle(&waiting.submission.id, &verdict);
                    }
                    let spool = Arc::clone(&self.spool);
                    let forgetting = tokio::task::spawn_blocking(move || {
                        for waiting in some {
                            spool.forget(&waiting.submission.id);
                        }
                    });
                    if forgetting.await.is_err() {
                        return;
                    }
                    tracing::info!(event = "spool_registered", certificates = taken);
                }
                Err(error) => {
                    tracing::debug!(event = "spool_waits", %error);
                    return;
                }
            }
        }
    }
}

/// Registers a certificate; `None` if the store is unavailable.
async fn register_one(
    engine: &Arc<Engine>,
    spool: &Arc<Spool>,
    waiting: &Waiting,
) -> Option<Handed> {
    match register_all(engine, std::slice::from_ref(waiting)).await {
        Ok(verdicts) => {
            let id = waiting.submission.id.clone();
            let handed = verdicts
                .first()
                .map_or(Handed::Lost, |verdict| settle(&id, verdict));
            let spool = Arc::clone(spool);
            // If the time limit was reached first, its file is removed too.
            let _ = tokio::task::spawn_blocking(move || spool.forget(&id)).await;
            Some(handed)
        }
        Err(error) => {
            tracing::warn!(event = "certificate_waits", %error);
            None
        }
    }
}

/// Registers several certificates, and stores for whom each was issued.
async fn register_all(engine: &Arc<Engine>, some: &[Waiting]) -> Result<Vec<Verdict>, EngineError> {
    let submissions: Vec<Submission> = some.iter().map(|one| one.submission.clone()).collect();
    let verdicts = engine.register(&submissions, None).await?;
    for issued in some.iter().filter_map(|one| one.issued_for.as_ref()) {
        engine.store().note_issued(issued).await?;
    }
    Ok(verdicts)
}

fn settle(id: &CertId, verdict: &Verdict) -> Handed {
    match verdict {
        Verdict::Accepted | Verdict::Unchanged => Handed::Registered,
        Verdict::Rejected(rejection) => {
            tracing::error!(
                event = "certificate_rejected", certificate = %CertIdDigest(id),
                field = rejection.field, detail = rejection.detail,
            );
            Handed::Lost
        }
    }
}
