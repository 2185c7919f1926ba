//! `/api/v2/summary.json`: the status in the format of Statuspage's API, for programs that read it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::fresh::{answer, json as bytes};
use super::status::CACHING;
use crate::domain::moves::incident::{Kind, State as Stage};
use crate::domain::status::{PublicIncident, Status};
use crate::domain::time::Timestamp;
use crate::engine::{CaStanding, meant};
use crate::http::state::Public;
use crate::wire::problem::Problem;
use crate::wire::query::OfCa;

/// `GET`. Each CA is a component; `?ca=` selects one.
pub(in crate::http) async fn show(
    State(public): State<Public>,
    OfCa(named): OfCa,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let engine = &public.engine;
    let standings = engine.how_cas_are(named.as_deref());
    if standings.is_empty() {
        return Err(super::forecast::nobody(
            named.as_deref().unwrap_or_default(),
        ));
    }
    let shown = engine.public_incidents(None);
    let shown: Vec<&PublicIncident> = shown
        .iter()
        .filter(|shown| standings.iter().any(|one| one.ca.as_str() == shown.ca))
        .collect();
    let url = engine.config().base_url.clone();
    let url = url.unwrap_or_else(|| public.bound_url.to_string());
    let document = summary(&standings, &shown, &url, engine.now());
    Ok(answer(
        bytes(&document),
        "application/json",
        CACHING,
        &request,
    ))
}

fn summary(
    standings: &[CaStanding],
    shown: &[&PublicIncident],
    url: &str,
    now: Timestamp,
) -> Value {
    let (maintenances, incidents): (Vec<&PublicIncident>, Vec<&PublicIncident>) = shown
        .iter()
        .partition(|shown| shown.kind == Kind::Maintenance);
    let under_way = |shown: &&PublicIncident| stage_of_maintenance(shown, now) == "in_progress";
    let components: Vec<Value> = standings
        .iter()
        .zip(1..)
        .map(|(one, position)| {
            let closed = maintenances
                .iter()
                .any(|shown| under_way(shown) && shown.ca == one.ca.as_str());
            component(one, closed, position, now)
        })
        .collect();
    let meant = meant(standings);
    let worst = meant.iter().map(|one| one.standing.status).max();
    let concerns = |shown: &&&PublicIncident| meant.iter().any(|one| one.ca.as_str() == shown.ca);
    let (indicator, description) = match worst {
        _ if maintenances.iter().filter(concerns).any(under_way) => {
            ("maintenance", "Service Under Maintenance")
        }
        Some(Status::Down) => ("critical", "Major Service Outage"),
        Some(Status::Degraded) => ("minor", "Partially Degraded Service"),
        // Statuspage has no "unknown"; clients that need it use `/v1/status`.
        Some(Status::Unknown) => ("none", "No recent observations"),
        Some(Status::Ok) | None => ("none", "All Systems Operational"),
    };
    let open = incidents.iter().filter(|shown| shown.is_open());
    let ahead = maintenances.iter().filter(|shown| shown.is_open());
    json!({
        "page": {
            "id": "offpeak", "name": "offpeak", "url": url, "time_zone": "Etc/UTC", "updated_at": now,
        },
        "components": components,
        "incidents": open.map(|shown| incident(shown)).collect::<Vec<Value>>(),
        "scheduled_maintenances": ahead.map(|shown| maintenance(shown, now)).collect::<Vec<Value>>(),
        "status": {"indicator": indicator, "description": description},
    })
}

fn component(one: &CaStanding, closed: bool, position: i64, now: Timestamp) -> Value {
    let status = match one.standing.status {
        _ if closed => "under_maintenance",
        Status::Degraded => "degraded_performance",
        Status::Down => "major_outage",
        Status::Ok | Status::Unknown => "operational",
    };
    json!({
        "id": one.ca, "page_id": "offpeak", "name": one.ca, "status": status, "position": position,
        "description": one.standing.reason, "updated_at": one.standing.since.unwrap_or(now),
        "created_at": null, "start_date": null, "showcase": true, "group": false, "group_id": null,
        "only_show_if_degraded": false,
    })
}

fn incident(shown: &PublicIncident) -> Value {
    let (status, impact) = match (shown.kind, shown.state) {
        (Kind::Drill, _) => ("identified", "none"),
        (Kind::Revocation, _) => ("identified", "major"),
        (_, Stage::Partial) => ("monitoring", "minor"),
        (_, Stage::Closed) => ("resolved", "none"),
        _ => ("investigating", "critical"),
    };
    common(shown, status, impact)
}

fn maintenance(shown: &PublicIncident, now: Timestamp) -> Value {
    let mut written = common(shown, stage_of_maintenance(shown, now), "maintenance");
    written["scheduled_for"] = json!(shown.from);
    written["scheduled_until"] = json!(shown.to);
    written
}

fn stage_of_maintenance(shown: &PublicIncident, now: Timestamp) -> &'static str {
    if !shown.is_open() || shown.to.is_some_and(|to| to <= now) {
        "completed"
    } else if shown.from.is_some_and(|from| from <= now) {
        "in_progress"
    } else {
        "scheduled"
    }
}

fn common(shown: &PublicIncident, status: &str, impact: &str) -> Value {
    let id = shown.id.to_string();
    let body = shown.note.as_deref().unwrap_or(&shown.name);
    json!({
        "id": id, "page_id": "offpeak", "name": shown.name, "status": status, "impact": impact,
        "created_at": shown.opened_at, "started_at": shown.from.or(shown.opened_at),
        "updated_at": shown.updated_at, "monitoring_at": null, "resolved_at": null,
        "shortlink": shown.explanation_url,
        "components": [{"id": shown.ca, "name": shown.ca}],
        "incident_updates": [{
            "id": format!("{id}-{}", shown.updated_at.unix()), "incident_id": id, "status": status,
            "body": body, "created_at": shown.updated_at, "updated_at": shown.updated_at,
            "display_at": shown.updated_at,
        }],
    })
}
