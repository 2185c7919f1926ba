//! `GET` and `HEAD` of what is decided in memory, without the router: byte for byte what the router
//! answers, for a quarter of the instructions.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Body as _;

use super::answer::answer;
use super::{PREFIX, equip, missed};
use crate::domain::certid::CertId;
use crate::engine::{Engine, Miss};
use crate::http::app::Reply;
use crate::http::observe::{Signature, Tally, log, retry_after_seconds};

/// Answers from memory.
#[derive(Debug)]
pub(in crate::http) struct Direct {
    engine: Arc<Engine>,
    signature: Signature,
    /// By method, [`METHODS`], and status, [`STATUSES`].
    tallies: [[Tally; STATUSES.len()]; METHODS.len()],
}

const METHODS: [(Method, &str); 2] = [(Method::GET, "GET"), (Method::HEAD, "HEAD")];

const STATUSES: [StatusCode; 3] = [
    StatusCode::OK,
    StatusCode::NOT_MODIFIED,
    StatusCode::NOT_FOUND,
];

impl Direct {
    /// Answers for this engine. The process's metrics have to be recorded from before.
    pub(in crate::http) fn new(engine: Arc<Engine>) -> Self {
        let tallies = METHODS
            .map(|(_, method)| STATUSES.map(|status| Tally::of(super::PATH, method, status)));
        Self {
            engine,
            signature: Signature::default(),
            tallies,
        }
    }

    /// The answer to a request, whose headers it takes. `None`, and the request as it was, where
    /// anything about it is unusual, or the store has to be asked: then the router answers.
    pub(in crate::http) fn answer<B: hyper::body::Body>(
        &self,
        request: &mut Request<B>,
    ) -> Option<Response<Reply>> {
        let at = METHODS
            .iter()
            .position(|(method, _)| method == request.method())?;
        let id = request.uri().path().strip_prefix(PREFIX)?;
        if !request.body().is_end_stream() {
            return None;
        }
        let begun = Instant::now();
        let id = id.parse().ok()?;
        let mut response = match self.engine.renewal_info_in_memory(&id)? {
            Ok(info) => {
                let headers = std::mem::take(request.headers_mut());
                answer(&info, headers).map(|body| Either::Left(Full::new(body)))
            }
            Err(miss) => self.refusal(miss, &id),
        };
        let status = response.status();
        self.signature.sign(&self.engine, response.headers_mut());
        let (method, name) = &METHODS[at];
        if *method == Method::HEAD {
            strip(&mut response);
        }
        let seconds = begun.elapsed().as_secs_f64();
        match STATUSES.iter().position(|known| *known == status) {
            Some(kind) => self.tallies[at][kind].add(seconds),
            None => Tally::of(super::PATH, name, status).add(seconds),
        }
        log(name, request.uri(), status, seconds);
        Some(response)
    }

    fn refusal(&self, miss: Miss, id: &CertId) -> Response<Reply> {
        let mut response = missed(miss, id).acme().into_response();
        let status = response.status();
        equip(response.headers_mut(), || {
            retry_after_seconds(&self.engine, status)
        });
        response.map(Either::Right)
    }
}

/// Leaves the length of a body and not the body, as the router does for `HEAD`.
fn strip(response: &mut Response<Reply>) {
    if let Some(length) = response.body().size_hint().exact() {
        let length = HeaderValue::from(length);
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
    }
    *response.body_mut() = Either::Left(Full::new(Bytes::new()));
}
