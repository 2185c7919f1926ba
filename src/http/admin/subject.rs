//! The certificate, or the number, in an admin path.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::domain::certificate::certid::CertId;
use crate::wire::problem::Problem;

/// The CertID in `/v1/certificates/{certid}…`, taken from the raw path, without decoding percent
/// escapes.
#[derive(Clone, Debug)]
pub(in crate::http) struct Subject(pub(in crate::http) CertId);

impl<S: Sync> FromRequestParts<S> for Subject {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The route has matched, so this is the CertID after `/v1/certificates/`.
        let text = parts.uri.path().split('/').nth(3).unwrap_or_default();
        text.parse().map(Self).map_err(|error| {
            // A path may be long, so the error repeats only a part of it.
            let shown: String = text.chars().take(CertId::MOST_CHARACTERS).collect();
            Problem::malformed(format!("{shown:?} is no CertID: {error}"))
        })
    }
}

/// The number in `/v1/incidents/{id}…` or `/v1/planned/{id}`.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Number(pub(in crate::http) i64);

impl<S: Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut path = parts.uri.path().split('/').skip(2);
        let what = match path.next() {
            Some("incidents") => "incident",
            _ => "planned event",
        };
        let text = path.next().unwrap_or_default();
        text.parse().map(Self).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Problem::missing(format!("there is no {what} {shown:?}: they have numbers"))
        })
    }
}

/// There is no certificate with this CertID.
pub(in crate::http) fn unregistered(id: &CertId) -> Problem {
    Problem::missing(format!("no certificate {id} is registered"))
}
