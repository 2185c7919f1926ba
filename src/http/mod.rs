//! HTTP: the public listener and the admin listener. This file is the whole route table.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use tokio::sync::Semaphore;

use crate::config::Scope;
use crate::engine::Engine;
use crate::telemetry::Metrics;

mod admin;
mod observe;
mod public;
mod state;
mod tally;

pub use admin::incidents::incident_document;

pub use state::{Admin, Public};

use crate::wire::App;
use crate::wire::problem::Problem;
use admin::guesses::Guesses;
use public::fast_path::FastPath;
use public::served::Documents;

/// A method and path, and its handler. `GET` also answers `HEAD`.
#[derive(Clone, Copy, Debug)]
pub struct Route<S: 'static> {
    /// The method.
    pub method: &'static str,
    /// The path; a part in braces matches any one segment.
    pub path: &'static str,
    /// The scope that a token needs; `None` if no token is needed. A token with [`Scope::Admin`]
    /// may use every route.
    pub scope: Option<Scope>,
    handler: fn() -> MethodRouter<S>,
}

macro_rules! routes {
    ($($method:ident $path:literal $scope:expr, $handler:path;)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            scope: $scope,
            handler: || on(MethodFilter::$method, $handler),
        }),*]
    };
}

/// The routes of the public listener.
pub const PUBLIC: &[Route<Public>] = routes! {
    GET     "/"                           None, public::documents::show;
    GET     "/ca/{ca}"                    None, public::documents::to_folder;
    GET     "/ca/{ca}/"                   None, public::documents::show;
    GET     "/openapi.yaml"               None, public::contract::openapi;
    GET     "/directory"                  None, public::directory::show;
    GET     "/renewal-info/{certid}"      None, public::renewal_info::show;
    OPTIONS "/renewal-info/{certid}"      None, public::renewal_info::options;
    GET     "/ranking.json"               None, public::documents::show;
    GET     "/ca/{ca}/ranking.json"       None, public::documents::show;
    GET     "/r/{sha256}/ranking.json"    None, public::documents::show;
    GET     "/schema/ranking-1.json"      None, public::documents::show;
    GET     "/api/v2/summary.json"        None, public::summary::show;
    GET     "/feed.atom"                  None, public::feed::show;
    GET     "/report/{week}"              None, public::report::to_folder;
    GET     "/report/{week}/"             None, public::report::page;
    GET     "/report/{week}/report.json"  None, public::report::document;
    GET     "/v1/best-time"               None, public::best_time::show;
    GET     "/v1/forecast"                None, public::forecast::show;
    GET     "/v1/live"                    None, public::status::live;
    GET     "/v1/status"                  None, public::status::show;
};

/// The routes of the admin listener.
pub const ADMIN: &[Route<Admin>] = routes! {
    GET     "/healthz"                            None,                admin::health::alive;
    GET     "/readyz"                             None,                admin::health::ready;
    GET     "/metrics"                            None,                admin::health::metrics;
    POST    "/v1/certificates"                    Some(Scope::Ingest), admin::certificates::register;
    GET     "/v1/certificates"                    Some(Scope::Ingest), admin::certificates::list;
    GET     "/v1/certificates/{certid}"           Some(Scope::Ingest), admin::certificates::explain;
    DELETE  "/v1/certificates/{certid}"           Some(Scope::Admin),  admin::certificates::remove;
    POST    "/v1/certificates/{certid}/replaced"  Some(Scope::Ingest), admin::replaced::set;
    DELETE  "/v1/certificates/{certid}/replaced"  Some(Scope::Ingest), admin::replaced::unset;
    POST    "/v1/certificates/{certid}/revoked"   Some(Scope::Ingest), admin::revoked::set;
    POST    "/v1/observations"                    Some(Scope::Ingest), admin::observations::count;
    POST    "/v1/incidents"                       Some(Scope::Admin),  admin::incidents::create;
    GET     "/v1/incidents"                       Some(Scope::Admin),  admin::incidents::list;
    GET     "/v1/incidents/{id}"                  Some(Scope::Admin),  admin::incidents::show;
    PATCH   "/v1/incidents/{id}"                  Some(Scope::Admin),  admin::incidents::amend;
    POST    "/v1/incidents/{id}/certificates"     Some(Scope::Admin),  admin::incidents::load;
    GET     "/v1/advice"                          Some(Scope::Admin),  admin::advice::show;
    GET     "/v1/cohorts"                         Some(Scope::Admin),  admin::experiments::cohorts;
    GET     "/v1/shadow"                          Some(Scope::Admin),  admin::experiments::shadow;
    POST    "/v1/rebalance"                       Some(Scope::Admin),  admin::rebalances::make;
    GET     "/v1/rebalances"                      Some(Scope::Admin),  admin::rebalances::list;
    GET     "/v1/rebalances/{number}"             Some(Scope::Admin),  admin::rebalances::show;
    POST    "/v1/plan"                            Some(Scope::Admin),  admin::plan::make;
    POST    "/v1/planned"                         Some(Scope::Admin),  admin::planned::announce;
    GET     "/v1/planned"                         Some(Scope::Admin),  admin::planned::list;
    DELETE  "/v1/planned/{id}"                    Some(Scope::Admin),  admin::planned::withdraw;
    GET     "/v1/export"                          Some(Scope::Export), admin::export::show;
    GET     "/admin"                              None,                admin::operator::page;
    GET     "/v1/overview"                        Some(Scope::Admin),  admin::operator::overview;
    POST    "/v1/publish"                         Some(Scope::Admin),  admin::publications::make;
};

