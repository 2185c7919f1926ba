//! Maintenance announced on a status page, in the formats of Statuspage
//! (`/api/v2/scheduled-maintenances.json` and `summary.json`) and status.io (`/1.0/status/PAGE`).

use serde::Deserialize;

use crate::domain::time::{DAY, Span, Timestamp};

/// The most announcements used from a page; a CA has a few.
const MOST_ANNOUNCED: usize = 50;
/// A longer maintenance closes nothing, because the CA is probably not down for all of it.
const LONGEST_SECONDS: i64 = DAY;
/// The longest name, in characters. An incident's name is one line.
const LONGEST_NAME: usize = 100;

/// An announced maintenance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Announced {
    /// Its id on the page.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Its time.
    pub(super) span: Span,
}

/// The maintenance announced on a page.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Read {
    /// Announcements that are not over.
    pub(super) found: Vec<Announced>,
    /// The number of those without an end, or longer than a day.
    pub(super) passed_over: usize,
    /// The number of those that only concern other components.
    pub(super) elsewhere: usize,
    /// Requested components that the page does not list, if it lists any.
    pub(super) unknown: Vec<String>,
}

/// The components whose maintenance closes a CA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// By name or id; if empty, chosen by their names.
    pub(super) components: &'a [String],
    /// The environment of the CA.
    pub(super) environment: &'a str,
}

impl Wanted<'_> {
    /// Whether an announcement for these components applies. Without components it applies to all.
    fn takes(&self, components: &[Component]) -> bool {
        components.is_empty() || components.iter().any(|one| self.is(one))
    }

    /// By default, components whose name suggests issuance. Maintenance of a website, a forum or a
    /// certificate log does not close the CA. A component called staging belongs to another
    /// environment.
    fn is(&self, one: &Component) -> bool {
        let name = one.name.trim().to_lowercase();
        if self.components.is_empty() {
            return name.contains("acme")
                && name.contains("staging") == (self.environment == "staging");
        }
        let is = |wanted: &String| *wanted == one.id || wanted.trim().to_lowercase() == name;
        self.components.iter().any(is)
    }
}

#[derive(Deserialize)]
struct Document {
    scheduled_maintenances: Option<Vec<One>>,
    #[serde(default)]
    components: Vec<Component>,
    result: Option<OfStatusIo>,
}

