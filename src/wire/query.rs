//! Query strings of the admin listener and of `/v1/`. An unknown parameter is refused, so that a
//! misspelt one is not silently ignored. (Other public routes ignore them.)

use axum::extract::{FromRequestParts, Query};
use axum::http::Uri;
use axum::http::request::Parts;

use super::problem::Problem;

/// Nothing may stand in the query string.
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

/// The parameter `ca` alone may stand in it.
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

/// The parameters, decoded, in their order.
pub(crate) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|error| Problem::malformed(format!("the query string is not readable: {error}")))
}

/// What to say of a parameter that does not exist; `known` lists those that do.
pub(crate) fn unknown(name: &str, known: &str) -> Problem {
    Problem::malformed(format!(
        "unknown query parameter {name:?}; known here: {known}"
    ))
}
