//! `kind = "prometheus"`: a counter that a Prometheus keeps, by range queries: back-filled first, then
//! followed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fetch::Fetcher;
use super::progress::{Batch, Progress, SourceError};
use crate::config::{PrometheusConfig, SourceConfig, SourceKind};
use crate::domain::demand::counter::increases;
use crate::domain::demand::observation::{Observation, Source};
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::engine::Engine;

/// How often it is asked: a minute's sample is there a minute later.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// So much is asked for at once: 360 samples a series, of the 11,000 that a Prometheus gives at most.
const SPAN_SECONDS: i64 = 6 * HOUR;

/// Samples are there, in all likelihood, so long after their time: two scrapes of the usual interval.
const LATE_SECONDS: i64 = 2 * MINUTE;

/// 360 samples of a thousand series are some 10 MB.
const MOST_OCTETS: usize = 32 << 20;

/// How long it is left alone between two queries of a back-fill.
const PAUSE: Duration = Duration::from_millis(100);

/// How far it was read.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// The end of a minute.
    through: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

/// Samples, each with its time in Unix seconds, by the labels of their series.
type Samples = BTreeMap<BTreeMap<String, String>, Vec<(i64, f64)>>;

/// Follows a counter for as long as it can be read.
pub(super) async fn read(
    mut progress: Progress,
    source: &SourceConfig,
    config: &PrometheusConfig,
) -> Result<Infallible, SourceError> {
    let fetcher = Fetcher::new("https://prometheus.io", PAUSE)?;
    let ca = source.ca.clone().unwrap_or_default();
    loop {
        catch_up(&mut progress, &fetcher, &ca, config).await?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what there is up to now, and ends: for commands and tests.
///
/// # Errors
/// [`SourceError`]; and where the source is no Prometheus.
pub async fn read_once(engine: &Arc<Engine>, source: &SourceConfig) -> Result<(), SourceError> {
    let SourceKind::Prometheus(config) = &source.kind else {
        let reason = format!("{} is no Prometheus", source.name);
        return Err(SourceError::Wrong(reason));
    };
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    let mut progress = Progress::open(engine, &source.name).await?;
    let fetcher = Fetcher::new("https://prometheus.io", PAUSE)?;
    let ca = source.ca.clone().unwrap_or_default();
    catch_up(&mut progress, &fetcher, &ca, config).await
}

async fn catch_up(
    progress: &mut Progress,
    fetcher: &Fetcher,
    ca: &CaName,
    config: &PrometheusConfig,
) -> Result<(), SourceError> {
    let minute = |at: Timestamp| Timestamp::from_unix(at.slot(MINUTE) * MINUTE);
    let end = minute(progress.now() - LATE_SECONDS);
    let cursor: Cursor = progress.cursor()?;
    let begin = minute(end - config.backfill_seconds);
    let mut from = cursor.through.unwrap_or(begin);
    while from < end {
        let to = (from + SPAN_SECONDS).min(end);
        let series = ask(fetcher, config, from, to).await?;
        let mut batch = Batch::default();
        for (at, count) in increases(&series, MINUTE) {
            batch.records += count;
            batch.observations.push(Observation {
                ca: ca.clone(),
                vantage: Some(progress.source().to_owned()),
                ..Observation::plain(
                    Timestamp::from_unix(at - MINUTE),
                    Source::Metrics,
                    config.counts,
                    count,
                )
            });
        }
        from = to;
        let through = Some(to);
        progress
            .advance(&Cursor { through }, batch, through)
            .await?;
    }
    Ok(())
}

/// The samples of a span. Where there is none, a Prometheus gives the last one before for five minutes: what is
/// older than two minutes is none, where its age can be told, which is so of plain selectors.
async fn ask(
    fetcher: &Fetcher,
    config: &PrometheusConfig,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Vec<(i64, f64)>>, SourceError> {
    let mut samples = range(fetcher, config, &config.query, (from, to)).await?;
    let query = format!("timestamp({})", config.query);
    // Not every expression has timestamps.
    if let Ok(times) = range(fetcher, config, &query, (from, to)).await {
        for (labels, samples) in &mut samples {
            // What a function gives has no name any more.
            let mut bare = labels.clone();
            bare.remove("__name__");
            let times: BTreeMap<i64, f64> = times
                .get(&bare)
                .map_or_else(BTreeMap::new, |times| times.iter().copied().collect());
            samples.retain(|(at, _)| {
                let taken = times.get(at).copied();
                taken.is_none_or(|taken| real(*at) - taken <= real(LATE_SECONDS))
            });
        }
    }
    Ok(samples.into_values().collect())
}

async fn range(
    fetcher: &Fetcher,
    config: &PrometheusConfig,
    query: &str,
    (from, to): (Timestamp, Timestamp),
) -> Result<Samples, SourceError> {
    let url = format!("{}/api/v1/query_range", config.url);
    let (start, end) = (from.unix().to_string(), to.unix().to_string());
    let parameters = [
        ("query", query),
        ("start", &start),
        ("end", &end),
        ("step", "60"),
    ];
    let url = Fetcher::url(&url, &parameters)?;
    let body = fetcher.get("prometheus", &url, MOST_OCTETS).await?;
    let wrong = |what: String| SourceError::Wrong(format!("{}: {what}", config.url));
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| wrong(format!("no answer: {error}")))?;
    if let Some(error) = answer.error {
        return Err(wrong(error));
    }
    let series = answer.data.map_or_else(Vec::new, |data| data.result);
    let samples = |one: Series| {
        let sample = |(at, value): (f64, String)| {
            let at = format!("{at:.0}").parse::<i64>().ok()?;
            Some((at, value.parse::<f64>().ok()?))
        };
        (
            one.metric,
            one.values.into_iter().filter_map(sample).collect(),
        )
    };
    Ok(series.into_iter().map(samples).collect())
}
