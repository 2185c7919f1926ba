//! `/v1/observations`: receives load.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use crate::domain::demand::permission::Reporter;
use crate::http::state::Admin;
use crate::ingest::{self, ObservationFormat, Observed, Unknown};
use crate::store::BatchKey;
use crate::wire::body;
use crate::wire::problem::{Excess, Problem};
use crate::wire::query::NoParameters;
use crate::wire::unpack::unpacked;

/// The longest `Idempotency-Key`, in characters: seven times a UUID, and small enough to store for
/// 7 days.
const MOST_KEY_CHARACTERS: usize = 255;

/// `POST`.
pub(in crate::http) async fn count(
    State(admin): State<Admin>,
    Extension(reporter): Extension<Reporter>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let format = ObservationFormat::of_media_type(body::content_type(&headers))?;
    let format = (format, Unknown::Refused);
    let key = key(&headers)?;
    let body = unpacked(&headers, body)?;
    match ingest::observe(&admin.engine, &reporter, format, body, key).await? {
        Observed::Counted(report) | Observed::Repeated(report) => body::report(&report),
        Observed::KeyReused => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key came with another body before; nothing was counted now: send \
             each body under a key of its own, and the same body under the same key again",
        )),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<BatchKey>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let text = key.to_str().unwrap_or_default();
    if text.len() > MOST_KEY_CHARACTERS {
        return Err(Problem::over(
            StatusCode::BAD_REQUEST,
            Excess {
                what: "the Idempotency-Key",
                limit: MOST_KEY_CHARACTERS as u64,
                current: text.len() as u64,
                unit: "characters",
                remedy: "send a UUID or a hash",
            },
        ));
    }
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Problem::malformed(
            "an Idempotency-Key is 1 to 255 visible ASCII characters; send a UUID or a hash",
        ));
    }
    if keys.next().is_some() {
        return Err(Problem::malformed("there is more than one Idempotency-Key"));
    }
    Ok(Some(BatchKey::Request(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(values: &[&str]) -> Result<Option<BatchKey>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", value.parse().unwrap());
        }
        key(&headers)
    }

    #[test]
    fn keys_are_bounded_visible_and_alone() {
        assert_eq!(keys(&[]).unwrap(), None);
        let longest = "k".repeat(255);
        assert_eq!(
            keys(&[&longest]).unwrap(),
            Some(BatchKey::Request(longest.clone()))
        );
        for (values, want) in [
            (vec![""], "1 to 255 visible"),
            (vec!["a b"], "1 to 255 visible"),
            (vec!["é"], "1 to 255 visible"),
            (vec!["a", "a"], "more than one"),
            (
                vec![&*"k".repeat(256)],
                "has 256 characters, the limit is 255",
            ),
        ] {
            let problem = format!("{:?}", keys(&values).unwrap_err());
            assert!(problem.contains(want), "{values:?}: {problem}");
        }
    }
}
