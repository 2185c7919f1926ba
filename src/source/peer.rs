//! `kind = "peer"`: the counts of another offpeak, from its `GET /v1/export`.
//!
//! A peer's reports are limited by this side's configuration: other sources are left out, and all
//! counts are stored under this source's name. They are not passed on.

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

/// How often it is asked: counts are by the minute.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// How long it is left alone between two answers of a back-fill.
const PAUSE: Duration = Duration::from_millis(100);

/// How many counts are asked for at a time.
const COUNTS: u64 = 2_000;

/// The longest answer: 2,000 counts with three labels of 200 octets each, and as much for the rest of
/// them, are 2.4 MB. Read, it takes up to twenty times as much for a moment.
const MOST_OCTETS: usize = 4 << 20;

/// The longest token file: a token has 43 octets.
const MOST_TOKEN_OCTETS: u64 = 4 << 10;

/// Counts that are taken in a day: a CA with twelve endpoints, three kinds of count and a dozen types of
/// errors has some 150 a minute at its worst, 220,000 a day; so a back-fill of two weeks takes two days then, and
/// one who makes up what he likes fills 400 MB a day of the database and no more.
const MOST_COUNTS_A_DAY: u64 = 2_000_000;

/// Answers that are asked for before the next pause of a minute, whatever the peer says there is more: as many as
/// a day's counts have.
const MOST_ANSWERS: u64 = MOST_COUNTS_A_DAY / COUNTS;

/// Vantages of a peer's sources that are told apart: one more than the eight monitors of a large setup is
/// taken for a mistake, since each takes memory by the day.
const MOST_VANTAGES: usize = 8;

/// How far it was read.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// The peer's own place: it means something to him alone.
    after: Option<String>,
    /// Counts before this are not taken: they are too old, or were taken from the database that the
    /// peer had before.
    from: Option<Timestamp>,
    /// The end of the last span that was taken.
    through: Option<Timestamp>,
    /// The day that the counts are of, and how many there were.
    day: i64,
    taken: u64,
    /// Of volume sources, those told apart so far.
    vantages: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    next: String,
    more: bool,
    observations: Vec<Value>,
}

/// Follows a peer for as long as it can be read.
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

/// Takes what there is now.
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
                "{} has told {} counts today, and no more than {MOST_COUNTS_A_DAY} are taken in a day: \
                 the rest is asked for tomorrow",
                config.url, cursor.taken
            );
            return Err(SourceError::Wrong(reason));
        }
        let answer = match ask(fetcher, config, cursor.after.as_deref()).await {
            // Its database is another one now, and may tell again what was taken from the one before.
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
    // A cursor of ours has 60 characters; what another keeps here must not grow.
    if answer.next.len() > 200 {
        return Err(wrong("next: it has more than 200 octets".to_owned()));
    }
    Ok(answer)
}

/// The counts, each as an observation that is handed in has to be.
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

/// Of these, what is believed: of the CA, of the sources that the configuration names, and under this
/// source's name.
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
        // However many vantages a peer tells of, it is one voice where outages are voted on.
        let apart = observation
            .vantage
            .as_ref()
            .filter(|_| observation.source != Source::Observer);
        if let Some(vantage) = apart.filter(|vantage| !cursor.vantages.contains(vantage)) {
            if cursor.vantages.len() >= MOST_VANTAGES {
                let reason = format!(
                    "{} tells of more than {MOST_VANTAGES} vantages: name those that are wanted in \
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
