//! `/v1/best-time`: a time to come, drawn for each request.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use chrono_tz::Tz;

use super::documents::nothing_yet;
use super::served::Served;
use crate::config::{duration_seconds, zone};
use crate::domain::publication::best_time::{Chance, Format, Question, SLOT_MINUTES, clock_spans};
use crate::domain::time::Timestamp;
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::{parameters, unknown};

/// The path.
pub(super) const PATH: &str = "/v1/best-time";

const PARAMETERS: &str = "allow, ca, format, lifetime, seed, slot, tz, within";

/// `unknown` if too little is known about the hour, also for formats that cannot say it themselves.
const HOUR: HeaderName = HeaderName::from_static("offpeak-hour");

/// The request.
#[derive(Debug)]
pub(in crate::http) struct Asked {
    ca: Option<String>,
    question: Question,
    format: Format,
    chance: Chance,
}

/// `GET`.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    asked: Asked,
) -> Result<Response, Problem> {
    let served = public.documents.current(&public.engine).await?;
    let served = served.ok_or_else(nothing_yet)?;
    Ok(asked.answer(&served, public.engine.now())?.map(Body::from))
}

impl Asked {
    /// Parses a request.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let pairs = parameters(uri)?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !PARAMETERS.split(", ").any(|known| known == name) {
                return Err(unknown(name, PARAMETERS));
            }
            if pairs[..place].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::malformed(format!("{name}: is given twice")));
            }
        }
        let given = |name: &str| {
            let pair = pairs.iter().find(|(known, _)| known == name);
            pair.map(|(_, value)| value.as_str())
        };
        let question = question(&given)?;
        Ok(Self {
            ca: given("ca").map(str::to_owned),
            format: read(&given, "format", str::parse)?.unwrap_or_default(),
            chance: read(&given, "seed", Chance::seeded)?
                .unwrap_or_else(|| Chance::Fresh(rand::random())),
            question,
        })
    }

    /// A time drawn from a publication. It must not be cached, because two readers of one answer
    /// would come in the same second.
    pub(super) fn answer(
        &self,
        served: &Served,
        now: Timestamp,
    ) -> Result<Response<Bytes>, Problem> {
        let ranking = served.ranking(self.ca.as_deref()).ok_or_else(|| {
            let name = self.ca.as_deref().unwrap_or_default();
            Problem::missing(format!(
                "ca: no ranking of a CA named {name:?} is published"
            ))
        })?;
        let best = self.question.draw(ranking, now, self.chance);
        let best =
            best.map_err(|none| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, none.to_string()))?;
        let body = best.written(self.format, &self.question, ranking);
        let mut response = Response::new(Bytes::from(body));
        let headers = response.headers_mut();
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (CONTENT_TYPE, self.format.content_type()),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if best.is_unknown(ranking) {
            headers.insert(HOUR, HeaderValue::from_static("unknown"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from(HOUR));
        }
        Ok(response)
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

fn question<'q>(given: &impl Fn(&str) -> Option<&'q str>) -> Result<Question, Problem> {
    let usual = Question::default();
    let of_life = read(given, "lifetime", |text| {
        Question::within_for_life(duration_seconds(text)?)
    })?;
    let within = read(given, "within", |text| {
        Question::within(duration_seconds(text)?)
    })?;
    if of_life.is_some() && within.is_some() {
        return Err(Problem::malformed(
            "lifetime, within: give one of them; how far ahead follows from a lifetime",
        ));
    }
    let slot = read(given, "slot", |text| {
        Question::slot_of_minutes(text)
            .ok_or_else(|| format!("takes one of {SLOT_MINUTES:?} minutes, not {text:?}"))
    })?;
    Ok(Question {
        within_seconds: within.or(of_life).unwrap_or(usual.within_seconds),
        allow: read(given, "allow", clock_spans)?.unwrap_or_default(),
        zone: read::<Tz>(given, "tz", zone)?.unwrap_or(usual.zone),
        slot_seconds: slot.unwrap_or(usual.slot_seconds),
    })
}

/// Parses a parameter if it is given; errors name the parameter.
fn read<'q, T>(
    given: &impl Fn(&str) -> Option<&'q str>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Problem> {
    given(name)
        .map(|text| parse(text).map_err(|why| Problem::malformed(format!("{name}: {why}"))))
        .transpose()
}
