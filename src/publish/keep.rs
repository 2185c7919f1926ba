//! Keeps the configured places up to date while the service runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::place::{Place, PlaceError};
use super::plan::plan;
use super::remote::RemoteError;
use super::sign::{KeyError, Signer};
use crate::config::PublishConfig;
use crate::engine::Engine;
use crate::store::{Lease, Publication, StoreError, Turn};

/// How often it checks for a new publication: soon enough for a person who has just made one.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// The pause before a failed place is tried again; an unavailable store is usually back in minutes.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The longest update: a hundred CAs with signatures are about 800 objects, 40 s at 50 ms each.
const LONGEST_BRINGING: Duration = Duration::from_mins(5);

/// Why a place does not have the newest publication.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("it takes longer than {} s", LONGEST_BRINGING.as_secs())]
    Long,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Open(#[from] RemoteError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The state of a place, and when it is tried again.
#[derive(Debug, Default)]
struct Kept {
    number: Option<i64>,
    again_at: Option<Instant>,
}

/// Copies each new publication to every place of `[[publish]]`; does not return. Failures are
/// logged and tried again, and the old tree stays intact meanwhile. A reloaded configuration takes
/// effect at once.
pub async fn keep(engine: Arc<Engine>) {
    let mut ticks = interval(LOOKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept: HashMap<String, Kept> = HashMap::new();
    loop {
        ticks.tick().await;
        let Some(publication) = engine.publication() else {
            continue;
        };
        let places = engine.config().publish.clone();
        kept.retain(|to, _| places.iter().any(|place| place.to == *to));
        for place in &places {
            let known = kept.entry(place.to.clone()).or_default();
            let waits = known.again_at.is_some_and(|at| Instant::now() < at);
            if known.number == Some(publication.number) || waits {
                continue;
            }
            let brought = timeout(LONGEST_BRINGING, bring(&engine, place, &publication)).await;
            let outcome = match brought.unwrap_or(Err(KeepError::Long)) {
                Ok(true) => {
                    known.number = Some(publication.number);
                    known.again_at = None;
                    "brought"
                }
                // Another process is doing it; the next check shows the result.
                Ok(false) => {
                    known.again_at = Some(Instant::now() + TRIED_AGAIN_AFTER);
                    continue;
                }
                Err(error) => {
                    known.again_at = Some(Instant::now() + TRIED_AGAIN_AFTER);
                    tracing::error!(event = "not_published_to", to = place.to, %error);
                    "failed"
                }
            };
            metrics::counter!("offpeak_published_to_total", "to" => place.to.clone(), "outcome" => outcome)
                .increment(1);
        }
    }
}

/// Copies a publication to a place and removes old copies; `false` if another process is doing it.
/// The result does not depend on which process does it.
async fn bring(
    engine: &Engine,
    place: &PublishConfig,
    publication: &Publication,
) -> Result<bool, KeepError> {
    let signer = place.sign_with.as_deref().map(Signer::read).transpose()?;
    let opened = Place::open(&place.to, std::env::vars())?.in_gzip(place.gzip);
    // A bucket is written by one of several processes; folders belong to one process each.
    let _term = if opened.is_of_this_machine() {
        None
    } else {
        match engine
            .store()
            .take_lease(Lease::StaticTree, Turn::Now)
            .await?
        {
            Some(term) => Some(term),
            None => return Ok(false),
        }
    };
    let files = plan(&publication.documents);
    let applied = opened
        .bring(files.clone(), signer.as_ref(), publication.made_at)
        .await?;
    let before = engine.now() - place.retention_seconds;
    let removed = opened.forget(&files, before).await?;
    tracing::info!(
        event = "published_to",
        to = place.to,
        number = publication.number,
        written = applied.written,
        unchanged = applied.unchanged,
        unsigned = applied.unsigned,
        removed
    );
    Ok(true)
}
