//! Keeps the places that the configuration names up to date while the service runs.

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

/// How often it is looked for a newer publication: as often as a person looks who has just made one.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// A place that does not take it is tried again: a store that is away is back in minutes.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// A tree of a hundred CAs with signatures is some 800 objects, at 50 ms each 40 s.
const LONGEST_BRINGING: Duration = Duration::from_mins(5);

/// Why a place does not hold the newest publication.
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

/// What a place holds, and when it is tried again.
#[derive(Debug, Default)]
struct Kept {
    number: Option<i64>,
    again_at: Option<Instant>,
}

/// Brings each new publication to every place of `[[publish]]`, for ever. What fails is logged and tried
/// again; the old tree stays whole meanwhile. A configuration that is read again counts from then on.
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
                // Another process is at it: whether it was done is seen then.
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

/// Brings a publication to a place, and removes what is too old there; `false`: another process is at
/// it. The same bytes are written once, whoever does it.
async fn bring(
    engine: &Engine,
    place: &PublishConfig,
    publication: &Publication,
) -> Result<bool, KeepError> {
    let signer = place.sign_with.as_deref().map(Signer::read).transpose()?;
    let opened = Place::open(&place.to, std::env::vars())?.in_gzip(place.gzip);
    // Of several processes one brings it into a bucket; each has a folder of its own.
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
