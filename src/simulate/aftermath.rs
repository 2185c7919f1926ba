//! The figures of what happened at a CA during incidents.

use super::run::Run;
use super::scenario;
use crate::domain::math::number::length;
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{HOUR, Timestamp};

/// The figures of incidents: `load` in certificates per grain, `mean` in certificates per hour.
pub(super) fn figures(run: &mut Run<'_>, load: &[f64]) {
    let mean = run.mean_per_hour();
    let grain_at = |at: Timestamp| length((at - run.scenario.start) / GRAIN_SECONDS);
    let hour_grains = length(HOUR / GRAIN_SECONDS);
    let mut notes = Vec::new();
    for incident in &run.scenario.incidents {
        let (from, to, name) = match incident {
            scenario::Incident::Outage { span, .. } => (
                span.to,
                span.to + HOUR,
                "first hour after the outage (x mean)",
            ),
            scenario::Incident::Revocation { at, renew_by, .. } => {
                (*at, *renew_by, "busiest hour until renewBy (x mean)")
            }
        };
        let hours = load.get(grain_at(from)..grain_at(to).min(load.len()));
        let busiest = busiest_hour(hours.unwrap_or_default());
        notes.push((name, busiest / mean));
        if let scenario::Incident::Revocation { budget, .. } = incident {
            let over = (busiest - budget * mean) / (budget * mean).sqrt();
            notes.push(("busiest hour over the budget (in sigma of a count)", over));
        }
        let after = grain_at(to);
        let week = load.get(after..(after + 7 * 24 * hour_grains).min(load.len()));
        let busiest = busiest_hour(week.unwrap_or_default());
        notes.push((
            "busiest hour of the week after that (x mean)",
            busiest / mean,
        ));
    }
    for (name, value) in notes {
        run.note(name, value);
    }
}

fn busiest_hour(grains: &[f64]) -> f64 {
    let hours = grains.chunks(length(HOUR / GRAIN_SECONDS));
    hours.map(|hour| hour.iter().sum()).fold(0.0, f64::max)
}
