//! `/admin`: the operator's page, and `/v1/overview`, its data. Both are read-only.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::uncached::answer;
use crate::domain::demand::observation::Source;
use crate::domain::demand::series::trust::Disagreement;
use crate::domain::math::number::thousandths;
use crate::domain::status::{LiveSeries, ReportingSource, Standing};
use crate::domain::time::Timestamp;
use crate::engine::{CaStanding, Engine, Readiness, SourceReport, SourceState};
use crate::http::state::Admin;
use crate::store::{Replica, Sharing};
use crate::wire::problem::Problem;
use crate::wire::query::NoParameters;

const STYLE: &str = include_str!("../../../static/admin/admin.css");
const SCRIPT: &str = include_str!("../../../static/admin/admin.js");

static PAGE: LazyLock<String> = LazyLock::new(|| {
    include_str!("../../../static/admin/admin.html")
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
});

/// The page may run its own script and send requests to its own listener; nothing may embed it in a
/// frame.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    generated_at: Timestamp,
    software: &'static str,
    policy_version: String,
    ready: bool,
    degraded: Vec<String>,
    certificates: usize,
    publication: Option<Published>,
    published_to: Vec<String>,
    gateways: Vec<String>,
    /// Whether several processes can share the store.
    shared_store: bool,
    replicas: Vec<OfReplica>,
    /// The `[[source]]` entries that this process reads.
    configured_sources: Vec<OfConfigured>,
    cas: Vec<OfCa>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    number: i64,
    made_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfReplica {
    name: String,
    address: String,
    software: String,
    /// Whether it is the process that answers.
    this_one: bool,
    started_at: Timestamp,
    heard_at: Timestamp,
    /// How long ago it had read the change feed to its end.
    feed_behind_seconds: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfConfigured {
    name: String,
    kind: &'static str,
    ca: Option<String>,
    state: SourceState,
    since: Timestamp,
    data_through: Option<Timestamp>,
    /// Why it fails. It may name hosts and files, so only operators see it.
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfCa {
    ca: String,
    environment: String,
    #[serde(flatten)]
    standing: Standing,
    sources: Vec<OfSource>,
    last_hour: Vec<LiveSeries>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfSource {
    source: Source,
    vantage: Option<String>,
    data_through: Timestamp,
    quarantined_until: Option<Timestamp>,
    /// The distance from the median of comparable sources; above 0.25 they disagree.
    disagreement: Option<f64>,
}

/// `GET /admin`: needs no token, because the page is empty until its script requests data with one.
pub(in crate::http) async fn page(_: NoParameters) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, PAGE.as_str()).into_response()
}

/// `GET /v1/overview`.
pub(in crate::http) async fn overview(
    State(admin): State<Admin>,
    _: NoParameters,
) -> Result<impl IntoResponse, Problem> {
    answer(&Overview::of(&admin.engine))
}

impl Overview {
    fn of(engine: &Engine) -> Self {
        let Readiness { ready, degraded } = engine.readiness();
        let config = engine.config();
        let standings = engine.how_cas_are(None).into_iter();
        let (itself, others, sharing) = engine.replicas();
        let itself = itself.map(|one| OfReplica::of(one, true)).into_iter();
        let others = others.into_iter().map(|one| OfReplica::of(one, false));
        Self {
            generated_at: engine.now(),
            software: env!("CARGO_PKG_VERSION"),
            policy_version: engine.version().to_string(),
            ready,
            degraded,
            certificates: engine.certificates_indexed(),
            publication: engine.publication().map(|publication| Published {
                number: publication.number,
                made_at: publication.made_at,
            }),
            published_to: config
                .publish
                .iter()
                .map(|place| place.to.clone())
                .collect(),
            gateways: config.gateways.iter().map(|of| of.name.clone()).collect(),
            shared_store: sharing == Sharing::AskOnMiss,
            replicas: itself.chain(others).collect(),
            configured_sources: engine
                .source_reports()
                .into_iter()
                .map(OfConfigured::from)
                .collect(),
            cas: standings.map(|one| OfCa::of(engine, one)).collect(),
        }
    }
}

impl From<SourceReport> for OfConfigured {
    fn from(report: SourceReport) -> Self {
        Self {
            name: report.name,
            kind: report.kind,
            ca: report.ca.map(String::from),
            state: report.state,
            since: report.since,
            data_through: report.data_through,
            reason: report.reason,
        }
    }
}

impl OfReplica {
    fn of(one: Replica, this_one: bool) -> Self {
        Self {
            name: one.name,
            address: one.address,
            software: one.software,
            this_one,
            started_at: one.started_at,
            heard_at: one.heard_at,
            feed_behind_seconds: (one.heard_at - one.fed_at).max(0),
        }
    }
}

impl OfCa {
    fn of(engine: &Engine, one: CaStanding) -> Self {
        Self {
            ca: one.ca.to_string(),
            environment: one.environment,
            standing: one.standing,
            sources: one
                .sources
                .into_iter()
                .map(|reporting| OfSource::of(reporting, &one.disagreements))
                .collect(),
            last_hour: engine.live(&one.ca).unwrap_or_default(),
        }
    }
}

impl OfSource {
    fn of(reporting: ReportingSource, disagreements: &[Disagreement]) -> Self {
        let same = |one: &&Disagreement| {
            (one.source, &one.vantage) == (reporting.source, &reporting.vantage)
        };
        Self {
            source: reporting.source,
            disagreement: disagreements
                .iter()
                .find(same)
                .map(|one| thousandths(one.share)),
            vantage: reporting.vantage,
            data_through: reporting.through,
            quarantined_until: reporting.quarantined_until,
        }
    }
}
