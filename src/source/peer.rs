//! `kind = "peer"`: the counts of another offpeak, from its `GET /v1/export`.
//!
//! This side's configuration limits a peer's reports: other sources are left out, and all counts
//! are stored under this source's name. They are not passed on.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fetch::{FetchError, Fetcher};
use super::progress::{Batch, Progress, SourceError};
use crate::config::{PeerConfig, SourceConfig};
use crate::domain::demand::observation::{Observation, Source};
use crate::domain::time::{DAY, Timestamp};
use crate::ingest::{ObservationFormat, Unknown};
use crate::store::PEER;

/// How often the peer is polled; counts are by minute.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The pause between two requests while back-filling.
const PAUSE: Duration = Duration::from_millis(100);

/// Counts per request.
const COUNTS: u64 = 2_000;

/// The largest answer: 2,000 counts with three labels of 200 octets, and as much for the rest, are
/// 2.4 MB. Parsing takes up to twenty times as much for a moment.
const MOST_OCTETS: usize = 4 << 20;

/// The largest token file; a token has 43 octets.
const MOST_TOKEN_OCTETS: u64 = 4 << 10;

/// Counts accepted per day. A CA with twelve endpoints, three kinds of count and a dozen error
/// types has about 150 a minute in the worst case, 220,000 a day; a back-fill of two weeks then
/// takes two days. A malicious peer fills at most 400 MB of the database a day.
const MOST_COUNTS_A_DAY: u64 = 2_000_000;

/// Requests before the next pause of a minute, even if the peer has more: enough for a day's
/// counts.
const MOST_ANSWERS: u64 = MOST_COUNTS_A_DAY / COUNTS;

/// The number of different vantages of a peer's sources. More than the eight monitors of a large
/// setup count as a mistake, because each takes memory for each day.
const MOST_VANTAGES: usize = 8;

/// The position at the peer.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// The peer's own cursor, which only it can interpret.
    after: Option<String>,
    /// Earlier counts are not accepted: they are too old, or were already read from the peer's
    /// previous database.
    from: Option<Timestamp>,
    /// The end of the last span that was read.
    through: Option<Timestamp>,
    /// The day of the accepted counts, and their number.
    day: i64,
    taken: u64,
    /// The vantages of volume sources seen so far.
    vantages: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    next: String,
    more: bool,
    observations: Vec<Value>,
}

