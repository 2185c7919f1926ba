//! The record of an incident.

use serde::{Deserialize, Serialize};

use crate::policy::ca::CaName;
use crate::time::Timestamp;

/// The kind of an incident.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A rehearsal of a revocation: nothing is revoked, but windows move.
    Drill,
    /// The CA is closed for a time, once or regularly.
    Maintenance,
    /// The CA was down, unplanned.
    Outage,
    /// Certificates must be replaced before a deadline.
    Revocation,
}

/// The state of an incident.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In preparation; it moves nothing.
    Draft,
    /// In force.
    Open,
    /// In force, with part of the service back (outages only).
    Partial,
    /// Over. Windows that it moved stay where they are.
    Closed,
}

/// An event that moves windows, for a stated reason.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Its number, from 1; 0 until it is stored.
    pub id: i64,
    /// Its kind.
    pub kind: Kind,
    /// Its CA.
    pub ca: CaName,
    /// Its name.
    pub name: String,
    /// The start of the closed time …
    pub from: Option<Timestamp>,
    /// … and its end; unknown while an outage lasts.
    pub to: Option<Timestamp>,
    /// A maintenance recurs at each time that this cron pattern matches, for the length of `from`
    /// to `to`.
    pub cron: Option<String>,
    /// The IANA time zone of `cron`.
    pub time_zone: Option<String>,
    /// The deadline by which every affected certificate should be replaced.
    pub renew_by: Option<Timestamp>,
    /// A page for subscribers (RFC 9773 section 4.2).
    #[serde(rename = "explanationURL")]
    pub explanation_url: Option<String>,
    /// Whether to move all clients at once.
    pub urgent: bool,
    /// At most this many certificates an hour, including the usual load.
    pub budget_per_hour: Option<f64>,
    /// Whether the deadline takes priority over the budget.
    pub over_budget: bool,
    /// Its state.
    pub state: State,
    /// The operator's note.
    pub note: Option<String>,
    /// The expected end.
    pub estimated_end: Option<Timestamp>,
    /// When it was drafted.
    pub created_at: Timestamp,
    /// When it was first opened.
    pub opened_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// How many certificates it affects.
    pub affected: u64,
    /// How many windows it has moved; one that was moved twice counts once.
    pub moved: u64,
    /// The steps taken, in order.
    pub steps: Vec<Step>,
}

/// One step of an incident's life cycle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Step {
    /// The time.
    pub at: Timestamp,
    /// The step, in words.
    pub what: String,
}

impl Incident {
    /// A draft with only a kind.
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

    /// Whether it is in force. Answers that it affects must not be cached then.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.state, State::Open | State::Partial)
    }

    /// Marks it as changed at `now`, or a second after its last change if that was not before
    /// `now`, so that no two versions have the same `updated_at`. Returns the previous
    /// `updated_at`, for the store to compare.
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
            // Changes faster than the clock, and a clock that was set back.
            (160, 161, 162),
            (90, 162, 163),
            (165, 163, 165),
        ] {
            assert_eq!(incident.touch(at(now)), at(seen_at));
            assert_eq!(incident.updated_at, at(updated_at));
        }
    }
}
