//! Answers `GET` and `HEAD` of what is in memory, and of certificates that may be in the store,
//! without the router. The bytes are the same as the router's, at a quarter of the instructions.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderValue, Request, Response, Uri, header};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};

use super::best_time;
use super::renewal_info::{self, ResponseBuilder};
use super::served::{self, Documents};
use crate::domain::certificate::certid::CertId;
use crate::engine::{Engine, Miss, RenewalInfo};
use crate::http::observe::{Signature, log, retry_after_seconds};
use crate::http::tally::{Tallies, Verb};
use crate::wire::host::is_addressed;
use crate::wire::problem::Problem;
use crate::wire::reply::Reply;
use crate::wire::{Answer, Shortcut};

/// Answers from memory.
#[derive(Debug)]
pub(in crate::http) struct FastPath {
    engine: Arc<Engine>,
    documents: Arc<Documents>,
    signature: Signature,
    windows: Tallies,
    best_times: Tallies,
}

/// What is kept of a request while the store is queried.
struct Asked {
    verb: Verb,
    uri: Uri,
    draft: ResponseBuilder,
    begun: Instant,
}

impl Shortcut for Arc<FastPath> {
    fn answer(&self, request: &mut Request<Incoming>) -> Option<Answer> {
        FastPath::answer(self, request)
    }
}

impl FastPath {
    /// The fast path of this engine. The metrics recorder must be installed before.
    pub(in crate::http) fn new(engine: Arc<Engine>, documents: Arc<Documents>) -> Self {
        Self {
            engine,
            documents,
            signature: Signature::default(),
            windows: Tallies::of(renewal_info::PATH),
            best_times: Tallies::of(best_time::PATH),
        }
    }

    /// The answer to a request; it takes the request's headers. `None`, with the request unchanged,
    /// if anything about it is unusual: then the router answers.
    pub(in crate::http) fn answer<B: Body>(
        self: &Arc<Self>,
        request: &mut Request<B>,
    ) -> Option<Answer> {
        let verb = Verb::of(request.method())?;
        if !request.body().is_end_stream() || !is_addressed(request) {
            return None;
        }
        let begun = Instant::now();
        let path = request.uri().path();
        if let Some(id) = path.strip_prefix(renewal_info::PREFIX) {
            let id = id.parse().ok()?;
            let sought = self.engine.seek(&id);
            // Meanwhile the processor fetches the entry that was sought.
            let draft = ResponseBuilder::of(std::mem::take(request.headers_mut()));
            let Some(known) = self.engine.renewal_info_in_memory(&sought) else {
                let asked = Asked {
                    verb,
                    uri: request.uri().clone(),
                    draft,
                    begun,
                };
                drop(sought);
                return Some(Answer::Awaited(Arc::clone(self).look_up(asked, id).boxed()));
            };
            let response = self.known_answer(known, &id, draft);
            let response = self.signed(response, sought.version());
            let uri = request.uri();
            return Some(finish(uri, verb, response, &self.windows, begun).into());
        }
        let served = self.documents.at_hand(&self.engine)?;
        if path == best_time::PATH {
            // The router reports errors in a question.
            let asked = best_time::Asked::of(request.uri()).ok()?;
            let answer = asked.answer(&served, self.engine.now()).ok()?;
            let response = self.signed(whole(answer), &self.engine.version());
            let uri = request.uri();
            return Some(finish(uri, verb, response, &self.best_times, begun).into());
        }
        let document = served.at(path)?;
        let headers = std::mem::take(request.headers_mut());
        let response = whole(served::answer(document, headers));
        let response = self.signed(response, &self.engine.version());
        let uri = request.uri();
        Some(finish(uri, verb, response, &document.tallies, begun).into())
    }

    /// The answer about a certificate that may be in the store.
    async fn look_up(self: Arc<Self>, asked: Asked, id: CertId) -> Response<Reply> {
        let looking = AssertUnwindSafe(self.engine.renewal_info(&id)).catch_unwind();
        let response = match looking.await {
            Ok(outcome) => self.known_answer(outcome, &id, asked.draft),
            // The panic has been logged where it happened.
            Err(_) => self.refusal(Problem::internal()),
        };
        let response = self.signed(response, &self.engine.version());
        finish(&asked.uri, asked.verb, response, &self.windows, asked.begun)
    }

