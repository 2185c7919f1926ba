//! `/api/v2/summary.json`: the status in the format of Statuspage's API, for programs that read it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::fresh::{answer, json as bytes};
use super::status::CACHING;
use crate::domain::moves::incident::{Kind, State as Stage};
use crate::domain::status::{Status, Told};
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
    let told = engine.told_incidents(None);
    let told: Vec<&Told> = told
        .iter()
        .filter(|told| standings.iter().any(|one| one.ca.as_str() == told.ca))
        .collect();
    let url = engine.config().base_url.clone();
    let url = url.unwrap_or_else(|| public.bound_url.to_string());
    let document = summary(&standings, &told, &url, engine.now());
    Ok(answer(
        bytes(&document),
        "application/json",
        CACHING,
        &request,
    ))
}

fn summary(standings: &[CaStanding], told: &[&Told], url: &str, now: Timestamp) -> Value {
    let (maintenances, incidents): (Vec<&Told>, Vec<&Told>) =
        told.iter().partition(|told| told.kind == Kind::Maintenance);
    let under_way = |told: &&Told| stage_of_maintenance(told, now) == "in_progress";
    let components: Vec<Value> = standings
        .iter()
        .zip(1..)
        .map(|(one, position)| {
            let closed = maintenances
                .iter()
                .any(|told| under_way(told) && told.ca == one.ca.as_str());
            component(one, closed, position, now)
        })
        .collect();
    let meant = meant(standings);
    let worst = meant.iter().map(|one| one.standing.status).max();
    let concerns = |told: &&&Told| meant.iter().any(|one| one.ca.as_str() == told.ca);
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
    let open = incidents.iter().filter(|told| told.is_open());
    let ahead = maintenances.iter().filter(|told| told.is_open());
    json!({
        "page": {
            "id": "offpeak", "name": "offpeak", "url": url, "time_zone": "Etc/UTC", "updated_at": now,
        },
        "components": components,
        "incidents": open.map(|told| incident(told)).collect::<Vec<Value>>(),
        "scheduled_maintenances": ahead.map(|told| maintenance(told, now)).collect::<Vec<Value>>(),
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

fn incident(told: &Told) -> Value {
    let (status, impact) = match (told.kind, told.state) {
        (Kind::Drill, _) => ("identified", "none"),
        (Kind::Revocation, _) => ("identified", "major"),
        (_, Stage::Partial) => ("monitoring", "minor"),
        (_, Stage::Closed) => ("resolved", "none"),
        _ => ("investigating", "critical"),
    };
    common(told, status, impact)
}

fn maintenance(told: &Told, now: Timestamp) -> Value {
    let mut written = common(told, stage_of_maintenance(told, now), "maintenance");
    written["scheduled_for"] = json!(told.from);
    written["scheduled_until"] = json!(told.to);
    written
}

fn stage_of_maintenance(told: &Told, now: Timestamp) -> &'static str {
    if !told.is_open() || told.to.is_some_and(|to| to <= now) {
        "completed"
    } else if told.from.is_some_and(|from| from <= now) {
        "in_progress"
    } else {
        "scheduled"
    }
}

fn common(told: &Told, status: &str, impact: &str) -> Value {
    let id = told.id.to_string();
    let body = told.note.as_deref().unwrap_or(&told.name);
    json!({
        "id": id, "page_id": "offpeak", "name": told.name, "status": status, "impact": impact,
        "created_at": told.opened_at, "started_at": told.from.or(told.opened_at),
        "updated_at": told.updated_at, "monitoring_at": null, "resolved_at": null,
        "shortlink": told.explanation_url,
        "components": [{"id": told.ca, "name": told.ca}],
        "incident_updates": [{
            "id": format!("{id}-{}", told.updated_at.unix()), "incident_id": id, "status": status,
            "body": body, "created_at": told.updated_at, "updated_at": told.updated_at,
            "display_at": told.updated_at,
        }],
    })
}
