//! `kind = "prometheus"`: a counter in a Prometheus, read by range queries. It is back-filled first
//! and then followed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fetch::Fetcher;
use super::progress::{Batch, Progress, SourceError};
use crate::config::{PrometheusConfig, SourceConfig};
use crate::domain::demand::counter::{MOST_GAP_SECONDS, Taken, growth};
use crate::domain::demand::observation::{Observation, Source};
use crate::domain::math::number::{real, whole};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};

/// How often it is polled; a minute's sample is available a minute later.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The span of one query. With the time before it, 390 samples per series, of at most 11,000 in a
/// Prometheus answer.
const SPAN_SECONDS: i64 = 6 * HOUR;

/// After this time samples are almost certainly available: two scrapes at the usual interval.
const LATE_SECONDS: i64 = 2 * MINUTE;

/// The time before the span that is also queried, to find series that a sum missed, and series that
/// have disappeared.
const BEFORE_SECONDS: i64 = 2 * MOST_GAP_SECONDS;

/// 390 samples of a thousand series are about 10 MB.
const MOST_OCTETS: usize = 32 << 20;

/// The pause between two queries while back-filling.
const PAUSE: Duration = Duration::from_millis(100);

/// The position in time.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    /// The end of a minute.
    through: Option<Timestamp>,
    /// The fraction of an event not counted yet, because counters are interpolated over minutes.
    #[serde(default)]
    carried: f64,
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

/// Follows a counter until it cannot be read.
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

/// Reads everything up to now.
pub(super) async fn read_once(
    mut progress: Progress,
    source: &SourceConfig,
    config: &PrometheusConfig,
) -> Result<(), SourceError> {
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
    let mut cursor: Cursor = progress.cursor()?;
    let begin = minute(end - config.backfill_seconds);
    let mut from = cursor.through.unwrap_or(begin);
    while from < end {
        let to = (from + SPAN_SECONDS).min(end);
        let (series, taken) = ask(fetcher, config, from - BEFORE_SECONDS, to).await?;
        let grown = growth(&series, (from.unix(), to.unix()), taken);
        // A missing series may come back, so wait for it.
        if grown.settled <= from.unix() {
            break;
        }
        let mut batch = Batch::default();
        for one in grown.spans {
            let events = cursor.carried + one.events.max(0.0);
            // Rounding may leave a whole event slightly short.
            let count = whole((events + 1e-6).floor());
            cursor.carried = (events - real(count)).max(0.0);
            let count = count.unsigned_abs();
            batch.records += count;
            batch.observations.push(Observation {
                ca: ca.clone(),
                seconds: u32::try_from(one.seconds).unwrap_or(60),
                vantage: Some(progress.source().to_owned()),
                ..Observation::plain(
                    Timestamp::from_unix(one.from),
                    Source::Metrics,
                    config.counts,
                    count,
                )
            });
        }
        from = Timestamp::from_unix(grown.settled);
        cursor.through = Some(from);
        progress.advance(&cursor, batch, Some(from)).await?;
    }
    progress.read(0, cursor.through);
    Ok(())
}

/// The samples of a span, and when they were taken. Without a new sample a Prometheus repeats the
/// last one for five minutes. So for a plain selector the times of the samples are requested too;
/// and for a sum the parts are requested instead, so that a part that restarts, or is not scraped,
/// is not hidden in it.
async fn ask(
    fetcher: &Fetcher,
    config: &PrometheusConfig,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Vec<Vec<(f64, f64)>>, Taken), SourceError> {
    if let Some(selector) = selector(&config.query) {
        let samples = range(fetcher, config, selector, (from, to)).await;
        let query = format!("timestamp({selector})");
        let times = range(fetcher, config, &query, (from, to)).await;
        if let (Ok(samples), Ok(times)) = (samples, times) {
            return Ok((as_taken(samples, &times), Taken::AsGiven));
        }
    }
    let samples = range(fetcher, config, &config.query, (from, to)).await?;
    let at_steps = |samples: Vec<(i64, f64)>| {
        let samples = samples.into_iter();
        samples.map(|(at, value)| (real(at), value)).collect()
    };
    Ok((samples.into_values().map(at_steps).collect(), Taken::Before))
}

/// The samples with the instants at which they were taken.
fn as_taken(samples: Samples, times: &Samples) -> Vec<Vec<(f64, f64)>> {
    let of_one = |(mut labels, samples): (BTreeMap<String, String>, Vec<(i64, f64)>)| {
        // The results of functions have no name.
        labels.remove("__name__");
        let times: BTreeMap<i64, f64> = times
            .get(&labels)
            .map_or_else(BTreeMap::new, |times| times.iter().copied().collect());
        let taken = |(at, value): (i64, f64)| Some((*times.get(&at)?, value));
        samples.into_iter().filter_map(taken).collect()
    };
    samples.into_iter().map(of_one).collect()
}

/// The plain selector in a query, which may be inside a sum.
fn selector(query: &str) -> Option<&str> {
    let query = query.trim();
    if is_selector(query) {
        return Some(query);
    }
    let mut summed = query.strip_prefix("sum")?.trim_start();
    let grouped = ["by", "without"]
        .into_iter()
        .find_map(|word| summed.strip_prefix(word));
    if let Some(labels) = grouped {
        let (_, behind) = labels.split_once(')')?;
        summed = behind.trim_start();
    }
    let summed = summed.strip_prefix('(')?.strip_suffix(')')?.trim();
    is_selector(summed).then_some(summed)
}

/// Whether a query is only a name, labels in braces, or both.
fn is_selector(query: &str) -> bool {
    let is_of_name =
        |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let labels = query.trim_start_matches(is_of_name);
    if labels.is_empty() {
        return !query.is_empty() && !query.starts_with(|first: char| first.is_ascii_digit());
    }
    let Some(inside) = labels.strip_prefix('{') else {
        return false;
    };
    let mut quote = None;
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some('"' | '\''), '\\') => {
                characters.next();
            }
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(character),
            (None, '}') => return at + 1 == inside.len(),
            _ => {}
        }
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sum_adds_up_is_known_where_it_is_plain() {
        for (query, want) in [
            ("new_certificates", Some("new_certificates")),
            (
                " job:new:rate5m{a=\"}\", b='\\''} ",
                Some("job:new:rate5m{a=\"}\", b='\\''}"),
            ),
            ("{__name__=\"x\"}", Some("{__name__=\"x\"}")),
            ("sum(x{ca=\"a\"})", Some("x{ca=\"a\"}")),
            ("sum by (ca, job) (x)", Some("x")),
            ("sum without(ca)( x )", Some("x")),
            ("sum(x) by (ca)", None),
            ("sum(rate(x[5m]))", None),
            ("sum(x) + sum(y)", None),
            ("x offset 5m", None),
            ("x{a=\"b\"}[5m]", None),
            ("x{a=\"b", None),
            ("sum(", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(selector(query), want, "{query}");
        }
    }
}
