//! Handles a request: answers ARI, or passes it to the upstream after admission.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::Service as _;
use tokio::time::{Instant, timeout};

use super::Gateway;
use super::admission::Outcome;
use super::asked::{Asked, Place};
use super::body::{MOST_REQUEST_OCTETS, Read, read};
use super::failures::SERVER_INTERNAL;
use super::forward::{Hop, X_FORWARDED_FOR, to_upstream};
use super::refusal::{Refusal, busy};
use crate::domain::acme::{Endpoint, Envelope, Intent};
use crate::wire::reply::Reply;
use crate::wire::{App, Interim, Responder};

/// The longest time to receive a request: 256 kB at 4 kB a second.
const REQUEST_WITHIN: Duration = Duration::from_mins(1);

/// The prefix before the CertID, which is also ours without the slash.
const RENEWAL_INFO: &str = "/renewal-info";

impl Responder for Gateway {
    /// Answers a request. A panic also gives a 503, because the client should come back.
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<Reply>> {
        let answering = async move {
            let begun = Instant::now();
            let answering = AssertUnwindSafe(self.answer(request)).catch_unwind();
            // The panic has been logged where it happened.
            let (endpoint, mut response) = answering
                .await
                .unwrap_or_else(|_| (Endpoint::Other, self.busy(None)));
            let headers = response.headers_mut();
            if !headers.contains_key(header::SERVER)
                && let Some(server) = self.server.of(&self.engine.version())
            {
                headers.insert(header::SERVER, server);
            }
            let seconds = begun.elapsed().as_secs_f64();
            self.tallies.add(endpoint, response.status(), seconds);
            tracing::debug!(
                event = "gateway_answered",
                gateway = self.config.name,
                endpoint = endpoint.name(),
                status = response.status().as_u16(),
                seconds
            );
            response.map(Either::Right)
        };
        answering.boxed()
    }
}

impl Gateway {
    /// The application of the gateway's listener.
    pub fn app(self: &Arc<Self>) -> App {
        App::of(Arc::clone(self) as Arc<dyn Responder>)
    }

    async fn answer(self: &Arc<Self>, request: Request<Incoming>) -> (Endpoint, Response<Body>) {
        // The authority in an absolute URL or in CONNECT is never used as an address.
        let Some(path_and_query) = request.uri().path_and_query() else {
            return refused("the request has no path");
        };
        let path = path_and_query.path();
        // `*` means the server itself (RFC 9112 section 3.2.4); appended to an origin it would
        // become part of the host.
        if !path.starts_with('/') {
            return refused("the request's path does not begin with a slash");
        }
        if path == RENEWAL_INFO || path.starts_with("/renewal-info/") {
            return (Endpoint::Other, self.renewal_info(request).await);
        }
        let Some(host) = host_of(&request) else {
            return refused("Host: has to come, and once (RFC 9112 section 3.2)");
        };
        let path_and_query = path_and_query.as_str().to_owned();
        let peer = request.extensions().get::<IpAddr>().copied();
        let scheme = self.scheme();
        let by_proxy = peer.is_none_or(|peer| self.is_proxy(peer));
        let interim = interim(&request).filter(|_| !by_proxy);
        // Nothing read from the connection is kept while waiting for a body or for admission.
        let (method, headers, body) = taken_apart(request);
        let hop = Hop {
            host: &host,
            scheme,
            from: peer,
            trusted: by_proxy,
        };
        let headers = to_upstream(headers, hop);
        let mut asked = Asked {
            now: self.engine.now(),
            endpoint: self.endpoint_at(&path_and_query),
            path_and_query,
            method,
            host,
            scheme,
            envelope: None,
            intent: Intent::Other,
            account: None,
            verified: false,
            place: Place::default(),
            interim,
            store: self.patience.of_request(),
        };
        let is_new_order = asked.endpoint == Endpoint::NewOrder && asked.method == Method::POST;
        let body = if is_new_order || is_signed(&headers) {
            let reading = timeout(REQUEST_WITHIN, read(body, MOST_REQUEST_OCTETS));
            match reading.await.unwrap_or(Read::Broken) {
                Read::Whole(octets) => {
                    self.look_into(&mut asked, &octets);
                    Body::from(octets)
                }
                Read::Longer(_) => return too_long(),
                Read::Broken => {
                    return refused("the body broke off, or did not come within a minute");
                }
            }
        } else {
            Body::new(body)
        };
        // Every POST to the newOrder path needs admission. What cannot be parsed here may still be
        // accepted by the upstream.
        let unread = is_new_order && !matches!(asked.intent, Intent::NewOrder(_));
        if unread && asked.envelope.is_none() {
            return refused("the request is no flattened JWS (RFC 8555 section 6.2)");
        }
        if unread {
            asked.intent = Intent::NewOrder(Box::default());
        }
        match asked.intent.clone() {
            Intent::NewOrder(order) if asked.method == Method::POST => {
                self.new_order(asked, *order, headers, body).await
            }
            _ => Box::pin(self.forward(asked, headers, body, None)).await,
        }
    }

    /// Whether this is one of our own, trusted proxies.
    fn is_proxy(&self, peer: IpAddr) -> bool {
        let config = self.engine.config();
        let mut proxies = config.connections.trusted_proxies.iter();
        proxies.any(|network| network.contains(&peer.to_canonical()))
    }

