//! HTTP requests to other servers, with rate limits and size limits.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The longest time for an answer: a tile of 1 MB over a slow line.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// The longest time to establish a connection.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// The longest `Retry-After` accepted; a longer one indicates a wrong clock.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// The wait after a 429 or 503 without `Retry-After`.
const USUAL_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// 429 or 503: try later.
    #[error("{url} says {status}: asked again in {} s", retry_after.as_secs())]
    Busy {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The HTTP client cannot be set up.
    #[error("no HTTP client can be set up: {0}")]
    Client(String),
    /// A local file used in place of an answer cannot be read.
    #[error("{url}: {source}")]
    File {
        /// Its URL.
        url: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The status is not 200.
    #[error("{url} says {status}")]
    Status {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// The answer is too long.
    #[error("{url} is longer than {most} octets")]
    TooLong {
        /// The URL.
        url: String,
        /// The limit.
        most: usize,
    },
    /// There is no answer.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The reason, with all causes.
        reason: String,
    },
}

impl FetchError {
    /// The status of the answer, if there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Busy { status, .. } | Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// When to try again, if the answer says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// An HTTP client that limits its rate for each host.
#[derive(Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    /// The pause between two requests to one operator.
    pause: Duration,
    /// When each operator may be asked next.
    next: Mutex<HashMap<String, Instant>>,
    /// Until when each operator has rejected requests with 429.
    held: Mutex<HashMap<String, Instant>>,
}

impl Fetcher {
    /// A client that identifies itself with a contact, and pauses between two requests to the same
    /// operator.
    ///
    /// # Errors
    /// [`FetchError::Client`].
    pub fn new(contact: &str, pause: Duration) -> Result<Self, FetchError> {
        Self::around(builder(contact), pause)
    }

    /// The same with a bearer token in each request. It follows no redirects, so that nobody else
    /// gets the token.
    ///
    /// # Errors
    /// [`FetchError::Client`], also if the token is not valid in a header.
    pub fn with_token(contact: &str, token: &str, pause: Duration) -> Result<Self, FetchError> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| FetchError::Client("the token has characters that none has".to_owned()))?;
        value.set_sensitive(true);
        let client = builder(contact)
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            .redirect(reqwest::redirect::Policy::none());
        Self::around(client, pause)
    }

    /// The same as [`Fetcher::new`], trusting only these PEM roots.
    ///
    /// # Errors
    /// [`FetchError::Client`], also if they are invalid.
    pub fn trusting(contact: &str, roots: &[u8], pause: Duration) -> Result<Self, FetchError> {
        let roots = reqwest::Certificate::from_pem_bundle(roots);
        let roots = roots.map_err(|error| FetchError::Client(causes(&error)))?;
        Self::around(builder(contact).tls_certs_only(roots), pause)
    }

    /// The underlying client, for requests that need more control.
    #[must_use]
    pub fn client(&self) -> reqwest::Client {
        self.client.clone()
    }

    fn around(client: reqwest::ClientBuilder, pause: Duration) -> Result<Self, FetchError> {
        let client = client.build();
        Ok(Self {
            client: client.map_err(|error| FetchError::Client(causes(&error)))?,
            pause,
            next: Mutex::default(),
            held: Mutex::default(),
        })
    }

    /// A URL with query parameters.
    ///
    /// # Errors
    /// [`FetchError::Unreachable`] if it is invalid.
    pub fn url(base: &str, parameters: &[(&str, &str)]) -> Result<String, FetchError> {
        reqwest::Url::parse_with_params(base, parameters)
            .map(String::from)
            .map_err(|error| FetchError::Unreachable {
                url: base.to_owned(),
                reason: error.to_string(),
            })
    }

    /// Fetches a configured URL. A `file:` URL reads a local file.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get_configured(
        &self,
        operator: &str,
        url: &str,
        most: usize,
    ) -> Result<Vec<u8>, FetchError> {
        match url.strip_prefix("file://") {
            Some(path) => read(path, url, most).await,
            None => self.get(operator, url, most).await,
        }
    }

    /// Fetches a URL that someone else may have named, when the operator may be asked next.
    ///
    /// After a 429, requests to the operator fail at once until its `Retry-After` is over, so that
    /// the caller can continue with others. A 503 concerns only one URL, and the caller waits.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, operator: &str, url: &str, most: usize) -> Result<Vec<u8>, FetchError> {
        if let Some(until) = self.held.lock().await.get(operator).copied()
            && until > Instant::now()
        {
            return Err(FetchError::Busy {
                url: url.to_owned(),
                status: StatusCode::TOO_MANY_REQUESTS.as_u16(),
                retry_after: until - Instant::now(),
            });
        }
        self.wait_for_turn(operator).await;
        let answer = self.ask(url, most).await;
        if let Err(FetchError::Busy {
            status: 429,
            retry_after,
            ..
        }) = &answer
        {
            let mut held = self.held.lock().await;
            held.insert(operator.to_owned(), Instant::now() + *retry_after);
        }
        answer
    }

    /// Fetches a URL now, whatever was answered before, for callers with their own rate limit.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn ask(&self, url: &str, most: usize) -> Result<Vec<u8>, FetchError> {
        let broken = |error: reqwest::Error| FetchError::Unreachable {
            url: url.to_owned(),
            reason: causes(&error.without_url()),
        };
        let mut answer = self.client.get(url).send().await.map_err(broken)?;
        let status = answer.status();
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            return Err(FetchError::Busy {
                url: url.to_owned(),
                status: status.as_u16(),
                retry_after: retry_after(answer.headers()),
            });
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status: status.as_u16(),
            });
        }
        let mut octets = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if octets.len() + chunk.len() > most {
                return Err(FetchError::TooLong {
                    url: url.to_owned(),
                    most,
                });
            }
            octets.extend_from_slice(&chunk);
        }
        Ok(octets)
    }

    async fn wait_for_turn(&self, operator: &str) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let turn = next.get(operator).copied().unwrap_or(now).max(now);
            next.insert(operator.to_owned(), turn + self.pause);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

