//! A whole order, as any client makes it: account, order, authorization, finalization and
//! certificate, with the time of each request. Uses instant-acme, which behaves like deployed
//! clients.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::USER_AGENT;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType,
    Error, HttpClient, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use serde::Deserialize;
use tokio::time::Instant;

use super::super::fetch::causes;
use super::answering::Answering;
use crate::config::OrderConfig;
use crate::domain::acme::Endpoint;

/// The longest time for everything; validation takes seconds.
const LONGEST: Duration = Duration::from_mins(2);
/// How long an order or a challenge is polled.
const POLLED_FOR: Duration = Duration::from_secs(40);
/// The most requests for one order: one of each kind, six polls for the order and six for the
/// certificate, and repeated ones after a rejected nonce.
pub const MOST_REQUESTS: usize = 30;
/// The longest answer: twice a chain of four certificates of 4 kB each.
const MOST_OCTETS: usize = 64 << 10;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Step {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The status; `None` without an answer.
    pub status: Option<u16>,
    /// The ACME error type of the answer.
    pub error_type: Option<String>,
    /// The time until the last octet of the answer.
    pub took: Duration,
}

impl Step {
    /// Whether it succeeded. A rejected nonce followed by a new one is part of the protocol (RFC
    /// 8555 section 6.5).
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.status.is_some_and(|status| status < 400)
            || self.error_type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
    }
}

/// The result of an order.
#[derive(Debug)]
pub struct Measured {
    /// The requests in order.
    pub steps: Vec<Step>,
    /// Why it ended before there was a certificate, if it did.
    pub failed: Option<String>,
}

/// Places an order with a CA's directory, and records the answer to each request.
pub async fn order(
    client: reqwest::Client,
    directory: &str,
    contact: &str,
    config: &OrderConfig,
) -> Measured {
    let seen = Arc::new(Seen {
        client,
        asking: Mutex::new(Endpoint::Other),
        order: Mutex::default(),
        authorizations: Mutex::default(),
        steps: Mutex::default(),
    });
    let run = run(Arc::clone(&seen), directory, contact, config);
    let failed = match tokio::time::timeout(LONGEST, run).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("it took longer than {} s", LONGEST.as_secs())),
    };
    let steps = seen.steps.lock().unwrap_or_else(PoisonError::into_inner);
    Measured {
        steps: steps.clone(),
        failed,
    }
}

async fn run(
    seen: Arc<Seen>,
    directory: &str,
    contact: &str,
    config: &OrderConfig,
) -> Result<(), Error> {
    let answering = Answering::on(config.http01).await.map_err(|error| {
        let reason = format!("http01: {} cannot be listened on: {error}", config.http01);
        other(io::Error::new(error.kind(), reason))
    })?;
    let account = account(&seen, directory, contact, config).await?;
    let identifier = config
        .domain
        .parse()
        .map_or_else(|_| Identifier::Dns(config.domain.clone()), Identifier::Ip);
    let identifiers = [identifier];
    seen.ask(Endpoint::NewOrder);
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    seen.order_is(order.url());
    seen.ask(Endpoint::Authorization);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // An authorization that is still valid needs no challenge.
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::Http01)
            .ok_or(Error::Str("the CA offers no http-01 challenge"))?;
        answering.with(&challenge.token, challenge.key_authorization().as_str());
        seen.ask(Endpoint::Challenge);
        challenge.set_ready().await?;
        seen.ask(Endpoint::Authorization);
    }
    seen.ask(Endpoint::Order);
    let policy = RetryPolicy::new().timeout(POLLED_FOR);
    let status = order.poll_ready(&policy).await?;
    drop(answering);
    if status != OrderStatus::Ready && status != OrderStatus::Valid {
        return Err(Error::Str(
            "the authorisation failed: the order did not become ready",
        ));
    }
    if !config.finalize {
        return Ok(());
    }
    seen.ask(Endpoint::Finalize);
    order.finalize().await?;
    // The order is polled until it has a certificate.
    seen.ask(Endpoint::Certificate);
    order.poll_certificate(&policy).await.map(drop)
}

