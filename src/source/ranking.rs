//! `kind = "ranking"`: another server's `ranking.json`, until there is load of your own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::fetch::Fetcher;
use super::progress::SourceError;
use crate::config::{RankingConfig, SourceConfig};
use crate::domain::publication::prior::Prior;
use crate::engine::Engine;

/// How often it is asked for: it is made anew once a day, and whoever serves it lets caches keep it an hour.
const LOOK_EVERY: Duration = Duration::from_hours(1);

/// The longest one: 288 slots and 2,016 of the week are some 250 kB.
const MOST_OCTETS: usize = 2 << 20;

/// Keeps a ranking as the prior for as long as it can be read.
pub(super) async fn read(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &RankingConfig,
) -> Result<Infallible, SourceError> {
    loop {
        if let Err(error) = take(engine, source, config).await {
            return Err(with_what_is_left(engine, source, error));
        }
        // At the latest when it may not be used any more.
        let left = engine.prior_valid_until(&source.name);
        let left = left.map_or(1, |until| (until - engine.now()).max(0) + 1);
        let left = Duration::from_secs(left.unsigned_abs());
        tokio::time::sleep(LOOK_EVERY.min(left)).await;
    }
}

/// Takes the ranking that there is now.
pub(super) async fn read_once(
    engine: &Arc<Engine>,
    source: &SourceConfig,
    config: &RankingConfig,
) -> Result<(), SourceError> {
    take(engine, source, config)
        .await
        .map_err(|error| with_what_is_left(engine, source, error))
}

/// Why it cannot be read, and what that means for the ranking that was read before.
fn with_what_is_left(engine: &Engine, source: &SourceConfig, error: SourceError) -> SourceError {
    let before = engine.prior_valid_until(&source.name);
    // Who says when to ask again is asked then.
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
