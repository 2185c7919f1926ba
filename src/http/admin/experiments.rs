//! `/v1/cohorts` and `/v1/shadow`: the results of experiments.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::IntoResponse;

use super::uncached::answer;
use crate::domain::policy::ca::CaName;
use crate::engine::{Engine, Shadowed};
use crate::http::public::forecast::ambiguous;
use crate::http::state::Admin;
use crate::wire::problem::Problem;
use crate::wire::query;

/// The CA named in the query string, or the only CA.
#[derive(Clone, Debug)]
pub(in crate::http) struct OneCa(pub(in crate::http) CaName);

impl FromRequestParts<Admin> for OneCa {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let mut named = None;
        for (name, value) in query::parameters(&parts.uri)? {
            match name.as_str() {
                "ca" => named = Some(value),
                _ => return Err(query::unknown(&name, "ca")),
            }
        }
        one_ca(&admin.engine, named.as_deref()).map(Self)
    }
}

/// `GET /v1/cohorts`.
pub(in crate::http) async fn cohorts(
    State(admin): State<Admin>,
    OneCa(ca): OneCa,
) -> Result<impl IntoResponse, Problem> {
    let engine = Arc::clone(&admin.engine);
    let name = ca.clone();
    // Evaluating ten million entries takes a second, so it does not run on a thread that answers
    // requests.
    let report = tokio::task::spawn_blocking(move || engine.cohorts(&name)).await;
    match report {
        Ok(Some(report)) => answer(&report),
        Ok(None) => Err(no_ca(ca.as_str())),
        Err(_) => Err(Problem::internal()),
    }
}

/// `GET /v1/shadow`.
pub(in crate::http) async fn shadow(
    State(admin): State<Admin>,
    OneCa(ca): OneCa,
) -> Result<impl IntoResponse, Problem> {
    match admin.engine.shadow(&ca) {
        Some(Shadowed::Yes(report)) => answer(&*report),
        Some(Shadowed::No) => Err(Problem::missing(format!(
            "the CA {:?} has no shadow policy; [[ca.shadow]] in the configuration gives it one",
            ca.as_str()
        ))),
        None => Err(no_ca(ca.as_str())),
    }
}

/// The CA with this name; without a name, the one that [`Engine::unnamed_ca`] chooses.
pub(in crate::http) fn one_ca(engine: &Engine, named: Option<&str>) -> Result<CaName, Problem> {
    let Some(name) = named else {
        return engine.unnamed_ca().map_err(|cas| ambiguous(&cas));
    };
    let config = engine.config();
    let found = config.ca_named(name).map(|at| config.cas[at].name.clone());
    found.ok_or_else(|| no_ca(name))
}

pub(in crate::http) fn no_ca(name: &str) -> Problem {
    let shown: String = name.chars().take(63).collect();
    Problem::missing(format!("no CA is named {shown:?}"))
}
