//! The application of a listener: the router, and the fast path around it.

use std::fmt::Debug;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::http::{Request, Response};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::reply::Reply;
use super::serve::neighbours::Neighbour;

/// Who sent a request; `None`: somebody on a Unix socket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Sender(pub(crate) Option<Neighbour>);

/// What answers some requests before the router is asked.
pub(crate) trait Shortcut: Debug + Send + Sync {
    /// The answer to a request, whose headers it takes. `None`, and the request as it was: the router
    /// answers.
    fn answer(&self, request: &mut Request<Incoming>) -> Option<Answer>;
}

/// An answer, or a promise of one.
pub(crate) enum Answer {
    Given(Response<Reply>),
    Awaited(BoxFuture<'static, Response<Reply>>),
}

impl From<Response<Reply>> for Answer {
    fn from(response: Response<Reply>) -> Self {
        Self::Given(response)
    }
}

/// What answers all requests of a listener without a router: whose paths are not its own to know.
pub(crate) trait Responder: Debug + Send + Sync {
    /// The answer to a request.
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<Reply>>;
}

/// What a listener answers with.
#[derive(Clone, Debug)]
pub struct App {
    shortcut: Option<Arc<dyn Shortcut>>,
    rest: Rest,
}

/// What answers where no shortcut does.
#[derive(Clone, Debug)]
enum Rest {
    Router(TowerToHyperService<Router>),
    Responder(Arc<dyn Responder>),
}

impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self {
            shortcut: None,
            rest: Rest::Router(TowerToHyperService::new(router)),
        }
    }
}

impl App {
    pub(crate) fn with_shortcut(router: Router, shortcut: impl Shortcut + 'static) -> Self {
        Self {
            shortcut: Some(Arc::new(shortcut)),
            ..Self::from(router)
        }
    }

    pub(crate) fn of(responder: Arc<dyn Responder>) -> Self {
        Self {
            shortcut: None,
            rest: Rest::Responder(responder),
        }
    }

    /// Whether an answer may take so long that a client has to be told that it is still to come.
    pub(crate) const fn may_hold(&self) -> bool {
        matches!(self.rest, Rest::Responder(_))
    }

    /// Answers a request; `from` is the address that it came from, if it came over a network. Handlers
    /// find it among the request's extensions.
    pub(crate) fn answer(&self, mut request: Request<Incoming>, from: Option<IpAddr>) -> Answer {
        if let Some(shortcut) = &self.shortcut {
            let answering = AssertUnwindSafe(|| shortcut.answer(&mut request));
            // The panic has been logged where it happened; the router shall say 500.
            if let Some(answer) = catch_unwind(answering).unwrap_or(None) {
                return answer;
            }
        }
        let extensions = request.extensions_mut();
        extensions.insert(Sender(from.map(Neighbour::at)));
        if let Some(from) = from {
            extensions.insert(from);
        }
        Answer::Awaited(match &self.rest {
            Rest::Router(router) => router
                .call(request)
                .map(|Ok(response)| response.map(Either::Right))
                .boxed(),
            Rest::Responder(responder) => Arc::clone(responder).respond(request),
        })
    }
}
