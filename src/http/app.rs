//! What a listener answers with: the router, and what goes around it.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::direct::Direct;

/// The body of an answer: one piece that is there, or what a handler makes.
pub(super) type Reply = Either<Full<Bytes>, Body>;

/// What a listener answers with.
#[derive(Clone, Debug)]
pub struct App {
    direct: Option<Arc<Direct>>,
    router: TowerToHyperService<Router>,
}

impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self {
            direct: None,
            router: TowerToHyperService::new(router),
        }
    }
}

impl App {
    pub(super) fn with_direct(router: Router, direct: Direct) -> Self {
        Self {
            direct: Some(Arc::new(direct)),
            ..Self::from(router)
        }
    }

    /// The answer, where it takes no wait and no router. A request that is not answered is as it
    /// was.
    pub(super) fn at_once(&self, request: &mut Request<Incoming>) -> Option<Response<Reply>> {
        let direct = self.direct.as_ref()?;
        // The panic has been logged where it happened; the router shall say 500.
        catch_unwind(AssertUnwindSafe(|| direct.answer(request))).unwrap_or(None)
    }

    /// The router's answer.
    pub(super) fn routed(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send + use<> {
        self.router.call(request)
    }
}
