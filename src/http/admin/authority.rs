//! Authorization for the admin listener: bearer tokens (RFC 6750), of which only the SHA-256 is
//! stored.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::guesses::{self, Guesses, Verdict};
use crate::config::{Scope, Token};
use crate::domain::demand::permission::Reporter;
use crate::engine::Engine;
use crate::wire::Sender;
use crate::wire::problem::Problem;

/// The layer around a route that needs `scope`.
pub(in crate::http) async fn admit(
    State((engine, scope, guesses)): State<(Arc<Engine>, Scope, Guesses)>,
    Extension(sender): Extension<Sender>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let judged = judge(request.headers(), (scope, path), &engine.config().tokens);
    match judged {
        Ok(reporter) => {
            request.extensions_mut().insert(reporter);
            on(engine.background(), next.run(request)).await
        }
        Err(Refusal::Unknown) if guesses.count(sender) == Verdict::TooMany => {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many tokens were not known: the right one is taken at any time",
            );
            ([(header::RETRY_AFTER, guesses::RETRY_AFTER)], problem).into_response()
        }
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

/// Runs a handler on the worker threads, so that it cannot delay the admin listener's own threads.
/// As elsewhere, it is dropped if its client leaves, and a panic is passed on.
async fn on(
    threads: &Handle,
    handling: impl Future<Output = Response> + Send + 'static,
) -> Response {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(handling, threads);
    match tasks.join_next().await {
        Some(Ok(response)) => response,
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is being shut down.
        Some(Err(_)) | None => Problem::busy().into_response(),
    }
}

/// Why a request is not authorized.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Refusal {
    /// The token is limited to certain sources, and certificates do not belong to them.
    Bound { token: String },
    /// The token lacks the required scope.
    Lacking { token: String, scope: Scope },
    /// There is no token.
    Missing,
    /// The token is unknown.
    Unknown,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Bound { token } => Self::new(
                StatusCode::FORBIDDEN,
                format!(
                    "the `sources` of the token {token:?} name neither ca nor registrations: it may hand in \
                     observations, and nothing of certificates"
                ),
            ),
            Refusal::Lacking { token, scope } => Self::new(
                StatusCode::FORBIDDEN,
                format!("the token {token:?} lacks the scope {:?}", scope.name()),
            ),
            Refusal::Missing => Self::new(
                StatusCode::UNAUTHORIZED,
                "no token came: send `Authorization: Bearer` and a token; `offpeak token new` makes one",
            ),
            Refusal::Unknown => Self::new(
                StatusCode::UNAUTHORIZED,
                "the token is not known: the configuration has no [[token]] with its SHA-256",
            ),
        }
    }
}

/// The prefix of the paths of certificates.
const CERTIFICATES: &str = "/v1/certificates";

/// The owner of a request's token and the sources it may report as, if it has the scope for the
/// path. Registering a certificate counts for the source `registrations`, and replacing one removes
/// it from the forecast, so a token limited to other sources may do neither.
fn judge(
    request: &HeaderMap,
    (scope, path): (Scope, &str),
    tokens: &[Token],
) -> Result<Reporter, Refusal> {
    let presented = bearer(request).ok_or(Refusal::Missing)?;
    let token = known(tokens, presented).ok_or(Refusal::Unknown)?;
    let reporter = || Reporter::with_token(&token.name, token.sources.clone());
    if token.scopes.contains(&Scope::Admin) {
        return Ok(reporter());
    }
    if token.scopes.contains(&scope) {
        if path.starts_with(CERTIFICATES) && !token.sources.may_register() {
            let token = token.name.clone();
            return Err(Refusal::Bound { token });
        }
        return Ok(reporter());
    }
    let token = token.name.clone();
    Err(Refusal::Lacking { token, scope })
}

/// The token of the request. The scheme's name ignores case (RFC 9110 section 11.1).
fn bearer(request: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = request
        .get(header::AUTHORIZATION)?
        .as_bytes()
        .split_at_checked(b"Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

/// The configured token that was presented. Every hash is compared to its end, so that the time
/// reveals nothing; since only hashes are compared, it would not help an attacker anyway.
fn known<'a>(tokens: &'a [Token], presented: &[u8]) -> Option<&'a Token> {
    let presented = Sha256::digest(presented);
    tokens.iter().fold(None, |found, token| {
        let difference = token
            .sha256
            .iter()
            .zip(presented.iter())
            .fold(0, |difference, (a, b)| difference | (a ^ b));
        if difference == 0 { Some(token) } else { found }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::domain::demand::permission::Permission;

    fn token(text: &str, scopes: &[Scope]) -> Token {
        Token {
            name: format!("the one with {text}"),
            sha256: Sha256::digest(text).into(),
            scopes: scopes.to_vec(),
            sources: Permission::default(),
        }
    }

    fn verdict(authorization: Option<&'static str>, scope: Scope) -> String {
        let tokens = [
            token("in", &[Scope::Ingest]),
            token("all", &[Scope::Admin]),
            token("none", &[]),
        ];
        let mut request = HeaderMap::new();
        if let Some(authorization) = authorization {
            request.insert(
                header::AUTHORIZATION,
                HeaderValue::from_static(authorization),
            );
        }
        match judge(&request, (scope, "/v1/observations"), &tokens) {
            Ok(_) => "in".to_owned(),
            Err(refusal) => format!("{:?}", Problem::from(refusal)),
        }
    }

    #[test]
    fn tokens_open_their_scopes() {
        for (authorization, scope, want) in [
            (None, Scope::Ingest, "401"),
            (Some("Bearer wrong"), Scope::Ingest, "401"),
            (Some("Bearer "), Scope::Ingest, "401"),
            (Some("Basic in"), Scope::Ingest, "401"),
            (Some("in"), Scope::Ingest, "401"),
            (Some("Bearer in"), Scope::Ingest, "in"),
            (Some("bearer in"), Scope::Ingest, "in"),
            (
                Some("Bearer in"),
                Scope::Admin,
                r#"lacks the scope \"admin\""#,
            ),
            (Some("Bearer all"), Scope::Ingest, "in"),
            (Some("Bearer all"), Scope::Admin, "in"),
            (
                Some("Bearer none"),
                Scope::Ingest,
                r#"lacks the scope \"ingest\""#,
            ),
        ] {
            let got = verdict(authorization, scope);
            assert!(got.contains(want), "{authorization:?} {scope:?}: {got}");
        }
    }
}
