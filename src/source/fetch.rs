//! Asking others by HTTP: politely, and never for more than is wanted.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
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

    /// The octets at a URL, once the operator's turn has come. `file:` URLs name local files.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, operator: &str, url: &str, most: usize) -> Result<Vec<u8>, FetchError> {
        if let Some(path) = url.strip_prefix("file://") {
            return read(path, url, most).await;
        }
        self.wait_for_turn(operator).await;
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
            let retry_after = retry_after(answer.headers());
            self.hold(operator, retry_after).await;
            return Err(FetchError::Busy {
                url: url.to_owned(),
                status: status.as_u16(),
                retry_after,
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

    /// Asks nothing more of an operator for a while.
    async fn hold(&self, operator: &str, wait: Duration) {
        let mut next = self.next.lock().await;
        next.insert(operator.to_owned(), Instant::now() + wait);
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
    let length = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if length > most as u64 {
        return Err(FetchError::TooLong {
            url: url.to_owned(),
            most,
        });
    }
    tokio::fs::read(path).await.map_err(failed)
}

/// Whole seconds; a date is not worth a second's difference, so it counts as the usual wait.
fn retry_after(headers: &HeaderMap) -> Duration {
    headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map_or(USUAL_RETRY_AFTER, Duration::from_secs)
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
