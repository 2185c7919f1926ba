//! Follows the revocation lists of CAs, and makes the windows of revoked certificates urgent.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fetch::{FetchError, Fetched, Known, fetch, read, within_bounds};
use crate::config::{CrlConfig, CrlPlace};
use crate::domain::certificate::certid::CertId;
use crate::engine::verdict::Rejection;
use crate::engine::{Engine, EngineError, IncidentError};
use crate::ingest::x509::crl::{Listed, revoked};
use crate::ingest::x509::signer::Signer;
use crate::store::{Lease, StoreError, Turn};

/// How often lists are checked for being due.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// How often a file's modification is checked.
const FILE_LOOKED_AT_EVERY: Duration = Duration::from_mins(1);
/// A list that cannot be read is tried again soon, because it may concern a compromised key.
const TRIED_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// CertIDs made urgent in one step.
const STEP: usize = 1_000;

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
enum CrlError {
    #[error("the engine cannot judge it: {0}")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{}: {}", .0.field, .0.detail)]
    Format(Rejection),
    #[error("its windows cannot be moved: {0}")]
    Incident(#[from] IncidentError),
    #[error("it is of the issuer {0}, which is not configured for the CA {1}")]
    Issuer(String, String),
    #[error("its issuer's certificate is refused: {}: {}", .0.field, .0.detail)]
    IssuerCertificate(Rejection),
    #[error("its issuer's certificate {} cannot be read: {}", .0.display(), .1)]
    IssuerFile(PathBuf, io::Error),
    #[error("reading it broke off")]
    Panicked(#[from] tokio::task::JoinError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Follows every `[[crl]]`; does not return.
pub async fn follow(engine: Arc<Engine>) {
    let mut ticks = interval(LOOKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut lists = Lists::default();
    loop {
        ticks.tick().await;
        lists.look(&engine).await;
    }
}

/// What is known about each list.
#[derive(Debug, Default)]
pub struct Lists(HashMap<CrlConfig, Followed>);

#[derive(Debug)]
struct Followed {
    due: Instant,
    known: Known,
}

impl Lists {
    /// Reads each list that is due by `Cache-Control`, its `nextUpdate`, or its file's
    /// modification. Failures are logged and tried again. A reloaded configuration takes effect at
    /// once.
    pub async fn look(&mut self, engine: &Arc<Engine>) {
        let config = engine.config();
        self.0.retain(|list, _| config.crls.contains(list));
        for list in &config.crls {
            let of = self.0.entry(list.clone()).or_insert_with(|| Followed {
                due: Instant::now(),
                known: Known::default(),
            });
            if of.due > Instant::now() {
                continue;
            }
            let outcome = match look(engine, list, &mut of.known).await {
                Ok(again_after) => {
                    of.due = Instant::now() + again_after;
                    "read"
                }
                Err(error) => {
                    // Forgets the list, so that the next check reads all of it.
                    of.known = Known::default();
                    of.due = Instant::now() + TRIED_AGAIN_AFTER;
                    let at = list.at.to_string();
                    tracing::error!(event = "crl_not_read", ca = %list.ca, at, %error);
                    "failed"
                }
            };
            let ca = list.ca.to_string();
            metrics::counter!("offpeak_crl_looks_total", "ca" => ca, "outcome" => outcome)
                .increment(1);
        }
    }
}

/// Checks a list once; returns how long it is valid.
async fn look(
    engine: &Arc<Engine>,
    list: &CrlConfig,
    known: &mut Known,
) -> Result<Duration, CrlError> {
    let fetched = match &list.at {
        CrlPlace::File(file) => read(file, known, FILE_LOOKED_AT_EVERY).await?,
        CrlPlace::Url(url) => fetch(url, known).await?,
    };
    match fetched {
        Fetched::Unchanged { good_for } => Ok(good_for),
        Fetched::New { octets, good_for } => {
            let listed = take(engine, list, octets).await?;
            let until_next = listed
                .next_update
                .map(|next| u64::try_from(next - engine.now()).unwrap_or(0));
            if until_next == Some(0) {
                let at = list.at.to_string();
                tracing::warn!(event = "crl_stale", ca = %list.ca, at, this_update = %listed.this_update);
            }
            Ok(good_for.unwrap_or_else(|| within_bounds(until_next.unwrap_or(0))))
        }
    }
}

/// Makes the windows of the listed certificates urgent, if they are registered and not urgent yet.
async fn take(engine: &Arc<Engine>, list: &CrlConfig, octets: Vec<u8>) -> Result<Listed, CrlError> {
    let signer = match &list.issuer {
        None => None,
        Some(file) => {
            let issuer = tokio::fs::read(file).await;
            let issuer = issuer.map_err(|error| CrlError::IssuerFile(file.clone(), error))?;
            Some(Signer::read(&issuer).map_err(CrlError::IssuerCertificate)?)
        }
    };
    let would_be_urgent = engine.would_be_urgent();
    let reading = engine.background().spawn_blocking(move || {
        let mut new: Vec<CertId> = Vec::new();
        let mut entries = 0_u64;
        let listed = revoked(&octets, signer.as_ref(), &mut |id| {
            entries += 1;
            if would_be_urgent(&id) {
                new.push(id);
            }
        });
        listed.map(|listed| (listed, new, entries))
    });
    let (listed, new, entries) = reading.await?.map_err(CrlError::Format)?;
    let of = engine.config().ca_of(&listed.key_identifier);
    if of.is_none() || of != engine.config().ca_named(list.ca.as_str()) {
        let (issuer, ca) = (listed.key_identifier.to_string(), list.ca.to_string());
        return Err(CrlError::Issuer(issuer, ca));
    }
    if !new.is_empty() {
        // Among several processes that read the same list, one at a time moves windows; the others
        // then find them moved.
        let _term = engine
            .store()
            .take_lease(Lease::Revocations, Turn::Wait)
            .await?;
        engine.catch_up().await?;
        let still = engine.would_be_urgent();
        let new: Vec<CertId> = new.into_iter().filter(still).collect();
        for step in new.chunks(STEP) {
            engine
                .revoked(step, list.explanation_url.as_deref())
                .await?;
        }
        tracing::info!(event = "crl_revoked", ca = %list.ca, certificates = new.len());
    }
    tracing::info!(
        event = "crl_read",
        ca = %list.ca,
        at = %list.at,
        entries,
        passed_over = listed.passed_over
    );
    Ok(listed)
}
