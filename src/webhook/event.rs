//! Events, with ids that are the same in every process.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::config::WebhookConfig;
use crate::domain::math::number::thousandths;
use crate::domain::policy::ca::CaName;
use crate::domain::status::{Standing, Status};
use crate::domain::time::{HOUR, Timestamp};
use crate::engine::Engine;

/// Older changes are not reported: they were reported at the time, or there was no webhook.
const NEWS_FOR_SECONDS: i64 = HOUR;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// `webhook-id`: the same for the same event, so that a receiver can detect duplicates.
    pub(super) id: String,
    /// `type`.
    pub(super) kind: &'static str,
    /// When it happened.
    pub(super) at: Timestamp,
    /// The content of the message.
    pub(super) data: Value,
}

impl Event {
    /// The body of the message.
    pub(super) fn body(&self) -> String {
        json!({ "type": self.kind, "timestamp": self.at, "data": self.data }).to_string()
    }
}

/// The present failure rates above the webhook's threshold.
pub(super) fn breaches(engine: &Engine, hook: &WebhookConfig) -> Vec<Event> {
    let named = hook.ca.as_ref().map(CaName::as_str);
    let found = engine.breaches(named, hook.failure_rate).into_iter();
    found
        .map(|(ca, breach)| Event {
            id: format!("failure-rate_{ca}_{}", breach.since.unix()),
            kind: "ca.failure_rate",
            at: breach.since,
            data: json!({
                "ca": ca, "since": breach.since, "threshold": hook.failure_rate,
                "failureRate": thousandths(breach.share),
            }),
        })
        .collect()
}

/// The published incidents that changed recently.
pub(super) fn incidents(engine: &Engine, ca: Option<&CaName>) -> Vec<Event> {
    let now = engine.now();
    let incident = engine.public_incidents(ca).into_iter();
    incident
        .filter(|incident| now - incident.updated_at < NEWS_FOR_SECONDS)
        .map(|incident| Event {
            id: format!("incident_{}_{}", incident.id, incident.updated_at.unix()),
            kind: "incident.updated",
            at: incident.updated_at,
            data: json!(incident),
        })
        .collect()
}

/// The CAs that are down, and those that recently came back.
#[derive(Debug, Default)]
pub(super) struct Outages {
    down: HashMap<CaName, Event>,
    back: Vec<(CaName, Event)>,
}

impl Outages {
    /// Checks the status of the CAs.
    pub(super) fn look(&mut self, engine: &Engine) {
        let now = engine.now();
        self.back
            .retain(|(_, back)| now - back.at < NEWS_FOR_SECONDS);
        for of in engine.how_cas_are(None) {
            self.take(of.ca, &of.standing, now);
        }
    }

    fn take(&mut self, ca: CaName, standing: &Standing, now: Timestamp) {
        match standing.status {
            Status::Down => {
                let down = || down(&ca, standing, now);
                self.down.entry(ca.clone()).or_insert_with(down);
            }
            // It is not known to be back.
            Status::Unknown => {}
            Status::Degraded | Status::Ok => {
                if let Some(was) = self.down.remove(&ca) {
                    let back = back(&ca, &was, standing, now);
                    self.back.push((ca, back));
                }
            }
        }
    }

    /// The events of one CA, or of all.
    pub(super) fn events(&self, ca: Option<&CaName>) -> Vec<Event> {
        let down = self.down.iter();
        let back = self.back.iter().map(|(of, event)| (of, event));
        down.chain(back)
            .filter(|(of, _)| ca.is_none_or(|ca| ca == *of))
            .map(|(_, event)| event.clone())
            .collect()
    }
}

fn down(ca: &CaName, standing: &Standing, now: Timestamp) -> Event {
    let since = standing.since.map_or(0, Timestamp::unix);
    Event {
        id: format!("outage_{ca}_{since}"),
        kind: "ca.outage",
        at: standing.since.unwrap_or(now),
        data: json!({ "ca": ca, "since": standing.since, "reason": standing.reason }),
    }
}

fn back(ca: &CaName, was: &Event, standing: &Standing, now: Timestamp) -> Event {
    Event {
        id: was.id.replacen("outage", "outage-over", 1),
        kind: "ca.outage_over",
        at: now,
        data: json!({
            "ca": ca, "since": was.data["since"], "until": standing.since,
            "status": standing.status, "reason": standing.reason,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: Status, since: i64) -> Standing {
        Standing {
            status,
            since: Some(Timestamp::from_unix(since)),
            reason: String::new(),
            data_through: None,
        }
    }

    #[test]
    fn an_outage_is_sent_once_and_so_is_its_end() {
        let mut outages = Outages::default();
        let now = Timestamp::from_unix(1_000);
        let ids = |outages: &Outages| -> Vec<String> {
            outages
                .events(None)
                .into_iter()
                .map(|event| event.id)
                .collect()
        };
        let ca = CaName::default;
        outages.take(ca(), &standing(Status::Ok, 0), now);
        assert_eq!(ids(&outages), [""; 0]);
        // The outage continues, although its start is computed later.
        outages.take(ca(), &standing(Status::Down, 900), now);
        outages.take(ca(), &standing(Status::Down, 905), now);
        outages.take(ca(), &standing(Status::Unknown, 950), now);
        assert_eq!(ids(&outages), ["outage_default_900"]);
        outages.take(ca(), &standing(Status::Degraded, 990), now);
        assert_eq!(ids(&outages), ["outage-over_default_900"]);
        let other: CaName = "other".parse().unwrap();
        assert_eq!(outages.events(Some(&other)), []);
    }
}
