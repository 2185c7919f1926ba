//! `/v1/plan`: a time for each certificate of a fleet, planned on this CA's own forecast.

use std::fmt;
use std::iter;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono_tz::Tz;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::experiments::{no_ca, one_ca};
use super::uncached::uncached;
use crate::config::zone;
use crate::domain::ledger::forecast::Outlook;
use crate::domain::plan::{
    Addressee, Bounds, Catalogue, Demand, MOST_SECONDS_AHEAD, Origin, Plan, Refusal, Terms,
    USUAL_WITHIN_SECONDS, plan, seed,
};
use crate::domain::policy::ca::CaPolicy;
use crate::domain::publication::best_time::{ClockSpan, clock_spans};
use crate::domain::time::{DAY, Span, Timestamp};
use crate::engine::Engine;
use crate::http::state::Admin;
use crate::ingest::fleet::{Member, Usual};
use crate::wire::body;
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

/// The largest request: a hundred thousand certificates with CertIDs and names take 30 MB.
const MOST_OCTETS: u64 = 64 << 20;

/// Plans made at the same time. Each uses a thread for a second, and some hundred bytes for each
/// certificate.
pub(in crate::http) const AT_ONCE: usize = 2;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Request {
    account: Option<String>,
    allow: Option<String>,
    ari: Option<bool>,
    ca: Option<String>,
    count: Option<usize>,
    deadline: Option<Timestamp>,
    in_flight: u32,
    items: Option<Vec<Member>>,
    limits: Option<Limits>,
    max_concurrent: Option<u32>,
    max_rate: Option<f64>,
    order_seconds: Option<i64>,
    seed: Option<String>,
    tz: Option<String>,
}

/// A catalogue: a built-in one by name, or one in the request.
#[derive(Debug)]
enum Limits {
    Name(String),
    Given(Catalogue),
}

/// Not an untagged enum, because its errors would not say what is wrong with a catalogue.
impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrCatalogue;
        impl<'de> Visitor<'de> for NameOrCatalogue {
            type Value = Limits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a catalogue or a catalogue")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Limits, E> {
                Ok(Limits::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Limits, A::Error> {
                Catalogue::deserialize(MapAccessDeserializer::new(map)).map(Limits::Given)
            }
        }
        deserializer.deserialize_any(NameOrCatalogue)
    }
}

/// A checked request.
struct Asked {
    members: Vec<Member>,
    /// For each certificate without a time, what this server answers to its `renewalInfo`.
    registered: Vec<Option<Span>>,
    bounds: Bounds,
    in_flight: u32,
    limits: Catalogue,
    allow: Vec<ClockSpan>,
    zone: Tz,
    account: String,
    without_ari: bool,
    seed: u128,
}

/// `POST`.
pub(in crate::http) async fn make(
    State(admin): State<Admin>,
    _: NoParameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let _place = admin.planning.try_acquire().map_err(|_| Problem::busy())?;
    let remedy = "plan a part of the fleet at a time";
    let body = body::json_within(&headers, body, MOST_OCTETS, remedy).await?;
    let request: Request = body::object(&body, "an object with `items` or `count`")?;
    drop(body);
    let ca = one_ca(&admin.engine, request.ca.as_deref())?;
    let outlook = admin
        .engine
        .outlook(&ca)
        .await?
        .ok_or_else(|| no_ca(ca.as_str()))?;
    let now = admin.engine.now();
    let mut asked = request.checked(now)?;
    asked.registered = registered(&admin.engine, &asked);
    let config = admin.engine.config();
    let Some(at) = config.ca_named(ca.as_str()) else {
        return Err(no_ca(ca.as_str()));
    };
    let origin = Origin {
        ca: Some(ca.to_string()),
        model_version: admin.engine.version().to_string(),
        valid_until: None,
    };
    let policy = config.cas[at].clone();
    let planned = admin
        .engine
        .background()
        .spawn_blocking(move || asked.planned(now, &outlook, &policy, &origin));
    planned.await.map_err(|error| {
        tracing::error!(event = "request_failed", %error);
        Problem::internal()
    })?
}

/// The window that this server answers to `renewalInfo`. It is used for certificates with neither
/// dates nor deadline, if the plan has no deadline.
fn registered(engine: &Engine, asked: &Asked) -> Vec<Option<Span>> {
    let window = |member: &Member| {
        let dates = [asked.bounds.deadline, member.deadline, member.not_after];
        if dates.iter().any(Option::is_some) {
            return None;
        }
        let id = member.cert_id.as_ref()?;
        let info = engine.renewal_info_in_memory(&engine.seek(id))?.ok()?;
        Some(info.window)
    };
    asked.members.iter().map(window).collect()
}

