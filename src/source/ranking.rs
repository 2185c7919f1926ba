//! `kind = "ranking"`: another server's `ranking.json`, used until there is own load.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::fetch::Fetcher;
use super::progress::SourceError;
use crate::config::{RankingConfig, SourceConfig};
use crate::domain::publication::prior::Prior;
use crate::engine::Engine;

/// How often it is fetched. It changes once a day, and its server lets caches keep it for an hour.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// The largest ranking: 288 slots of the day and 2,016 of the week are about 250 kB.
const MOST_OCTETS: usize = 2 << 20;

/// Follows a ranking as the prior until it cannot be read.
pub(super) async fn read(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &RankingConfig,
) -> Result<Infallible, SourceError> {
    loop {
        if let Err(error) = take(engine, source, config).await {
            return Err(with_what_is_left(engine, source, error));
        }
        // At the latest when the present one expires.
        let left = engine.prior_valid_until(&source.name);
        let left = left.map_or(1, |until| (until - engine.now()).max(0) + 1);
        let left = Duration::from_secs(left.unsigned_abs());
        tokio::time::sleep(LOOK_EVERY.min(left)).await;
    }
}

/// Fetches the present ranking.
pub(super) async fn read_once(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &RankingConfig,
) -> Result<(), SourceError> {
    take(engine, source, config)
        .await
        .map_err(|error| with_what_is_left(engine, source, error))
}

/// The error, and what it means for the ranking fetched before.
fn with_what_is_left(engine: &Engine, source: &SourceConfig, error: SourceError) -> SourceError {
    let before = engine.prior_valid_until(&source.name);
    // If the answer says when to try again, that decides.
    let Some(until) = before.filter(|_| error.retry_after().is_none()) else {
        return error;
    };
    let so = if until < engine.now() {
        format!("the one before was valid until {until} only, and is not used any more")
    } else {
        format!("the one before is used until {until}")
    };
    SourceError::Wrong(format!("{error}; {so}"))
}

async fn take(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &RankingConfig,
) -> Result<(), SourceError> {
    let fetcher = Fetcher::new(
        "https://datatracker.ietf.org/doc/html/rfc9773",
        Duration::ZERO,
    )?;
    let octets = fetcher
        .get_configured("ranking", &config.url, MOST_OCTETS)
        .await?;
    let wrong = |reason: String| SourceError::Wrong(format!("{}: {reason}", config.url));
    let prior = Prior::parse(&octets).map_err(|error| wrong(error.to_string()))?;
    if prior.valid_until < engine.now() {
        return Err(wrong(format!(
            "it was valid until {} only",
            prior.valid_until
        )));
    }
    let through = Some(engine.now());
    engine.set_prior(&source.name, &source.ca.clone().unwrap_or_default(), prior);
    engine.source_read(&source.name, 1, through);
    Ok(())
}
