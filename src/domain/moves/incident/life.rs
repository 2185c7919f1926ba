//! The life cycle of an incident: draft → open ⇄ partial → closed. Each step is recorded.

use super::check::Invalid;
use super::record::{Incident, Kind, State, Step};
use crate::time::Timestamp;

/// The number of steps kept: one a minute for more than half a day. Older ones are dropped.
const MOST_STEPS: usize = 1_000;

/// A step that the incident's state does not allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAllowed {
    /// A closed incident stays closed.
    #[error(
        "state: the incident is closed and stays so, its windows keep their place: draft another"
    )]
    Closed,
    /// It has already moved windows.
    #[error("state: the incident was opened and has moved windows: close it, it is no draft again")]
    DraftAgain,
    /// Only an open incident can become partial.
    #[error("state: the incident is not open yet, so nothing of it can be back")]
    NotOpen,
    /// Only an outage can be partial.
    #[error("state: only an outage can be partial")]
    NotPartial,
}

impl Incident {
    /// Takes the incident to the state `next` at `at`, and records the step. A draft may open, or
    /// close without having been in force. An open outage may become partial, and open again. An
    /// open or partial incident may close; an outage that closes without a known end ends at `at`.
    /// The current state is not a step and changes nothing.
    ///
    /// # Errors
    /// [`NotAllowed`]; nothing is changed then.
    pub fn advance(&mut self, next: State, at: Timestamp) -> Result<(), NotAllowed> {
        let what = match (self.state, next) {
            (now, next) if now == next => return Ok(()),
            (State::Closed, _) => return Err(NotAllowed::Closed),
            (_, State::Draft) => return Err(NotAllowed::DraftAgain),
            (State::Draft, State::Partial) => return Err(NotAllowed::NotOpen),
            (_, State::Partial) if self.kind != Kind::Outage => return Err(NotAllowed::NotPartial),
            (State::Draft, State::Closed) => "closed, never opened",
            (_, State::Closed) => "closed",
            (_, State::Partial) => "partly back",
            (State::Partial, State::Open) => "down again",
            (_, State::Open) => "opened",
        };
        let what = match &self.note {
            Some(note) => format!("{what}: {note}"),
            None => what.to_owned(),
        };
        if next == State::Open && self.opened_at.is_none() {
            self.opened_at = Some(at);
        }
        if next == State::Closed {
            self.closed_at = Some(at);
            if self.kind == Kind::Outage && self.opened_at.is_some() && self.to.is_none() {
                self.to = self.from.map(|from| at.max(from + 1));
            }
        }
        self.state = next;
        self.record(at, what);
        Ok(())
    }

    /// Records a step.
    pub fn record(&mut self, at: Timestamp, what: impl Into<String>) {
        let what = what.into();
        self.updated_at = at;
        self.steps.push(Step { at, what });
        let surplus = self.steps.len().saturating_sub(MOST_STEPS);
        self.steps.drain(..surplus);
    }

    /// Whether `edited` may replace this one. The CA and the kind never change. Once it was opened,
    /// the fields that moved windows do not change. Once it is closed, only the note changes. The
    /// start and end of an outage, and texts for people, may be corrected until it is closed.
    ///
    /// # Errors
    /// The first field that may not change.
    pub fn allows_edit(&self, edited: &Self) -> Result<(), Invalid> {
        let outage = self.kind == Kind::Outage;
        let always = [
            ("kind", self.kind == edited.kind),
            ("ca", self.ca == edited.ca),
        ];
        let once_opened = [
            ("from", outage || self.from == edited.from),
            ("to", outage || self.to == edited.to),
            ("cron", self.cron == edited.cron),
            ("timeZone", self.time_zone == edited.time_zone),
            ("renewBy", self.renew_by == edited.renew_by),
            ("urgent", self.urgent == edited.urgent),
            (
                "budgetPerHour",
                self.budget_per_hour == edited.budget_per_hour,
            ),
            ("overBudget", self.over_budget == edited.over_budget),
        ];
        let once_closed = [
            ("name", self.name == edited.name),
            ("from", self.from == edited.from),
            ("to", self.to == edited.to),
            ("estimatedEnd", self.estimated_end == edited.estimated_end),
            (
                "explanationURL",
                self.explanation_url == edited.explanation_url,
            ),
        ];
        kept(&always, "it never changes: draft another")?;
        if self.state != State::Draft {
            kept(
                &once_opened,
                "windows have been moved by it: close this one, draft another",
            )?;
        }
        if self.state == State::Closed {
            kept(&once_closed, "the incident is closed")?;
        }
        Ok(())
    }
}

/// An error for the first field that was changed.
fn kept(fields: &[(&'static str, bool)], reason: &str) -> Result<(), Invalid> {
    match fields.iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(Invalid::new(field, reason)),
        None => Ok(()),
    }
}