impl Request {
    fn checked(self, now: Timestamp) -> Result<Asked, Problem> {
        let wrong = |field: &str, reason: &dyn fmt::Display| {
            Problem::malformed(format!("{field}: {reason}"))
        };
        let members = match (self.items, self.count) {
            (Some(items), None) => items,
            (None, Some(count)) => {
                let most = crate::domain::plan::MOST_CERTIFICATES;
                vec![Member::default(); count.min(most + 1)]
            }
            _ => return Err(Problem::malformed("give one of items and count")),
        };
        for (at, member) in members.iter().enumerate() {
            member
                .check()
                .map_err(|(field, reason)| wrong(&format!("items[{at}].{field}"), &reason))?;
        }
        let bounds = Bounds {
            deadline: self.deadline,
            max_per_minute: self.max_rate,
            max_concurrent: self.max_concurrent,
            order_seconds: self.order_seconds,
            count: members.len(),
        };
        bounds
            .check(now)
            .map_err(|(field, reason)| wrong(field, &reason))?;
        let limits = match self.limits {
            None => Catalogue::named("letsencrypt"),
            Some(Limits::Name(name)) => Catalogue::named(&name),
            Some(Limits::Given(given)) => given.checked(),
        };
        let allow = self.allow.as_deref().map(clock_spans).transpose();
        let zone = self.tz.as_deref().map(zone).transpose();
        let labels: Vec<String> = members.iter().map(Member::label).collect();
        let bits = match &self.seed {
            Some(text) if text.is_empty() => return Err(wrong("seed", &"is empty")),
            Some(text) => seed([text.as_str()]),
            None if labels.iter().all(String::is_empty) => rand::random(),
            None => seed(labels.iter().map(String::as_str)),
        };
        Ok(Asked {
            bounds,
            in_flight: self.in_flight,
            limits: limits.map_err(|error| wrong("limits", &error))?,
            allow: allow
                .map_err(|error| wrong("allow", &error))?
                .unwrap_or_default(),
            zone: zone
                .map_err(|error| wrong("tz", &error))?
                .unwrap_or(Tz::UTC),
            account: self.account.unwrap_or_default(),
            without_ari: self.ari == Some(false),
            seed: bits,
            registered: Vec::new(),
            members,
        })
    }
}

impl Asked {
    fn planned(
        &self,
        now: Timestamp,
        outlook: &Outlook,
        policy: &CaPolicy,
        origin: &Origin,
    ) -> Result<Response, Problem> {
        let count = self.members.len();
        let demand = Demand::of_forecast(&outlook.slots, outlook.mean, count);
        let demand = demand.avoiding(&outlook.failing);
        let demand = demand.allowing(self.allow.clone(), self.zone);
        let terms = Terms {
            now,
            demand: &demand,
            limits: &self.limits,
            deadline: self
                .bounds
                .deadline
                .unwrap_or(now + 1 + USUAL_WITHIN_SECONDS),
            max_per_minute: self.bounds.max_per_minute,
            max_concurrent: self.bounds.max_concurrent,
            order_seconds: self.bounds.order_seconds(),
            seed: self.seed,
        };
        let usual = Usual {
            now,
            deadline: self.bounds.deadline,
            account: &self.account,
            without_ari: self.without_ari,
            policy,
            given: None,
        };
        let later = |member: &Member| member.is_due_later(&usual);
        if let Some(at) = self.members.iter().position(later) {
            let days = MOST_SECONDS_AHEAD / DAY;
            return Err(Problem::malformed(format!(
                "items[{at}]: its time comes after the {days} days that are planned ahead; leave it out"
            )));
        }
        for (at, member) in self.members.iter().enumerate() {
            member.check_under(&usual).map_err(|(field, reason)| {
                Problem::malformed(format!("items[{at}].{field}: {reason}"))
            })?;
        }
        let windows = self.registered.iter().copied().chain(iter::repeat(None));
        let fleet: Vec<_> = self
            .members
            .iter()
            .zip(windows)
            .map(|(member, window)| member.renewal(&usual.within(window)))
            .collect();
        match plan(&terms, &fleet) {
            Ok(plan) => Ok(self.answer(&plan, &terms, origin)),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn answer(&self, plan: &Plan, terms: &Terms<'_>, origin: &Origin) -> Response {
        let advice = plan.advice(terms, self.in_flight);
        let body = plan.document(terms, origin, &advice, |place| {
            let member = &self.members[place];
            let name = member.names.first().filter(|_| member.cert_id.is_none());
            Addressee {
                id: member.id.as_ref().or(name).map(String::as_str),
                cert_id: member.cert_id.as_ref(),
                account: member.account.as_deref(),
                missed: member.missed(terms.now),
            }
        });
        uncached("application/json", body)
    }

    fn refused(&self, refusal: &Refusal) -> Result<Response, Problem> {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, refusal.to_string());
        let answer = problem.answer();
        let mut document: serde_json::Value =
            serde_json::from_slice(answer.body()).map_err(|_| Problem::internal())?;
        let refusal = refusal.as_document(|place| self.members[place].label());
        document["refusal"] = serde_json::to_value(refusal).map_err(|_| Problem::internal())?;
        let body = body::written(&document)?;
        Ok(answer.map(|_| Body::from(body)))
    }
}