    /// Parses a signed request.
    fn look_into(&self, asked: &mut Asked, octets: &[u8]) {
        let Some(envelope) = Envelope::read(octets) else {
            return;
        };
        asked.intent = Intent::of(&envelope.payload);
        if asked.endpoint == Endpoint::Other {
            asked.endpoint = match asked.intent {
                Intent::Finalize => Endpoint::Finalize,
                Intent::NewOrder(_) => Endpoint::NewOrder,
                Intent::KeyChange => Endpoint::KeyChange,
                Intent::Revoke(_) => Endpoint::RevokeCert,
                Intent::Get | Intent::Other => Endpoint::Other,
            };
        }
        asked.account = self.accounts.of(&envelope);
        asked.envelope = Some(envelope);
    }

    /// Forwards a request and reads the answer.
    pub(super) async fn forward(
        self: &Arc<Self>,
        mut asked: Asked,
        headers: HeaderMap,
        body: Body,
        ticket: Option<u64>,
    ) -> (Endpoint, Response<Body>) {
        let mut under_way = UnderWay {
            gateway: self,
            begun: Instant::now(),
            outcome: Outcome {
                endpoint: asked.endpoint,
                ticket,
                status: None,
                latency: Duration::ZERO,
            },
        };
        let sent = self
            .upstream
            .send(asked.method.clone(), &asked.path_and_query, headers, body)
            .await;
        let latency = under_way.begun.elapsed();
        let response = match sent {
            Ok(response) => response,
            Err(failure) => {
                drop(under_way);
                tracing::warn!(event = "upstream_failed", gateway = self.config.name, error = %failure);
                self.failed(&asked, SERVER_INTERNAL);
                self.watch.failed(asked.now);
                let nonce = asked.nonce().filter(|_| !failure.may_have_been_seen());
                return (asked.endpoint, self.busy(nonce.or_else(|| asked.nonce())));
            }
        };
        under_way.outcome.status = Some(response.status().as_u16());
        let response = self.read_answer(&mut asked, response).await;
        self.minutes.answered(asked.now, asked.endpoint, latency);
        under_way.outcome.endpoint = asked.endpoint;
        under_way.outcome.latency = latency;
        (asked.endpoint, response)
    }

    /// Answers about a certificate: from the spool if it waits for the store, otherwise as the
    /// public listener does.
    async fn renewal_info(&self, mut request: Request<Incoming>) -> Response<Body> {
        let id = request.uri().path().strip_prefix("/renewal-info/");
        if let Some(Ok(id)) = id.map(str::parse)
            && let Some(info) = self.registrar.answer(&id).await
        {
            request.extensions_mut().insert(info);
        }
        match self.renewal_info.call(request).await {
            Ok(response) => response,
        }
    }

    /// A 503 with a `Retry-After` of one to three minutes.
    pub(super) fn busy(&self, nonce: Option<&str>) -> Response<Body> {
        let seconds = self.engine.retry_after_busy_seconds();
        busy(u32::try_from(seconds).unwrap_or(60), nonce)
    }

    /// The scheme under which clients reach us.
    fn scheme(&self) -> &'static str {
        let is_https = match &self.config.base_url {
            Some(url) => url.starts_with("https://"),
            None => self.config.tls.is_some(),
        };
        if is_https { "https" } else { "http" }
    }

    /// The URL under which clients reach us, without a path.
    pub(super) fn origin(&self, asked: &Asked) -> String {
        let of_host = || {
            let host = asked.host.to_str().unwrap_or_default();
            format!("{}://{host}", asked.scheme)
        };
        self.config.base_url.clone().unwrap_or_else(of_host)
    }
}

/// A request that was passed to the upstream. It reports the result, even if the client leaves
/// first.
struct UnderWay<'a> {
    gateway: &'a Gateway,
    begun: Instant,
    outcome: Outcome,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.outcome.latency.is_zero() {
            self.outcome.latency = self.begun.elapsed();
        }
        self.gateway.admission.report(&self.outcome);
    }
}

/// The parts of a request that are forwarded.
fn taken_apart(request: Request<Incoming>) -> (Method, HeaderMap, Incoming) {
    let (parts, body) = request.into_parts();
    (parts.method, parts.headers, body)
}

/// For sending interim answers. `None` if a proxy sent the request, because it may mistake them for
/// the answer (nginx 1.22 does).
fn interim(request: &Request<Incoming>) -> Option<Interim> {
    let by_proxy = [header::FORWARDED, header::VIA, X_FORWARDED_FOR];
    if by_proxy
        .iter()
        .any(|name| request.headers().contains_key(name))
    {
        return None;
    }
    request.extensions().get::<Interim>().cloned()
}

/// The host named by the client, exactly once: in `Host` or, with HTTP/2, in the URL.
fn host_of<B>(request: &Request<B>) -> Option<HeaderValue> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let named = hosts.next().cloned();
    if hosts.next().is_some() {
        return None;
    }
    let of_url = || HeaderValue::try_from(request.uri().authority()?.as_str()).ok();
    named
        .or_else(of_url)
        .filter(|host| host.to_str().is_ok_and(is_authority))
}

/// Whether a text is a host with an optional port, and nothing else.
fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| {
            octet.is_ascii_alphanumeric()
                || matches!(octet, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        })
}

/// Whether a request has the media type of signed requests (RFC 8555 section 6.2).
fn is_signed(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/jose+json"))
}

fn refused(detail: &str) -> (Endpoint, Response<Body>) {
    (Endpoint::Other, Refusal::malformed(detail).answer(None))
}

fn too_long() -> (Endpoint, Response<Body>) {
    let refusal = Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "malformed",
        detail: format!("the request is longer than {MOST_REQUEST_OCTETS} octets"),
    };
    (Endpoint::Other, refusal.answer(None))
}
