//! The application of a listener: a router, and a fast path before it.

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

/// The sender of a request; `None` on a Unix socket.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Sender(pub(crate) Option<Neighbour>);

/// Answers some requests before the router is called.
pub(crate) trait Shortcut: Debug + Send + Sync {
    /// The answer to a request; it takes the request's headers. `None`, with the request unchanged,
    /// if the router should answer.
    fn answer(&self, request: &mut Request<Incoming>) -> Option<Answer>;
}

/// An answer, or a future of one.
pub(crate) enum Answer {
    Given(Response<Reply>),
    Awaited(BoxFuture<'static, Response<Reply>>),
}

impl From<Response<Reply>> for Answer {
    fn from(response: Response<Reply>) -> Self {
        Self::Given(response)
    }
}

/// Answers all requests of a listener without a router, because the paths are not known in advance.
pub(crate) trait Responder: Debug + Send + Sync {
    /// The answer to a request.
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<'static, Response<Reply>>;
}

/// The application of a listener.
#[derive(Clone, Debug)]
pub struct App {
    shortcut: Option<Arc<dyn Shortcut>>,
    rest: Rest,
}

/// Answers requests that no shortcut answers.
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

    /// Whether an answer may take so long that interim answers are needed.
    pub(crate) const fn may_hold(&self) -> bool {
        matches!(self.rest, Rest::Responder(_))
    }

    /// Answers a request. `from` is the sender's address, if it came over a network. Handlers find
    /// it in the request's extensions.
    pub(crate) fn answer(&self, mut request: Request<Incoming>, from: Option<IpAddr>) -> Answer {
        if let Some(shortcut) = &self.shortcut {
            let answering = AssertUnwindSafe(|| shortcut.answer(&mut request));
            // The panic has been logged where it happened; the router will answer 500.
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
