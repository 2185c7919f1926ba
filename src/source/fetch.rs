//! HTTP requests to others: polite, and never for more than is needed.

use std::collections::HashMap;
use std::time::Duration;

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long an answer may take: a tile of 1 MB over a slow line.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
/// The longest wait that an answer's `Retry-After` has: beyond a day somebody else's clock is wrong.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// The wait after a 429 or 503 without one.
const USUAL_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Why there is no answer, or none of use.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// 429 or 503: later.
    #[error("{url} says {status}: asked again in {} s", retry_after.as_secs())]
    Busy {
        /// What was asked for.
        url: String,
        /// What was answered.
        status: u16,
        /// How long to wait.
        retry_after: Duration,
    },
    /// No client can be set up.
    #[error("no HTTP client can be set up: {0}")]
    Client(String),
    /// A local file that stands for an answer.
    #[error("{url}: {source}")]
    File {
        /// Its URL.
        url: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Another status than 200.
    #[error("{url} says {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// What was answered.
        status: u16,
    },
    /// More octets than such an answer has.
    #[error("{url} is longer than {most} octets")]
    TooLong {
        /// What was asked for.
        url: String,
        /// The bound.
        most: usize,
    },
    /// It does not answer.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong, down to its cause.
        reason: String,
    },
}

impl FetchError {
    /// The status of the answer, where there was one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Busy { status, .. } | Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// When to ask again, where the answer says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

/// An HTTP client that asks each host no more often than at its pace.
#[derive(Debug)]
pub struct Fetcher {
    client: reqwest::Client,
    /// Between two requests to one operator.
    pause: Duration,
    /// When each may be asked next.
    next: Mutex<HashMap<String, Instant>>,
    /// Until when each has said 429 for.
    held: Mutex<HashMap<String, Instant>>,
}

impl Fetcher {
    /// A client that says who it is and whom to write to, and leaves a pause between two requests to
    /// the same operator.
    ///
    /// # Errors
    /// [`FetchError::Client`].
    pub fn new(contact: &str, pause: Duration) -> Result<Self, FetchError> {
        Self::around(builder(contact), pause)
    }

    /// The same with a bearer token in each request, which is told to nobody else: it follows no
    /// redirects.
    ///
    /// # Errors
    /// [`FetchError::Client`], also where no header can hold the token.
    pub fn with_token(contact: &str, token: &str, pause: Duration) -> Result<Self, FetchError> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| FetchError::Client("the token has characters that none has".to_owned()))?;
        value.set_sensitive(true);
        let client = builder(contact)
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            .redirect(reqwest::redirect::Policy::none());
        Self::around(client, pause)
    }

    /// The same as [`Fetcher::new`], trusting these roots, in PEM, alone.
    ///
    /// # Errors
    /// [`FetchError::Client`], also where they are none.
    pub fn trusting(contact: &str, roots: &[u8], pause: Duration) -> Result<Self, FetchError> {
        let roots = reqwest::Certificate::from_pem_bundle(roots);
        let roots = roots.map_err(|error| FetchError::Client(causes(&error)))?;
        Self::around(builder(contact).tls_certs_only(roots), pause)
    }

    /// The client itself, for whoever asks as no one else does.
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

    /// A URL with parameters behind it.
    ///
    /// # Errors
    /// [`FetchError::Unreachable`] where it is none.
    pub fn url(base: &str, parameters: &[(&str, &str)]) -> Result<String, FetchError> {
        reqwest::Url::parse_with_params(base, parameters)
            .map(String::from)
            .map_err(|error| FetchError::Unreachable {
                url: base.to_owned(),
                reason: error.to_string(),
            })
    }

    /// The octets of what the configuration names: of a `file:` URL those of a local file.
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

    /// The octets at a URL that somebody else may have named, once the operator's turn has come.
    ///
    /// An operator that has said 429 is not asked before its `Retry-After` is over: that is an error at once, so
    /// that whoever asks several of them goes on with the others. A 503 is of the one URL, and who gets it waits.
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

    /// The octets at a URL, asked for now, whatever was answered before: for whoever has a pace of its own.
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
    // A device has no length, and no end.
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

/// Seconds, or a date, which is as far off as the answer's own date says (RFC 9110 section 10.2.3).
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

/// What went wrong, down to its cause.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    let mut told: Vec<String> = Vec::new();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    told.join(": ")
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