    /// The answer about a certificate.
    fn known_answer(
        &self,
        outcome: Result<RenewalInfo, Miss>,
        id: &CertId,
        draft: ResponseBuilder,
    ) -> Response<Reply> {
        match outcome {
            Ok(info) => whole(draft.answer(&info)),
            Err(miss) => self.refusal(renewal_info::missed(miss, id)),
        }
    }

    fn signed(&self, mut response: Response<Reply>, version: &Arc<str>) -> Response<Reply> {
        self.signature.sign(version, response.headers_mut());
        response
    }

    fn refusal(&self, problem: Problem) -> Response<Reply> {
        let mut response = problem.acme().answer();
        let status = response.status();
        renewal_info::add_headers(response.headers_mut(), || {
            retry_after_seconds(&self.engine, status)
        });
        whole(response)
    }
}

/// Adds what all answers have in common.
fn finish(
    uri: &Uri,
    verb: Verb,
    mut response: Response<Reply>,
    tallies: &Tallies,
    begun: Instant,
) -> Response<Reply> {
    let status = response.status();
    if verb == Verb::Head {
        strip(&mut response);
    }
    let seconds = begun.elapsed().as_secs_f64();
    tallies.add(verb, status, seconds);
    log(verb.name(), uri, status, seconds);
    response
}

fn whole(response: Response<Bytes>) -> Response<Reply> {
    response.map(|body| Either::Left(Full::new(body)))
}

/// Removes the body but keeps its length, as the router does for `HEAD`.
fn strip(response: &mut Response<Reply>) {
    if let Some(length) = response.body().size_hint().exact() {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    *response.body_mut() = Either::Left(Full::new(Bytes::new()));
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};

    use super::*;
    use crate::config::Config;
    use crate::domain::certificate::names::Names;
    use crate::domain::certificate::{Submission, Validity};
    use crate::domain::time::{DAY, Timestamp};
    use crate::engine::clock::ManualClock;
    use crate::store::{Migrations, connect};

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);
    const RFC: &str = "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

    async fn direct() -> Arc<FastPath> {
        let store = connect("sqlite::memory:", Migrations::Apply).await.unwrap();
        let clock = Arc::new(ManualClock::at(NOW));
        let engine = Engine::open(store, Config::default(), clock).await.unwrap();
        let certificate = Submission {
            id: RFC[renewal_info::PREFIX.len()..].parse().unwrap(),
            validity: Validity {
                not_before: NOW,
                not_after: NOW + 90 * DAY,
            },
            issued_at: None,
            replaces: None,
            names: Names::default(),
        };
        engine.register(&[certificate], None).await.unwrap();
        Arc::new(FastPath::new(engine, Arc::default()))
    }

    fn request(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
        let request = Request::builder().method(method).uri(path);
        let request = request
            .header(header::HOST, "x")
            .header("x-of-the", "request");
        request
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_in_memory_takes_no_router() {
        let direct = direct().await;
        for (method, path, status) in [
            (Method::GET, RFC, StatusCode::OK),
            (Method::HEAD, RFC, StatusCode::OK),
            (Method::GET, "/renewal-info/AQ.AQ", StatusCode::NOT_FOUND),
        ] {
            let mut request = request(method, path, "");
            let Some(Answer::Given(response)) = direct.answer(&mut request) else {
                panic!("{path}");
            };
            assert_eq!(response.status(), status, "{path}");
            assert!(!response.headers().contains_key("x-of-the"), "{path}");
        }
    }

    #[tokio::test]
    async fn what_is_unusual_is_the_router_s() {
        let direct = direct().await;
        for (method, path, body) in [
            (Method::POST, RFC, ""),
            (Method::OPTIONS, RFC, ""),
            (Method::GET, RFC, "a body"),
            (Method::GET, "/renewal-info/AQ", ""),
            (Method::GET, "/renewal-info/AQ.A%51", ""),
            (Method::GET, "/renewal-info", ""),
            (Method::GET, "/directory", ""),
            // Nothing is published yet.
            (Method::GET, "/ranking.json", ""),
        ] {
            let mut request = request(method, path, body);
            assert!(direct.answer(&mut request).is_none(), "{path}");
            assert!(request.headers().contains_key("x-of-the"), "{path}");
        }
    }
}
