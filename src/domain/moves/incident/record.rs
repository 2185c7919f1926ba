//! What is known of an incident.

use serde::{Deserialize, Serialize};

use crate::policy::ca::CaName;
use crate::time::Timestamp;

/// What an incident is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A revocation that revokes nothing: it moves windows all the same.
    Drill,
    /// The CA is closed for a while, once or again and again.
    Maintenance,
    /// The CA was away unasked.
    Outage,
    /// Certificates have to be replaced before a deadline.
    Revocation,
}

/// How far an incident has come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being put together: it moves nothing.
    Draft,
    /// In force.
    Open,
    /// In force, and part of the service is back (an outage).
    Partial,
    /// Over. Windows that it moved stay.
    Closed,
}

/// Something that moves windows for a reason that has a name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its number, from 1 on; 0 until it is stored.
    pub id: i64,
    /// What it is about.
    pub kind: Kind,
    /// Whose.
    pub ca: CaName,
    /// What people call it.
    pub name: String,
    /// When the CA is or was closed: from then …
    pub from: Option<Timestamp>,
    /// … until before then; unknown while an outage lasts.
    pub to: Option<Timestamp>,
    /// Closed from each time that this cron pattern matches (maintenance), for as long as `from`
    /// to `to`.
    pub cron: Option<String>,
    /// The IANA time zone of `cron`.
    pub time_zone: Option<String>,
    /// Every affected certificate is to be replaced before then.
    pub renew_by: Option<Timestamp>,
    /// What subscribers should read (RFC 9773 section 4.2).
    #[serde(rename = "explanationURL")]
    pub explanation_url: Option<String>,
    /// Everybody at once.
    pub urgent: bool,
    /// Certificates an hour at most, the usual load among them.
    pub budget_per_hour: Option<f64>,
    /// Whether the deadline counts for more than the budget.
    pub over_budget: bool,
    /// How far it has come.
    pub state: State,
    /// What its keeper wants to say.
    pub note: Option<String>,
    /// When its end is expected.
    pub estimated_end: Option<Timestamp>,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// When it was opened first.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// How many certificates it concerns.
    pub affected: u64,
    /// How many windows it has moved; one that it moved twice counts once.
    pub moved: u64,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One step of an incident's life.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
}

impl Incident {
    /// A draft that says nothing yet but what it is about.
    #[must_use]
    pub const fn draft(kind: Kind, ca: CaName, name: String, now: Timestamp) -> Self {
        Self {
            id: 0,
            kind,
            ca,
            name,
            from: None,
            to: None,
            cron: None,
            time_zone: None,
            renew_by: None,
            explanation_url: None,
            urgent: false,
            budget_per_hour: None,
            over_budget: false,
            state: State::Draft,
            note: None,
            estimated_end: None,
            created_at: now,
            opened_at: None,
            closed_at: None,
            updated_at: now,
            affected: 0,
            moved: 0,
            steps: Vec::new(),
        }
    }

    /// Whether it is in force: answers that it touches are not to be cached.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, State::Open | State::Partial)
    }

    /// Marks it as changed at `now`, or a second after its last change where that was not before
    /// `now`: no two states of it have the same `updated_at`. When it was changed last until then,
    /// for the store to compare.
    #[must_use]
    pub fn touch(&mut self, now: Timestamp) -> Timestamp {
        let seen_at = self.updated_at;
        self.updated_at = now.max(seen_at + 1);
        seen_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_states_have_the_same_instant() {
        let at = Timestamp::from_unix;
        let mut incident: Incident = serde_json::from_value(serde_json::json!({
            "id": 0, "kind": "drill", "ca": "example", "name": "touched", "urgent": false,
            "overBudget": false, "state": "draft", "createdAt": 100, "updatedAt": 100,
            "affected": 0, "moved": 0, "steps": [],
        }))
        .unwrap();
        for (now, seen_at, updated_at) in [
            (160, 100, 160),
            (160, 160, 161),
            // Faster than the clock, and with a clock set back.
            (160, 161, 162),
            (90, 162, 163),
            (165, 163, 165),
        ] {
            assert_eq!(incident.touch(at(now)), at(seen_at));
            assert_eq!(incident.updated_at, at(updated_at));
        }
    }
}
