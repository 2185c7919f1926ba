//! `/v1/planned`: bulk events for the forecast.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::experiments::one_ca;
use super::subject::Number;
use super::uncached::answer;
use crate::domain::policy::planned::Planned;
use crate::domain::time::{DAY, Span, Timestamp};
use crate::http::state::Admin;
use crate::store::MOST_PLANNED;
use crate::wire::body;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// The same limit as in `[[ca.planned]]`: a thousand times what all CAs together have ever issued
/// in a year.
const MOST_CERTIFICATES: f64 = 1e12;
/// The furthest start of an event, as for incidents; the forecast covers 60 days.
const MOST_SECONDS_AHEAD: i64 = 400 * DAY;
/// The longest name, in characters: one line of a page.
const LONGEST_NAME: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ca: Option<String>,
    #[serde(default)]
    name: String,
    from: Timestamp,
    to: Timestamp,
    certificates: f64,
}

/// `POST`.
pub(in crate::http) async fn announce(
    State(admin): State<Admin>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::json(&headers, body).await?;
    let shape = r#"{"from": time, "to": time, "certificates": number, "ca"?, "name"?}"#;
    let request: Request = body::object(&body, shape)?;
    let event = request.checked(admin.engine.now())?;
    let ca = one_ca(&admin.engine, request.ca.as_deref())?;
    match admin.engine.announce(&ca, &request.name, event).await? {
        Some(stored) => Ok((StatusCode::CREATED, answer(&stored)?).into_response()),
        None => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("there are {MOST_PLANNED} events, the most that are kept: withdraw some"),
        )),
    }
}

/// `GET`.
pub(in crate::http) async fn list(
    State(admin): State<Admin>,
    _: NoParameters,
) -> Result<impl IntoResponse, Problem> {
    let planned = admin.engine.planned().await?;
    answer(&serde_json::json!({ "planned": planned }))
}

/// `DELETE /v1/planned/{id}`.
pub(in crate::http) async fn withdraw(
    State(admin): State<Admin>,
    _: NoParameters,
    Number(id): Number,
) -> Result<StatusCode, Problem> {
    if admin.engine.withdraw(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::missing(format!("there is no planned event {id}")))
    }
}

impl Request {
    fn checked(&self, now: Timestamp) -> Result<Planned, Problem> {
        let wrong = |field: &str, reason: &str| Problem::malformed(format!("{field}: {reason}"));
        if self.to <= self.from {
            return Err(wrong("to", "it is not after from"));
        }
        if self.to <= now || self.from > now + MOST_SECONDS_AHEAD {
            return Err(wrong(
                "from",
                "the event does not lie within the next 400 days",
            ));
        }
        if !(self.certificates > 0.0 && self.certificates <= MOST_CERTIFICATES) {
            return Err(wrong(
                "certificates",
                "it is not more than 0 and at most 10^12",
            ));
        }
        if self.name.chars().count() > LONGEST_NAME {
            return Err(wrong("name", "it has more than 200 characters"));
        }
        Ok(Planned {
            span: Span {
                from: self.from,
                to: self.to,
            },
            certificates: self.certificates,
        })
    }
}
