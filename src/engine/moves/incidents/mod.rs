//! Incidents (`docs/incidents.md`): drafted, loaded, opened, edited, closed.

use serde::Serialize;

use crate::domain::client::reach::Unreached;
use crate::domain::moves::amendment::{Amendment, moves_otherwise};
use crate::domain::moves::incident::{HourLoad, Incident, Kind, State};
use crate::domain::time::Timestamp;
use crate::engine::service::Engine;

mod error;
mod load;
mod moving;
mod progress;
mod replan;
mod revoked;
mod survey;
mod walk;

pub use error::IncidentError;
pub use load::Added;
pub use progress::Progress;

use survey::Survey;
use walk::names_certificates;

/// How often a change is tried again after a conflict with another change. Each try reads the
/// incident again, and changes are rare.
const MOST_TRIES: usize = 8;

/// Whether a change is made or only previewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intent {
    /// Nothing is stored or moved; the answer shows what would be.
    DryRun,
    /// The change is made.
    InEarnest,
}

/// What a change of an incident affects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    /// Windows must be planned again.
    Windows,
    /// Only its texts.
    Words,
}

/// What a change moves, or would move, and the resulting load.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreseen {
    /// Windows to be moved.
    pub to_move: u64,
    /// Windows that may stay where they are.
    pub stays: u64,
    /// Among the affected clients whose windows were not moved before: how many do not learn of it
    /// in time.
    #[serde(flatten)]
    pub unreached: Unreached,
    /// The load by hour, rounded to a tenth of a certificate; more digits would be noise.
    pub hours: Vec<HourLoad>,
}

/// The result of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Amended {
    /// The incident as it is now, or would be.
    pub incident: Incident,
    /// What moves, if anything does.
    pub foreseen: Option<Foreseen>,
}

impl Engine {
    /// Drafts an incident: it is stored and moves nothing. A dry run stores nothing, and reports
    /// what opening it would move.
    ///
    /// # Errors
    /// [`IncidentError::Invalid`] names the field; [`IncidentError::Refused`] from a dry run.
    pub async fn create_incident(
        &self,
        draft: Incident,
        intent: Intent,
    ) -> Result<Amended, IncidentError> {
        self.wait_until_ready().await?;
        let now = self.now();
        draft.validate(now)?;
        let mut incident = draft;
        incident.record(now, "drafted");
        if intent == Intent::DryRun {
            let mut opened = incident.clone();
            opened.advance(State::Open, now)?;
            let subject = self.subject(&opened)?;
            let survey = self.survey(&subject).await?;
            incident.affected = survey.affected(&incident);
            let unreached = self.unreached_by(&subject, &survey).await?;
            return Ok(Amended {
                incident,
                foreseen: Some(survey.foreseen(unreached)),
            });
        }
        self.subject(&incident)?;
        incident.id = self.store().create_incident(&incident).await?;
        self.catch_up().await?;
        tracing::info!(
            event = "incident_drafted",
            incident = incident.id,
            kind = word(incident.kind),
            ca = incident.ca.as_str(),
        );
        Ok(Amended {
            incident,
            foreseen: None,
        })
    }

    /// Changes an incident, opens it, or closes it; its windows have moved when this returns.
    /// Opening an open incident resumes an interrupted opening.
    ///
    /// # Errors
    /// [`IncidentError`]. If it was refused or is invalid, nothing has changed.
    pub async fn amend_incident(
        &self,
        id: i64,
        amendment: &Amendment,
        intent: Intent,
    ) -> Result<Amended, IncidentError> {
        let next = |before: &Incident, now| {
            let after = amended(before, amendment, now)?;
            let reach = reach(before, &after, amendment);
            Ok((after, reach))
        };
        self.change(id, intent, next).await
    }

    /// Changes an incident to the result of `next`, and moves windows accordingly.
    async fn change(
        &self,
        id: i64,
        intent: Intent,
        next: impl Fn(&Incident, Timestamp) -> Result<(Incident, Reach), IncidentError> + Send + Sync,
    ) -> Result<Amended, IncidentError> {
        self.wait_until_ready().await?;
        for _ in 0..MOST_TRIES {
            let before = self.incident_stored(id).await?;
            let now = self.now();
            let (mut after, reach) = next(&before, now)?;
            let subject = self.subject(&after)?;
            let survey = match reach {
                Reach::Windows => Some(self.survey(&subject).await?),
                Reach::Words => None,
            };
            if let Some(survey) = &survey {
                after.affected = survey.affected(&after);
                after.moved = after.moved.max(survey.already);
            }
            if intent == Intent::DryRun {
                let mut foreseen = None;
                if let Some(survey) = &survey {
                    let unreached = self.unreached_by(&subject, survey).await?;
                    foreseen = Some(survey.foreseen(unreached));
                }
                return Ok(Amended {
                    incident: after,
                    foreseen,
                });
            }
            after.updated_at = before.updated_at;
            let seen_at = after.touch(now);
            if !self.store().update_incident(&after, seen_at).await? {
                continue;
            }
            // From now on new windows avoid what it closes.
            self.catch_up().await?;
            announce(&before, &after);
            let mut foreseen = None;
            if let Some(survey) = survey {
                let moved = self.move_all(&subject, &survey).await?;
                let Unreached { too_late, silent } = moved.unreached;
                tracing::info!(
                    event = "incident_moved",
                    incident = id,
                    windows = moved.windows,
                    too_late,
                    silent,
                );
                foreseen = Some(survey.foreseen(moved.unreached));
                after = self.incident_stored(id).await?;
            }
            return Ok(Amended {
                incident: after,
                foreseen,
            });
        }
        Err(IncidentError::Contended)
    }