/// The application of the public listener. `bound_url` is the base URL if none is configured. The
/// metrics recorder must be installed before.
pub fn public(engine: Arc<Engine>, bound_url: &str) -> App {
    let documents = Arc::<Documents>::default();
    let fast_path = Arc::new(FastPath::new(Arc::clone(&engine), Arc::clone(&documents)));
    let state = Public {
        engine: Arc::clone(&engine),
        bound_url: bound_url.into(),
        documents,
    };
    let router = finished(
        PUBLIC
            .iter()
            .fold(Router::new(), |router, route| {
                router.route(route.path, (route.handler)())
            })
            .with_state(state),
        engine,
    );
    App::with_shortcut(router.layer(map_response(open_to_pages)), fast_path)
}

/// Lets scripts of any origin read all answers of the public listener, including errors.
async fn open_to_pages(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY_ORIGIN);
    }
    response
}

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// An application that answers only `/renewal-info`, with the code of the public listener, for a
/// listener that also serves other things.
pub fn renewal_info_alone(engine: Arc<Engine>, bound_url: &str) -> Router {
    let state = Public {
        engine: Arc::clone(&engine),
        bound_url: bound_url.into(),
        documents: Arc::default(),
    };
    let routes = PUBLIC
        .iter()
        .filter(|route| route.path == public::renewal_info::PATH)
        .fold(Router::new(), |router, route| {
            router.route(route.path, (route.handler)())
        });
    finished(routes.with_state(state), engine)
}

/// The application of the admin listener. `metrics` is shown at `/metrics`.
pub fn admin(engine: Arc<Engine>, metrics: Metrics) -> App {
    let guesses = Guesses::default();
    let state = Admin {
        engine: Arc::clone(&engine),
        metrics,
        planning: Arc::new(Semaphore::new(admin::plan::AT_ONCE)),
    };
    finished(
        ADMIN
            .iter()
            .fold(Router::new(), |router, route| {
                let handler = match route.scope {
                    Some(scope) => (route.handler)().route_layer(from_fn_with_state(
                        (Arc::clone(&engine), scope, guesses.clone()),
                        admin::authority::admit,
                    )),
                    None => (route.handler)(),
                };
                router.route(route.path, handler)
            })
            .with_state(state),
        engine,
    )
    .into()
}

/// What both listeners share: the answers for unknown routes, and the layer around everything.
fn finished(router: Router, engine: Arc<Engine>) -> Router {
    router
        .fallback(lost)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(engine, observe::observe))
}

async fn lost(uri: Uri) -> Problem {
    if public::renewal_info::owns(uri.path()) {
        public::renewal_info::unknown_path(uri.path())
    } else {
        Problem::missing("no such resource; /openapi.yaml on the public listener names all")
    }
}

async fn wrong_method(uri: Uri) -> Problem {
    let problem = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "the resource does not take this method; `Allow` names those that it takes",
    );
    if public::renewal_info::owns(uri.path()) {
        problem.acme()
    } else {
        problem
    }
}
