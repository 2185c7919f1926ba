//! Answers of the upstream. They are counted, and changed in three cases: the directory, orders,
//! and failures under load.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::Incoming;

use super::Gateway;
use super::asked::Asked;
use super::body::{MOST_ANSWER_OCTETS, Read, read, streamed};
use super::failures::{Fault, SERVER_INTERNAL, is_of_a_stranger};
use super::forward::to_client;
use super::minutes::{At, Try};
use super::orders::LiveOrder;
use crate::domain::acme::{
    Directory, Endpoint, Intent, NewOrderPayload, Object, ObjectState, Order, Signer, with_member,
    with_text,
};
use crate::store::Claim;

/// A request refused because of its nonce is repeated at once, so it is not an attempt.
const BAD_NONCE: &str = "urn:ietf:params:acme:error:badNonce";

/// The error type to count if an order or a part of it failed without naming one.
const INVALID: &str = "invalid";

/// The kinds of bodies that are inspected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Media {
    Chain,
    Html,
    Json,
    Other,
}

impl Gateway {
    /// Reads an answer, and returns what the client gets.
    pub(super) async fn read_answer(
        self: &Arc<Self>,
        asked: &mut Asked,
        response: Response<Incoming>,
    ) -> Response<Body> {
        let (parts, body) = response.into_parts();
        let media = Media::of(&parts.headers);
        let headers = to_client(parts.headers);
        if self.is_overload(asked, parts.status, media) {
            self.failed(asked, SERVER_INTERNAL);
            self.watch.failed(asked.now);
            let fresh = headers
                .get("replay-nonce")
                .and_then(|nonce| nonce.to_str().ok());
            return self.busy(fresh.or_else(|| asked.nonce()));
        }
        self.watch.answered();
        if asked.endpoint == Endpoint::RevokeCert && parts.status.is_success() {
            self.revocation_accepted(asked);
        }
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = parts.status;
        *answer.headers_mut() = headers;
        if matches!(media, Media::Other | Media::Html) || asked.method == Method::HEAD {
            // A GET of the directory may return one member more.
            if media == Media::Json {
                answer.headers_mut().remove(header::CONTENT_LENGTH);
            }
            *answer.body_mut() = streamed(body);
            return answer;
        }
        let octets = match read(body, MOST_ANSWER_OCTETS).await {
            Read::Whole(octets) => octets,
            Read::Longer(longer) => {
                *answer.body_mut() = longer;
                return answer;
            }
            Read::Broken => {
                self.failed(asked, SERVER_INTERNAL);
                return self.busy(asked.nonce());
            }
        };
        let changed = match media {
            Media::Chain if parts.status.is_success() => {
                self.chain(asked, &octets).await;
                None
            }
            Media::Json => {
                let headers = answer.headers().clone();
                self.object(asked, parts.status, &headers, &octets).await
            }
            _ => None,
        };
        let octets = changed.map_or(octets, Bytes::from);
        answer
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(octets.len()));
        *answer.body_mut() = Body::from(octets);
        answer
    }

    /// Whether an answer only says that the upstream is overloaded or broken.
    fn is_overload(&self, asked: &Asked, status: StatusCode, media: Media) -> bool {
        let is_problem = media == Media::Json;
        match status {
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => true,
            // For a new order the cause may or may not be overload. Telling the client to return
            // later is right in both cases.
            StatusCode::INTERNAL_SERVER_ERROR => {
                let is_new_order = matches!(asked.intent, Intent::NewOrder(_));
                !is_problem || is_new_order || self.admission.is_loaded()
            }
            StatusCode::SERVICE_UNAVAILABLE => !is_problem,
            // A page from a proxy in between; an ACME server would answer JSON.
            status => {
                let odd = status.is_success()
                    || status.is_server_error()
                    || status == StatusCode::TOO_MANY_REQUESTS;
                media == Media::Html && asked.method == Method::POST && odd
            }
        }
    }

    /// Counts a failure if the request was an attempt.
    pub(super) fn failed(&self, asked: &Asked, error_type: &str) {
        self.failed_by(asked, error_type, Fault::of(error_type));
    }

    fn failed_by(&self, asked: &Asked, error_type: &str, fault: Fault) {
        // Unverified requests are not attempts, because otherwise anyone could make a CA look down.
        // Nor are requests that are repeated at once because of their nonce.
        if error_type == BAD_NONCE || !asked.verified && is_of_a_stranger(error_type) {
            return;
        }
        match &asked.intent {
            Intent::NewOrder(order) => {
                let names = order.names.hash(&self.engine.hash_key());
                let which = self.attempt(asked, names);
                let at = At::NewOrder(which);
                let by = asked.account.filter(|_| fault == Fault::Client);
                self.minutes.failed(asked.now, at, error_type, by);
                if let Some(account) = asked.account {
                    // Anyone can name someone else's account.
                    let fault = if asked.verified { fault } else { Fault::Other };
                    self.failures.failed(account, names, asked.now, fault);
                }
            }
            Intent::Finalize => {
                // The request was part of an order that continues, so it may be tried again.
                let by = asked.account.filter(|_| fault == Fault::Client);
                self.minutes.failed(asked.now, At::Later, error_type, by);
            }
            _ => {}
        }
    }

    fn attempt(&self, asked: &Asked, names: u128) -> Try {
        let comes_again = asked
            .account
            .is_some_and(|account| self.failures.comes_again(account, names, asked.now));
        let which = if comes_again { Try::Again } else { Try::First };
        self.minutes.attempt(asked.now, which);
        which
    }

    /// Handles a JSON object: learns from it, counts it, and changes it if it is a directory or an
    /// order. `None` if it is passed on unchanged.
    async fn object(
        self: &Arc<Self>,
        asked: &mut Asked,
        status: StatusCode,
        headers: &HeaderMap,
        octets: &[u8],
    ) -> Option<Vec<u8>> {
        let object = Object::of(octets);
        let location = headers
            .get(header::LOCATION)
            .and_then(|url| url.to_str().ok());
        if status.is_success()
            && let (Some(envelope), Some(location)) = (&asked.envelope, location)
            && matches!(envelope.signer, Signer::Key(_))
        {
            self.accounts.learn(envelope, location);
        }
        if asked.endpoint == Endpoint::KeyChange
            && status.is_success()
            && let Some(envelope) = &asked.envelope
        {
            self.accounts.learn_change(envelope);
        }
        if asked.endpoint == Endpoint::Other {
            asked.endpoint = match object {
                Object::Account => Endpoint::Account,
                Object::Authorization(_) => Endpoint::Authorization,
                Object::Challenge(_) => Endpoint::Challenge,
                Object::Directory(_) => Endpoint::Directory,
                Object::Order(_) => Endpoint::Order,
                Object::Problem(_) | Object::Other => Endpoint::Other,
            };
        }
        match object {
            Object::Directory(directory) => return self.directory(asked, &directory, octets),
            Object::Order(order) => {
                return self.order(asked, status, location, &order, octets).await;
            }
            Object::Authorization(ObjectState::Failed) | Object::Challenge(ObjectState::Failed) => {
                self.part_failed(asked).await;
            }
            // A busy CA answers `rateLimited` with 503, which is not a limit of the client.
            Object::Problem(kind) if status.is_server_error() => {
                self.failed_by(asked, &kind, Fault::Other);
            }
            Object::Problem(kind) => self.failed(asked, &kind),
            _ if status.is_server_error() || status.is_client_error() => {
                self.failed(asked, SERVER_INTERNAL);
            }
            _ => {}
        }
        None
    }

    /// The directory with our URL for ARI.
    fn directory(&self, asked: &Asked, directory: &Directory, octets: &[u8]) -> Option<Vec<u8>> {
        if let Some(more) = self.endpoints.load().with(directory) {
            self.endpoints.store(Arc::new(more));
        }
        let ours = format!("{}/renewal-info", self.origin(asked));
        if self.config.relay_upstream_ari {
            with_member(octets, "renewalInfo", &ours)
        } else {
            with_text(octets, "renewalInfo", &ours)
        }
    }

    /// Follows an order, counts it, and adds what it replaces.
    async fn order(
        self: &Arc<Self>,
        asked: &mut Asked,
        status: StatusCode,
        location: Option<&str>,
        order: &Order,
        octets: &[u8],
    ) -> Option<Vec<u8>> {
        let payload = match &asked.intent {
            Intent::NewOrder(payload) => Some(payload.clone()),
            _ => None,
        };
        let (live, claim) = match (payload, location) {
            (Some(payload), Some(location)) if status == StatusCode::CREATED => {
                let (live, claim) = self.made(asked, &payload, location, order).await;
                (Some(live), claim)
            }
            (_, location) => {
                let by_path = self.orders.find(&asked.path_and_query);
                let live = by_path.or_else(|| self.orders.find(location?));
                let own = self.orders.hash(&asked.path_and_query);
                (live, self.claim_at(own, &asked.store).await)
            }
        };
        if let Some(live) = &live {
            self.orders.keep(live, order);
            self.follow(asked, live, order);
        }
        let claim = claim?;
        match order.state {
            ObjectState::Failed => self.free(&claim, &asked.store).await,
            ObjectState::Open => self.follow_claim(&claim, order, asked.now),
            ObjectState::Valid => {
                self.follow_claim(&claim, order, asked.now);
                self.keep_for_good(&claim);
            }
        }
        if order.replaces.is_some() {
            return None;
        }
        with_member(octets, "replaces", &claim.replaces)
    }

    /// The upstream has accepted a new order.
    async fn made(
        self: &Arc<Self>,
        asked: &mut Asked,
        payload: &NewOrderPayload,
        location: &str,
        order: &Order,
    ) -> (Arc<LiveOrder>, Option<Arc<Claim>>) {
        let names = payload.names.hash(&self.engine.hash_key());
        self.attempt(asked, names);
        let url = self.orders.hash(location);
        let reserved = asked.place.reserved.take();
        let by_upstream = order.replaces.as_deref().and_then(|id| id.parse().ok());
        let mut renews = by_upstream.or_else(|| asked.place.by_names.clone());
        let mut claim = None;
        if let Some(reserved) = reserved {
            let claiming = self.claim(&reserved, url, order, asked.now, &asked.store);
            claim = claiming.await;
            match &claim {
                Some(_) => renews = Some(reserved.predecessor.clone()),
                None => self.release(reserved),
            }
        }
        let live = Arc::new(LiveOrder::new(url, asked.account, names, renews));
        (live, claim)
    }

    /// Records the outcome of an order that was created through this process.
    fn follow(&self, asked: &Asked, live: &LiveOrder, order: &Order) {
        match order.state {
            ObjectState::Valid if live.succeed(asked.now) => {
                self.minutes.issued(asked.now);
                if let Some(account) = live.account {
                    self.failures.succeeded(account, live.names, asked.now);
                }
            }
            ObjectState::Failed => {
                let kind = order.error_type.as_deref().unwrap_or(INVALID);
                self.live_failed(asked, live, kind);
            }
            _ => {}
        }
    }

    /// An authorization or challenge has failed, and with it its order. Many clients do not fetch
    /// the order again.
    async fn part_failed(&self, asked: &Asked) {
        if let Some(live) = self.orders.find(&asked.path_and_query) {
            self.live_failed(asked, &live, INVALID);
        }
        let own = self.orders.hash(&asked.path_and_query);
        if let Some(claim) = self.claim_at(own, &asked.store).await {
            self.free(&claim, &asked.store).await;
        }
    }

    fn live_failed(&self, asked: &Asked, live: &LiveOrder, kind: &str) {
        if live.fail() {
            let fault = Fault::of(kind);
            let by = live.account.filter(|_| fault == Fault::Client);
            self.minutes.failed(asked.now, At::Later, kind, by);
            if let Some(account) = live.account {
                self.failures.failed(account, live.names, asked.now, fault);
            }
        }
    }
}

impl Media {
    fn of(headers: &HeaderMap) -> Self {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .and_then(|kind| kind.split(';').next())
            .map(|kind| kind.trim().to_ascii_lowercase());
        match kind.as_deref() {
            Some("application/pem-certificate-chain") => Self::Chain,
            Some("application/json" | "application/problem+json") => Self::Json,
            Some("text/html") => Self::Html,
            _ => Self::Other,
        }
    }
}
