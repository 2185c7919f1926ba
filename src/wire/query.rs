//! Query strings of the admin listener and of `/v1/`. Unknown parameters are rejected, so that a
//! misspelt one is noticed. (Other public routes ignore them.)

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;

use super::problem::Problem;

/// Requires an empty query string.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parameters(&parts.uri)?.first() {
            None => Ok(Self),
            Some((name, _)) => Err(unknown(name, "none")),
        }
    }
}

/// Allows only the parameter `ca`.
#[derive(Clone, Debug)]
pub(crate) struct OfCa(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for OfCa {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut ca = None;
        for (name, value) in parameters(&parts.uri)? {
            if name != "ca" {
                return Err(unknown(&name, "ca"));
            }
            if ca.replace(value).is_some() {
                return Err(Problem::malformed("ca: is given twice"));
            }
        }
        Ok(Self(ca))
    }
}

/// The decoded parameters in order.
pub(crate) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|error| Problem::malformed(format!("the query string is not readable: {error}")))
}

/// The error for an unknown parameter; `known` lists the valid ones.
pub(crate) fn unknown(name: &str, known: &str) -> Problem {
    Problem::malformed(format!(
        "unknown query parameter {name:?}; known here: {known}"
    ))
}