    /// Changes an incident, repeating the change if others change it at the same time.
    async fn revise(
        &self,
        id: i64,
        change: impl Fn(&mut Incident) + Send,
    ) -> Result<Incident, IncidentError> {
        for _ in 0..MOST_TRIES {
            let mut incident = self.incident_stored(id).await?;
            change(&mut incident);
            let seen_at = incident.touch(self.now());
            if self.store().update_incident(&incident, seen_at).await? {
                return Ok(incident);
            }
        }
        Err(IncidentError::Contended)
    }

    async fn incident_stored(&self, id: i64) -> Result<Incident, IncidentError> {
        let incidents = self.store().incidents().await?;
        incidents
            .into_iter()
            .find(|incident| incident.id == id)
            .ok_or(IncidentError::Unknown(id))
    }
}

impl Survey {
    /// The report of what moves.
    fn foreseen(&self, unreached: Unreached) -> Foreseen {
        Foreseen {
            unreached,
            to_move: self.plan.to_move,
            stays: self.plan.stays + self.already,
            hours: self.plan.hours().iter().map(rounded).collect(),
        }
    }

    /// The number of affected certificates: those named or with windows in it, plus those that had
    /// such windows and were moved out.
    fn affected(&self, incident: &Incident) -> u64 {
        if names_certificates(incident.kind) {
            incident.affected
        } else {
            incident.affected.max(incident.moved + self.concerned)
        }
    }
}

/// The incident after the requested change.
fn amended(
    before: &Incident,
    amendment: &Amendment,
    now: Timestamp,
) -> Result<Incident, IncidentError> {
    let mut after = amendment.applied_to(before);
    before
        .allows_edit(&after)
        .map_err(|fault| IncidentError::Unfit(format!("`{}` {}", fault.field, fault.reason)))?;
    let edited = after != *before;
    let opens = amendment.state == Some(State::Open);
    // A past deadline does not invalidate an incident that was opened before it.
    let judged_at = before.opened_at.filter(|_| !opens).unwrap_or(now);
    after.validate(judged_at)?;
    match amendment.state {
        Some(state) if state != before.state => after.advance(state, now)?,
        Some(State::Open) => after.record(now, "opened again"),
        _ if edited => after.record(now, "edited"),
        _ => {}
    }
    Ok(after)
}

/// What a change affects. Windows move when it is opened or opened again, when a change in force
/// affects what it closes or requires, and when an outage is closed, because its end is then known.
fn reach(before: &Incident, after: &Incident, amendment: &Amendment) -> Reach {
    let opens = amendment.state == Some(State::Open);
    let edits = after.is_active() && moves_otherwise(before, after);
    let ends = after.kind == Kind::Outage && before.is_active() && after.state == State::Closed;
    if opens || edits || ends {
        Reach::Windows
    } else {
        Reach::Words
    }
}

fn announce(before: &Incident, after: &Incident) {
    let (incident, kind, ca) = (after.id, word(after.kind), after.ca.as_str());
    match (before.state, after.state) {
        (before, after) if before == after => {
            tracing::info!(event = "incident_changed", incident, kind, ca);
        }
        (_, State::Closed) => tracing::info!(event = "incident_closed", incident, kind, ca),
        (_, State::Draft | State::Open) => {
            tracing::info!(event = "incident_opened", incident, kind, ca);
        }
        (_, State::Partial) => tracing::info!(event = "incident_partial", incident, kind, ca),
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Drill => "drill",
        Kind::Maintenance => "maintenance",
        Kind::Outage => "outage",
        Kind::Revocation => "revocation",
    }
}

fn rounded(hour: &HourLoad) -> HourLoad {
    let tenths = |load: f64| (load * 10.0).round() / 10.0;
    HourLoad {
        normal: tenths(hour.normal),
        returning: tenths(hour.returning),
        moved: tenths(hour.moved),
        ..*hour
    }
}
