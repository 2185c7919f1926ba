//! What a status page announces: as Statuspage has it (`/api/v2/scheduled-maintenances.json` and
//! `summary.json`), and as status.io has it (`/1.0/status/PAGE`).

use serde::Deserialize;

use crate::domain::time::{DAY, Span, Timestamp};

/// What is taken of one page: a CA announces a few.
const MOST_ANNOUNCED: usize = 50;
/// One that is longer closes nothing: somebody means less than that the CA is away for all of it.
const LONGEST_SECONDS: i64 = DAY;
/// Of a name; an incident's is a line.
const LONGEST_NAME: usize = 100;

/// A maintenance that is announced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Announced {
    /// As the page knows it.
    pub(super) id: String,
    /// As people call it.
    pub(super) name: String,
    /// When.
    pub(super) span: Span,
}

#[derive(Deserialize)]
struct Document {
    scheduled_maintenances: Option<Vec<OfStatuspage>>,
    result: Option<OfStatusIo>,
}

#[derive(Deserialize)]
struct OfStatuspage {
    id: String,
    name: String,
    status: String,
    scheduled_for: Option<Timestamp>,
    scheduled_until: Option<Timestamp>,
}

#[derive(Deserialize)]
struct OfStatusIo {
    maintenance: Maintenance,
}

#[derive(Deserialize)]
struct Maintenance {
    #[serde(default)]
    active: Vec<Planned>,
    #[serde(default)]
    upcoming: Vec<Planned>,
}

#[derive(Deserialize)]
struct Planned {
    #[serde(rename = "_id", alias = "id")]
    id: String,
    name: String,
    datetime_planned_start: Option<Timestamp>,
    datetime_planned_end: Option<Timestamp>,
}

/// What is announced and not over, with how many were passed over because they have no end or last for
/// longer than a day.
///
/// # Errors
/// Where this is neither of both forms.
pub(super) fn announced(
    json: &[u8],
    now: Timestamp,
) -> Result<(Vec<Announced>, usize), serde_json::Error> {
    let document: Document = serde_json::from_slice(json)?;
    let all: Vec<(String, String, Option<Timestamp>, Option<Timestamp>)> =
        match (document.scheduled_maintenances, document.result) {
            (Some(found), _) => found
                .into_iter()
                .filter(|one| one.status != "completed")
                .map(|one| (one.id, one.name, one.scheduled_for, one.scheduled_until))
                .collect(),
            (None, Some(result)) => result
                .maintenance
                .active
                .into_iter()
                .chain(result.maintenance.upcoming)
                .map(|one| {
                    (
                        one.id,
                        one.name,
                        one.datetime_planned_start,
                        one.datetime_planned_end,
                    )
                })
                .collect(),
            (None, None) => {
                return Err(serde::de::Error::custom(
                    "it has neither scheduled_maintenances nor result.maintenance",
                ));
            }
        };
    let (mut found, mut passed_over) = (Vec::new(), 0);
    for (id, name, from, to) in all {
        let span = from.zip(to).map(|(from, to)| Span { from, to });
        match span {
            Some(span) if span.to <= now => {}
            Some(span)
                if (1..=LONGEST_SECONDS).contains(&span.seconds())
                    && found.len() < MOST_ANNOUNCED =>
            {
                found.push(Announced {
                    id: plain(&id),
                    name: plain(&name),
                    span,
                });
            }
            _ => passed_over += 1,
        }
    }
    Ok((found, passed_over))
}

/// A short line without control characters.
fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn both_forms_are_read() {
        let statuspage = json!({"page": {"id": "p"}, "scheduled_maintenances": [
            {"id": "a", "name": "new\nHSM", "status": "scheduled", "impact": "maintenance",
             "scheduled_for": "2026-12-01T02:00:00.000Z", "scheduled_until": "2026-12-01T04:00:00.000Z"},
            {"id": "b", "name": "done", "status": "completed",
             "scheduled_for": "2026-12-01T02:00:00Z", "scheduled_until": "2026-12-01T04:00:00Z"},
            {"id": "c", "name": "a week", "status": "scheduled",
             "scheduled_for": "2026-12-01T02:00:00Z", "scheduled_until": "2026-12-08T02:00:00Z"},
            {"id": "d", "name": "open end", "status": "in_progress",
             "scheduled_for": "2026-12-01T02:00:00Z", "scheduled_until": null},
        ]});
        let status_io = json!({"result": {"status_overall": {"status": "Operational"}, "maintenance": {
            "active": [{"_id": "x", "name": "over", "datetime_planned_start": "2026-11-01T02:00:00Z",
                "datetime_planned_end": "2026-11-01T04:00:00Z"}],
            "upcoming": [{"_id": "a", "name": "newHSM", "datetime_planned_start": "2026-12-01T02:00:00+00:00",
                "datetime_planned_end": "2026-12-01T04:00:00+00:00"}]}}});
        let now = at("2026-11-28T12:00:00Z");
        let want = vec![Announced {
            id: "a".to_owned(),
            name: "newHSM".to_owned(),
            span: Span {
                from: at("2026-12-01T02:00:00Z"),
                to: at("2026-12-01T04:00:00Z"),
            },
        }];
        for (document, passed_over) in [(statuspage, 2), (status_io, 0)] {
            let read = announced(document.to_string().as_bytes(), now).unwrap();
            assert_eq!(read, (want.clone(), passed_over));
        }
        assert!(announced(b"{}", now).is_err());
        assert!(announced(b"<html>", now).is_err());
    }
}