/// A component of a page.
#[derive(Debug, Deserialize)]
struct Component {
    #[serde(rename = "_id", alias = "id", default)]
    id: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct OfStatusIo {
    maintenance: Maintenance,
    #[serde(default)]
    status: Vec<Component>,
}

#[derive(Deserialize)]
struct Maintenance {
    #[serde(default)]
    active: Vec<One>,
    #[serde(default)]
    upcoming: Vec<One>,
}

/// An announcement, by the names of fields in either format.
#[derive(Deserialize)]
struct One {
    #[serde(rename = "_id", alias = "id")]
    id: String,
    name: String,
    /// Only Statuspage has it.
    #[serde(default)]
    status: String,
    #[serde(rename = "scheduled_for", alias = "datetime_planned_start")]
    from: Option<Timestamp>,
    #[serde(rename = "scheduled_until", alias = "datetime_planned_end")]
    to: Option<Timestamp>,
    #[serde(alias = "components_affected", default)]
    components: Vec<Component>,
}

/// The announcements for these components that are not over.
///
/// # Errors
/// The document is in neither format.
pub(super) fn announced(
    json: &[u8],
    wanted: Wanted<'_>,
    now: Timestamp,
) -> Result<Read, serde_json::Error> {
    let document: Document = serde_json::from_slice(json)?;
    let (all, listed) = one_form(document)?;
    let mut read = Read {
        unknown: unknown(wanted.components, &listed),
        ..Read::default()
    };
    for one in all {
        let span = one.from.zip(one.to).map(|(from, to)| Span { from, to });
        match span {
            Some(span) if span.to <= now => {}
            _ if !wanted.takes(&one.components) => read.elsewhere += 1,
            Some(span)
                if (1..=LONGEST_SECONDS).contains(&span.seconds())
                    && read.found.len() < MOST_ANNOUNCED =>
            {
                read.found.push(Announced {
                    id: plain(&one.id),
                    name: plain(&one.name),
                    span,
                });
            }
            _ => read.passed_over += 1,
        }
    }
    Ok(read)
}

/// The announcements and the listed components of a page.
fn one_form(document: Document) -> Result<(Vec<One>, Vec<Component>), serde_json::Error> {
    match (document.scheduled_maintenances, document.result) {
        (Some(found), _) => {
            let all = found.into_iter().filter(|one| one.status != "completed");
            Ok((all.collect(), document.components))
        }
        (
            None,
            Some(OfStatusIo {
                maintenance,
                status,
            }),
        ) => {
            let Maintenance { active, upcoming } = maintenance;
            Ok((active.into_iter().chain(upcoming).collect(), status))
        }
        (None, None) => Err(serde::de::Error::custom(
            "it has neither scheduled_maintenances nor result.maintenance",
        )),
    }
}

/// Those of `wanted` that are missing, if the page lists components.
fn unknown(wanted: &[String], listed: &[Component]) -> Vec<String> {
    if listed.is_empty() {
        return Vec::new();
    }
    let is_there = |name: &&String| {
        let one = Wanted {
            components: std::slice::from_ref(*name),
            environment: "",
        };
        listed.iter().any(|component| one.is(component))
    };
    wanted
        .iter()
        .filter(|name| !is_there(name))
        .cloned()
        .collect()
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

    const ANY: Wanted<'_> = Wanted {
        components: &[],
        environment: "production",
    };

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
            let read = announced(document.to_string().as_bytes(), ANY, now).unwrap();
            assert_eq!((read.found, read.passed_over), (want.clone(), passed_over));
        }
        assert!(announced(b"{}", ANY, now).is_err());
        assert!(announced(b"<html>", ANY, now).is_err());
    }

    #[test]
    fn maintenance_of_other_components_closes_nothing() {
        let span = |id: &str, components: &[&str]| {
            let of = |name: &&str| json!({"id": format!("id-{name}"), "name": name});
            let components: Vec<_> = components.iter().map(of).collect();
            json!({"id": id, "name": id, "status": "scheduled", "components": components,
                "scheduled_for": "2026-12-01T02:00:00Z", "scheduled_until": "2026-12-01T04:00:00Z"})
        };
        let (live, staging) = (
            "acme-v02.api (Production)",
            "acme-staging-v02.api (Staging)",
        );
        let page = json!({
            "components": [{"id": "id-www", "name": "www"}, {"id": "x", "name": "Portal"}],
            "scheduled_maintenances": [
                span("all", &[]), span("live", &[live]), span("staging", &[staging]),
                span("both", &["www", live]), span("www", &["www"]),
        ]});
        let of = |components: &[&str], environment: &str| {
            let components: Vec<String> = components.iter().map(ToString::to_string).collect();
            let wanted = Wanted {
                components: &components,
                environment,
            };
            let read = announced(
                page.to_string().as_bytes(),
                wanted,
                at("2026-11-28T12:00:00Z"),
            );
            let read = read.unwrap();
            let ids: Vec<String> = read.found.into_iter().map(|one| one.id).collect();
            (ids.join(","), read.elsewhere, read.unknown.join(","))
        };
        let expected =
            |ids: &str, elsewhere, unknown: &str| (ids.to_owned(), elsewhere, unknown.to_owned());
        assert_eq!(of(&[], "production"), expected("all,live,both", 2, ""));
        assert_eq!(of(&[], "staging"), expected("all,staging", 3, ""));
        assert_eq!(of(&["WWW"], "production"), expected("all,both,www", 2, ""));
        assert_eq!(
            of(&["id-www"], "production"),
            expected("all,both,www", 2, "")
        );
        assert_eq!(of(&["wwww"], "production"), expected("all", 4, "wwww"));
    }
}
