//! `/v1/certificates/{certid}/replaced`: the certificate or order that replaces another
//! certificate.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;

use super::subject::{Subject, unregistered};
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::http::state::Admin;
use crate::store::Succession;
use crate::wire::body;
use crate::wire::problem::{Excess, Problem};
use crate::wire::query::NoParameters;

/// The longest name of an order, in characters. It is a URL, and URLs are usually limited to 2,000.
const MOST_ORDER_CHARACTERS: usize = 2_000;

/// `POST`.
pub(in crate::http) async fn set(
    State(admin): State<Admin>,
    _: NoParameters,
    Subject(id): Subject,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let successor = successor(&id, &body::json(&headers, body).await?)?;
    match admin.engine.succeed(&id, &successor).await? {
        Succession::Unknown => Err(unregistered(&id)),
        Succession::Other(other) => Err(taken(&id, &other)),
        Succession::Same | Succession::Set => Ok((
            [(header::CONTENT_TYPE, "application/json")],
            serde_json::json!({ "certId": id, "replacedBy": successor }).to_string(),
        )),
    }
}

/// `DELETE`.
pub(in crate::http) async fn unset(
    State(admin): State<Admin>,
    _: NoParameters,
    Subject(id): Subject,
) -> Result<StatusCode, Problem> {
    match admin.engine.unsucceed(&id).await? {
        None => Err(unregistered(&id)),
        Some(false) => Err(Problem::missing(format!(
            "the certificate {id} is registered and nothing replaces it"
        ))),
        Some(true) => Ok(StatusCode::NO_CONTENT),
    }
}

fn successor(id: &CertId, body: &[u8]) -> Result<Successor, Problem> {
    let successor = serde_json::from_slice(body).map_err(|error| {
        Problem::malformed(format!(
            "the body is neither {{\"by\": CertID}} nor {{\"order\": text}}: {error}"
        ))
    })?;
    match &successor {
        Successor::By(by) if by == id => Err(Problem::new(
            StatusCode::CONFLICT,
            "`by` is the certificate itself; name the one that replaces it",
        )),
        Successor::Order(order) if order.is_empty() => Err(Problem::malformed(
            "`order` is empty; give the order's URL or another name of yours for it",
        )),
        Successor::Order(order) if order.chars().any(char::is_control) => Err(Problem::malformed(
            "`order` has control characters; give the order's URL or another name of yours for it",
        )),
        Successor::Order(order) if order.chars().count() > MOST_ORDER_CHARACTERS => {
            Err(Problem::over(
                StatusCode::BAD_REQUEST,
                Excess {
                    what: "`order`",
                    limit: MOST_ORDER_CHARACTERS as u64,
                    current: order.chars().count() as u64,
                    unit: "characters",
                    remedy: "give the order's URL or another short name of yours for it",
                },
            ))
        }
        Successor::By(_) | Successor::Order(_) => Ok(successor),
    }
}

/// lego and others look for the word `replaces` (RFC 9773 section 5).
fn taken(id: &CertId, other: &Successor) -> Problem {
    let other = match other {
        Successor::By(by) => format!("the certificate {by}"),
        Successor::Order(order) => format!("the order {order:?}"),
    };
    Problem::already_replaced(format!(
        "`replaces` names the certificate {id}, which {other} replaces already; \
         DELETE takes that back"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

    fn read(body: &str) -> Result<Successor, Problem> {
        successor(&ID.parse().unwrap(), body.as_bytes())
    }

    #[test]
    fn a_successor_is_a_certificate_or_an_order() {
        assert_eq!(
            read(r#"{"by":"aYhb.AIdlQyE"}"#).unwrap(),
            Successor::By("aYhb.AIdlQyE".parse().unwrap())
        );
        assert_eq!(
            read(r#"{"order":"https://ca.example/order/1"}"#).unwrap(),
            Successor::Order("https://ca.example/order/1".to_owned())
        );
        let long = format!(r#"{{"order":"{}"}}"#, "x".repeat(2_001));
        let itself = format!(r#"{{"by":"{ID}"}}"#);
        for (body, want) in [
            ("", "neither"),
            ("{}", "neither"),
            (r#"{"by":"x"}"#, "one dot"),
            (r#"{"by":"aYhb.AIdlQyE","order":"x"}"#, "neither"),
            (r#"{"order":""}"#, "empty"),
            (r#"{"order":"a\u0000b"}"#, "control characters"),
            (r#"{"order":7}"#, "neither"),
            (&itself, "itself"),
            (&long, "has 2001 characters, the limit is 2000"),
        ] {
            let problem = format!("{:?}", read(body).unwrap_err());
            assert!(problem.contains(want), "{body}: {problem}");
        }
    }
}