/// The configured account, created with the first order; without a file, a new account for this
/// order.
async fn account(
    seen: &Arc<Seen>,
    directory: &str,
    contact: &str,
    config: &OrderConfig,
) -> Result<Account, Error> {
    let client = Box::new(Client(Arc::clone(seen)));
    let builder = Account::builder_with_http(client);
    let file = config.account_file.as_deref();
    if let Some(credentials) = file.map(read).transpose()?.flatten() {
        return builder.from_credentials(credentials).await;
    }
    seen.ask(Endpoint::NewAccount);
    let new = NewAccount {
        contact: &[contact],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder.create(&new, directory.to_owned(), None).await?;
    if let Some(file) = file {
        write(file, &credentials)?;
    }
    Ok(account)
}

fn read(path: &Path) -> Result<Option<AccountCredentials>, Error> {
    match std::fs::read(path) {
        Ok(octets) => Ok(Some(serde_json::from_slice(&octets)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
    }
}

/// Writes the account's key so that only its owner can read it.
fn write(path: &Path, credentials: &AccountCredentials) -> Result<(), Error> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let octets = serde_json::to_vec(credentials)?;
    let mut file = std::fs::OpenOptions::new();
    let file = file.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(&octets))
        .map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &io::Error) -> Error {
    other(io::Error::new(
        error.kind(),
        format!("{}: {error}", path.display()),
    ))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// With all causes, because "error sending request" helps nobody.
fn broken(error: reqwest::Error) -> Error {
    other(io::Error::other(causes(&error.without_url())))
}

/// Records the requests of an order.
struct Seen {
    client: reqwest::Client,
    /// The kind of request, as far as neither method nor URL show it.
    asking: Mutex<Endpoint>,
    /// The order's URL, once it has one.
    order: Mutex<String>,
    /// The URLs of its authorizations, which are fetched again for the names in the finalization.
    authorizations: Mutex<BTreeSet<String>>,
    steps: Mutex<Vec<Step>>,
}

impl Seen {
    fn ask(&self, endpoint: Endpoint) {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) = endpoint;
    }

    fn order_is(&self, url: &str) {
        url.clone_into(&mut self.order.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn is_order(&self, url: &str) -> bool {
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) == url
    }

    /// The endpoint of a POST to this URL.
    fn endpoint(&self, url: String) -> Endpoint {
        let asking = *self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let authorizations = self.authorizations.lock();
        let mut authorizations = authorizations.unwrap_or_else(PoisonError::into_inner);
        if self.is_order(&url) {
            Endpoint::Order
        } else if authorizations.contains(&url) {
            Endpoint::Authorization
        } else {
            if asking == Endpoint::Authorization {
                authorizations.insert(url);
            }
            asking
        }
    }

    /// Sends a request and records its answer.
    async fn hand_on(&self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let endpoint = match *request.method() {
            Method::GET => Endpoint::Directory,
            Method::HEAD => Endpoint::NewNonce,
            _ => self.endpoint(request.uri().to_string()),
        };
        let asked = self
            .steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        if asked >= MOST_REQUESTS {
            return Err(Error::Str(
                "it took more than 30 requests, and was given up",
            ));
        }
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await;
        let request = Request::from_parts(parts, body.to_bytes());
        let begun = Instant::now();
        let answer = self.answer(request).await;
        let (status, error_type) = answer.as_ref().map_or((None, None), |answer| {
            let status = answer.status().as_u16();
            let problem = serde_json::from_slice::<Problem>(answer.body());
            let error_type = problem.ok().filter(|_| status >= 400);
            (Some(status), error_type.map(|problem| problem.r#type))
        });
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        steps.push(Step {
            endpoint,
            status,
            // An observation's label has at most 200 octets.
            error_type: error_type.filter(|urn| urn.starts_with("urn:") && urn.len() <= 200),
            took: begun.elapsed(),
        });
        Ok(BytesResponse::from(answer?.map(Full::new)))
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let mut request: reqwest::Request = request.try_into().map_err(other)?;
        // The client's own header contains the contact.
        request.headers_mut().remove(USER_AGENT);
        let mut answer = self.client.execute(request).await.map_err(broken)?;
        let mut octets = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if octets.len() + chunk.len() > MOST_OCTETS {
                return Err(Error::Str("an answer is longer than 64 KiB"));
            }
            octets.extend_from_slice(&chunk);
        }
        let mut response = Response::new(octets.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

#[derive(Deserialize)]
struct Problem {
    r#type: String,
}

struct Client(Arc<Seen>);

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let seen = Arc::clone(&self.0);
        Box::pin(async move { seen.hand_on(request).await })
    }
}