fn builder(contact: &str) -> reqwest::ClientBuilder {
    let agent = format!("offpeak/{} (+{contact})", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder()
        .user_agent(agent)
        .connect_timeout(CONNECTED_WITHIN)
        .timeout(ANSWERED_WITHIN)
        .gzip(true)
}

async fn read(path: &str, url: &str, most: usize) -> Result<Vec<u8>, FetchError> {
    let failed = |source| FetchError::File {
        url: url.to_owned(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let bound = u64::try_from(most).unwrap_or(u64::MAX);
    let mut octets = Vec::new();
    // A device has no length and no end.
    let mut bounded = file.take(bound.saturating_add(1));
    bounded.read_to_end(&mut octets).await.map_err(failed)?;
    if octets.len() > most {
        return Err(FetchError::TooLong {
            url: url.to_owned(),
            most,
        });
    }
    Ok(octets)
}

/// Seconds, or a date, compared with the answer's own date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Duration {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let until = || {
        let wait = date(text(RETRY_AFTER)?)? - date(text(DATE)?)?;
        wait.to_std().ok()
    };
    text(RETRY_AFTER)
        .and_then(|text| text.parse().ok().map(Duration::from_secs))
        .or_else(until)
        .unwrap_or(USUAL_RETRY_AFTER)
        .clamp(Duration::from_secs(1), LONGEST_RETRY_AFTER)
}

/// An error with all its causes.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    let mut messages: Vec<String> = Vec::new();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let seconds = |retry_after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_str(date).unwrap());
            }
            super::retry_after(&headers).as_secs()
        };
        let now = Some("Sun, 29 Nov 2026 12:00:00 GMT");
        assert_eq!(seconds("120", now), 120);
        assert_eq!(seconds("Sun, 29 Nov 2026 12:30:00 GMT", now), 1_800);
        assert_eq!(seconds("Sun, 29 Nov 2026 12:30:00 GMT", None), 60);
        assert_eq!(seconds("Sun, 29 Nov 2026 11:00:00 GMT", now), 60);
        assert_eq!(seconds("999999999", now), 86_400);
        assert_eq!(seconds("soon", now), 60);
    }
}
