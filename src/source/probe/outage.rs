//! Opens an `outage` incident when enough observers see a CA down, and closes it when they see it
//! back.

use super::super::progress::SourceError;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind, State};
use crate::domain::policy::ca::CaName;
use crate::domain::status::quorum::{Verdict, verdict};
use crate::domain::time::MINUTE;
use crate::engine::{Engine, IncidentError, Intent};

/// The name of the incident; there is at most one at a time.
const NAME: &str = "outage seen by observers";

/// Opens an outage if at least `quorum` observers see the CA down, and closes it when most of them
/// see it back.
///
/// # Errors
/// [`SourceError`]; the next round tries again.
pub async fn watch(engine: &Engine, ca: &CaName, quorum: usize) -> Result<(), SourceError> {
    engine.catch_up().await?;
    let Some(live) = engine.live_with_this_minute(ca) else {
        return Ok(());
    };
    let open = open_outage(engine, ca).await?;
    let done = match (verdict(&live, quorum), open) {
        (Verdict::Away, None) => {
            let now = engine.now();
            let mut draft = Incident::draft(Kind::Outage, ca.clone(), NAME.to_owned(), now);
            // The first of the two failing minutes began then.
            draft.from = Some(now - now.second_of_day() % MINUTE - MINUTE);
            let made = engine.create_incident(draft, Intent::InEarnest).await;
            match made {
                Ok(made) => {
                    let open = Amendment::to_state(State::Open);
                    let id = made.incident.id;
                    engine
                        .amend_incident(id, &open, Intent::InEarnest)
                        .await
                        .map(drop)
                }
                Err(error) => Err(error),
            }
        }
        (Verdict::There, Some(id)) => {
            let closing = Amendment {
                to: Some(Some(engine.now())),
                ..Amendment::to_state(State::Closed)
            };
            engine
                .amend_incident(id, &closing, Intent::InEarnest)
                .await
                .map(drop)
        }
        _ => Ok(()),
    };
    match done {
        // Another process has opened or closed it.
        Ok(()) | Err(IncidentError::Unfit(_) | IncidentError::Unknown(_)) => Ok(()),
        Err(error) => Err(SourceError::Wrong(error.to_string())),
    }
}

async fn open_outage(engine: &Engine, ca: &CaName) -> Result<Option<i64>, SourceError> {
    let known = engine.store().incidents().await?;
    let ours = |known: &&Incident| {
        known.kind == Kind::Outage
            && known.ca == *ca
            && known.name == NAME
            && known.state != State::Closed
    };
    Ok(known.iter().find(ours).map(|known| known.id))
}
