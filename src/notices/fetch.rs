//! Reads a notice from a file, or from a URL with HTTP caching (RFC 9111).

use std::io;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use reqwest::header::{
    CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use reqwest::{Client, StatusCode};

/// The largest notice: a revocation list with three million entries of about 40 octets.
const MOST_OCTETS: usize = 128 << 20;
/// The longest time for a download.
const LONGEST_FETCH: Duration = Duration::from_mins(2);
/// The maximum time before a list is fetched again, so that a revocation is seen within the hour.
const LONGEST_SECONDS: u64 = 3_600;
/// The minimum time, so that a server is asked at most once a minute.
const SHORTEST_SECONDS: u64 = 60;

static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let built = Client::builder().timeout(LONGEST_FETCH).build();
    built.map_err(|error| error.to_string())
});

/// The data for detecting whether a list has changed since it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Known {
    headers: Vec<(HeaderName, HeaderValue)>,
    file: Option<(SystemTime, u64)>,
}

/// The result of a check.
#[derive(Debug)]
pub(super) enum Fetched {
    /// It has not changed.
    Unchanged {
        /// How long that is valid.
        good_for: Duration,
    },
    /// It is new or has changed.
    New {
        /// Its octets, in DER or PEM.
        octets: Vec<u8>,
        /// How long it is valid; `None` if the list itself says so.
        good_for: Option<Duration>,
    },
}

/// Why a list cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("it cannot be fetched: {0}")]
    Client(String),
    #[error("it cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("it cannot be fetched: {0}")]
    Http(#[from] reqwest::Error),
    #[error("it has more than {MOST_OCTETS} octets")]
    Long,
}

/// Reads a file if it has changed.
///
/// # Errors
/// [`FetchError`].
pub(super) async fn read(
    file: &Path,
    known: &mut Known,
    every: Duration,
) -> Result<Fetched, FetchError> {
    let metadata = tokio::fs::metadata(file).await?;
    let now = Some((metadata.modified()?, metadata.len()));
    if known.file == now {
        return Ok(Fetched::Unchanged { good_for: every });
    }
    if metadata.len() > MOST_OCTETS as u64 {
        return Err(FetchError::Long);
    }
    let octets = tokio::fs::read(file).await?;
    known.file = now;
    Ok(Fetched::New {
        octets,
        good_for: Some(every),
    })
}

/// Fetches a URL if it has changed.
///
/// # Errors
/// [`FetchError`].
pub(super) async fn fetch(url: &str, known: &mut Known) -> Result<Fetched, FetchError> {
    let client = CLIENT.as_ref();
    let client = client.map_err(|error| FetchError::Client(error.clone()))?;
    let conditions: HeaderMap = known.headers.iter().cloned().collect();
    let mut answer = client.get(url).headers(conditions).send().await?;
    let good_for = max_age(answer.headers());
    if answer.status() == StatusCode::NOT_MODIFIED {
        return Ok(Fetched::Unchanged {
            good_for: good_for.unwrap_or(Duration::from_secs(LONGEST_SECONDS)),
        });
    }
    answer = answer.error_for_status()?;
    let validators = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
    let headers = validators.into_iter().filter_map(|(said, condition)| {
        let value = answer.headers().get(said)?;
        Some((condition, value.clone()))
    });
    let headers = headers.collect();
    let mut octets = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        octets.extend_from_slice(&chunk);
        if octets.len() > MOST_OCTETS {
            return Err(FetchError::Long);
        }
    }
    known.headers = headers;
    Ok(Fetched::New { octets, good_for })
}

/// Clamps a time to the minimum and maximum.
pub(super) fn within_bounds(seconds: u64) -> Duration {
    Duration::from_secs(seconds.clamp(SHORTEST_SECONDS, LONGEST_SECONDS))
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(CACHE_CONTROL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|directive| {
            let seconds = directive.trim().strip_prefix("max-age=")?;
            seconds.trim_matches('"').parse().ok()
        })
        .map(within_bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_good_for_a_minute_to_an_hour() {
        for (said, seconds) in [
            ("max-age=600", Some(600)),
            ("public, max-age=86400", Some(3_600)),
            ("max-age=0, must-revalidate", Some(60)),
            ("no-store", None),
            ("max-age=soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(said));
            assert_eq!(
                max_age(&headers),
                seconds.map(Duration::from_secs),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn a_file_is_read_where_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crl");
        let mut known = Known::default();
        let every = Duration::from_mins(1);
        assert!(read(&file, &mut known, every).await.is_err());
        for text in ["one", "another"] {
            std::fs::write(&file, text).unwrap();
            let fetched = read(&file, &mut known, every).await.unwrap();
            assert!(matches!(fetched, Fetched::New { octets, .. } if octets == text.as_bytes()));
            let again = read(&file, &mut known, every).await.unwrap();
            assert!(matches!(again, Fetched::Unchanged { .. }));
        }
    }
}