/// Follows a peer until it cannot be read.
pub(super) async fn read(
    mut progress: Progress,
    source: &SourceConfig,
    config: &PeerConfig,
) -> Result<Infallible, SourceError> {
    let fetcher = fetcher(config).await?;
    loop {
        catch_up(&mut progress, &fetcher, source, config).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what is available now.
pub(super) async fn read_once(
    mut progress: Progress,
    source: &SourceConfig,
    config: &PeerConfig,
) -> Result<(), SourceError> {
    let fetcher = fetcher(config).await?;
    catch_up(&mut progress, &fetcher, source, config).await
}

async fn fetcher(config: &PeerConfig) -> Result<Fetcher, SourceError> {
    let token = token(&config.token_file).await?;
    Ok(Fetcher::with_token(
        "https://datatracker.ietf.org/doc/html/rfc9773",
        &token,
        PAUSE,
    )?)
}

async fn token(path: &Path) -> Result<String, SourceError> {
    let failed = |source| SourceError::File {
        path: path.display().to_string(),
        source,
    };
    let length = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if length > MOST_TOKEN_OCTETS {
        let reason = format!("{}: a token is not {length} octets long", path.display());
        return Err(SourceError::Wrong(reason));
    }
    let text = tokio::fs::read_to_string(path).await.map_err(failed)?;
    Ok(text.trim().to_owned())
}

async fn catch_up(
    progress: &mut Progress,
    fetcher: &Fetcher,
    source: &SourceConfig,
    config: &PeerConfig,
) -> Result<(), SourceError> {
    let mut cursor: Cursor = progress.cursor()?;
    for _ in 0..MOST_ANSWERS {
        let now = progress.now();
        if cursor.from.is_none() {
            cursor.from = Some(now - config.backfill_seconds);
        }
        if cursor.day != now.slot(DAY) {
            (cursor.day, cursor.taken) = (now.slot(DAY), 0);
        }
        if cursor.taken >= MOST_COUNTS_A_DAY {
            let reason = format!(
                "{} has sent {} counts today, and at most {MOST_COUNTS_A_DAY} are accepted a day: the \
                 rest is read tomorrow",
                config.url, cursor.taken
            );
            return Err(SourceError::Wrong(reason));
        }
        let answer = match ask(fetcher, config, cursor.after.as_deref()).await {
            // The peer has a new database, which may return counts that were already read from the
            // previous one.
            Err(SourceError::Fetch(FetchError::Status { status: 410, .. }))
                if cursor.after.is_some() =>
            {
                cursor.after = None;
                cursor.from = cursor.from.max(cursor.through);
                continue;
            }
            answer => answer?,
        };
        if answer.more && cursor.after.as_ref() == Some(&answer.next) {
            let reason = format!("{} says that there is more, and stands still", config.url);
            return Err(SourceError::Wrong(reason));
        }
        let observations = decoded(&answer, config)?;
        cursor.taken += observations.len() as u64;
        let taken = believed(observations, source, config, &mut cursor)?;
        let ends = taken.iter().map(|one| one.at + i64::from(one.seconds));
        cursor.through = cursor.through.max(ends.max()).min(Some(now));
        cursor.after = Some(answer.next);
        let batch = Batch {
            records: taken.len() as u64,
            observations: taken,
            ..Batch::default()
        };
        progress.advance(&cursor, batch, cursor.through).await?;
        if !answer.more {
            break;
        }
    }
    Ok(())
}

async fn ask(
    fetcher: &Fetcher,
    config: &PeerConfig,
    after: Option<&str>,
) -> Result<Answer, SourceError> {
    let limit = COUNTS.to_string();
    let mut parameters = vec![("limit", limit.as_str())];
    parameters.extend(after.map(|after| ("after", after)));
    let url = Fetcher::url(&format!("{}/v1/export", config.url), &parameters)?;
    let body = fetcher.get("peer", &url, MOST_OCTETS).await?;
    let wrong = |what: String| SourceError::Wrong(format!("{}: {what}", config.url));
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| wrong(format!("it does not answer as an offpeak does: {error}")))?;
    // A cursor of ours has 60 characters; another program's must not grow without limit.
    if answer.next.len() > 200 {
        return Err(wrong("next: it has more than 200 octets".to_owned()));
    }
    Ok(answer)
}

/// The counts, checked like submitted observations.
fn decoded(answer: &Answer, config: &PeerConfig) -> Result<Vec<Observation>, SourceError> {
    let mut decoder = ObservationFormat::Ndjson.decoder_with(Unknown::Ignored);
    let mut items = Vec::new();
    for line in &answer.observations {
        decoder.push(line.to_string().as_bytes(), &mut items);
        decoder.push(b"\n", &mut items);
    }
    decoder.finish(&mut items);
    let records = items.into_iter().map(|item| {
        item.record.map_err(|rejection| {
            let (number, field) = (item.line, rejection.field);
            let reason = format!("observations[{}].{field}: {}", number - 1, rejection.detail);
            SourceError::Wrong(format!("{}: {reason}", config.url))
        })
    });
    records.collect()
}

/// The accepted observations: of the CA and the configured sources, under this source's name.
fn believed(
    observations: Vec<Observation>,
    source: &SourceConfig,
    config: &PeerConfig,
    cursor: &mut Cursor,
) -> Result<Vec<Observation>, SourceError> {
    let ca = source.ca.clone().unwrap_or_default();
    let theirs = config.their_ca.as_ref().unwrap_or(&ca);
    let mut taken = Vec::new();
    for observation in observations {
        if observation.ca != *theirs
            || config.believed.refusal(&observation).is_some()
            || Some(observation.at) < cursor.from
        {
            continue;
        }
        // However many vantages a peer reports, it has one vote about outages.
        let apart = observation
            .vantage
            .as_ref()
            .filter(|_| observation.source != Source::Observer);
        if let Some(vantage) = apart.filter(|vantage| !cursor.vantages.contains(vantage)) {
            if cursor.vantages.len() >= MOST_VANTAGES {
                let reason = format!(
                    "{} has more than {MOST_VANTAGES} vantages: name those that are wanted in \
                     `sources`",
                    config.url
                );
                return Err(SourceError::Wrong(reason));
            }
            cursor.vantages.push(vantage.clone());
        }
        let name = &source.name;
        let vantage = apart.map_or_else(
            || format!("{PEER}{name}"),
            |vantage| format!("{PEER}{name}:{vantage}"),
        );
        taken.push(Observation {
            ca: ca.clone(),
            vantage: Some(vantage),
            steered: false,
            ..observation
        });
    }
    Ok(taken)
}
