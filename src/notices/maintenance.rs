//! Turns maintenance announced on a CA's status page into incidents that close the CA.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::feed::{Announced, Read, Wanted, announced};
use super::fetch::{FetchError, Fetched, Known, fetch};
use crate::config::StatusPageConfig;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind, State};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError, IncidentError, Intent};
use crate::store::{Lease, StoreError, Turn};

/// How often pages are checked for being due.
const LOOKED_EVERY: Duration = Duration::from_secs(1);
/// How often a page is fetched. Maintenance is announced days ahead, and a page serves many
/// readers.
const ASKED_EVERY: Duration = Duration::from_mins(10);
/// The prefix of the names of these incidents, which distinguishes them from manual ones.
const NAME: &str = "announced: ";
/// The note on an incident that was closed automatically.
const GONE: &str = "no longer announced so";

/// Why a page could not be processed.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error("what it says cannot be had: {0}")]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("it is no status page of Statuspage's or status.io's: {0}")]
    Format(#[from] serde_json::Error),
    #[error("an incident cannot be changed: {0}")]
    Incident(#[from] IncidentError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Follows every `[[status_page]]`; does not return.
pub async fn follow(engine: Arc<Engine>) {
    let mut ticks = interval(LOOKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pages = Pages::default();
    loop {
        ticks.tick().await;
        pages.look(&engine).await;
    }
}

/// When each page is fetched next.
#[derive(Debug, Default)]
pub struct Pages(HashMap<StatusPageConfig, Instant>);

impl Pages {
    /// Fetches each page that is due. Failures are logged and tried again at its next turn; until
    /// then existing incidents stay.
    pub async fn look(&mut self, engine: &Arc<Engine>) {
        let config = engine.config();
        self.0.retain(|page, _| config.status_pages.contains(page));
        for page in &config.status_pages {
            let now = Instant::now();
            if self.0.get(page).is_some_and(|due| *due > now) {
                continue;
            }
            self.0.insert(page.clone(), now + ASKED_EVERY);
            let outcome = match read(engine, page).await {
                Ok(()) => "read",
                Err(error) => {
                    tracing::error!(event = "status_page_not_read", ca = %page.ca, %error);
                    "failed"
                }
            };
            let ca = page.ca.to_string();
            metrics::counter!("offpeak_status_page_looks_total", "ca" => ca, "outcome" => outcome)
                .increment(1);
        }
    }
}

async fn read(engine: &Arc<Engine>, page: &StatusPageConfig) -> Result<(), PageError> {
    // Each answer is compared with the incidents, because someone may have changed them.
    let Fetched::New { octets, .. } = fetch(&page.url, &mut Known::default()).await? else {
        return Ok(());
    };
    let now = engine.now();
    let config = engine.config();
    let ca = config.ca_named(page.ca.as_str());
    let wanted = Wanted {
        components: &page.components,
        environment: ca.map_or("", |at| &config.cas[at].environment),
    };
    let Read {
        found,
        passed_over,
        elsewhere,
        unknown,
    } = announced(&octets, wanted, now)?;
    if passed_over > 0 {
        tracing::warn!(event = "maintenance_passed_over", ca = %page.ca, passed_over);
    }
    if elsewhere > 0 {
        tracing::info!(event = "maintenance_elsewhere", ca = %page.ca, elsewhere);
    }
    for component in unknown {
        tracing::warn!(event = "component_unknown", ca = %page.ca, component);
    }
    // Among several processes that read the same page, one changes incidents.
    let Some(_term) = engine
        .store()
        .take_lease(Lease::StatusPages, Turn::Now)
        .await?
    else {
        return Ok(());
    };
    engine.catch_up().await?;
    let known = engine.store().incidents().await?;
    let ours: Vec<&Incident> = known
        .iter()
        .filter(|incident| {
            incident.kind == Kind::Maintenance
                && incident.ca == page.ca
                && incident.name.starts_with(NAME)
        })
        .collect();
    for gone in &ours {
        let is_ahead = gone.to.is_some_and(|to| to > now);
        if gone.is_active() && is_ahead && !found.iter().any(|one| is_of(gone, one)) {
            let closed = Amendment {
                note: Some(Some(GONE.to_owned())),
                ..Amendment::to_state(State::Closed)
            };
            change(engine, gone.id, &closed).await?;
        }
    }
    for one in &found {
        // An incident that we closed because it disappeared may be announced again; one closed by a
        // person stays closed.
        let is_settled = |incident: &&&Incident| {
            let is_ours = incident.state == State::Closed && incident.note.as_deref() == Some(GONE);
            is_of(incident, one) && !is_ours
        };
        match ours.iter().find(is_settled) {
            None => open(engine, page, one, now).await?,
            // Interrupted between drafting and opening it.
            Some(draft) if draft.state == State::Draft => {
                change(engine, draft.id, &Amendment::to_state(State::Open)).await?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn name_of(one: &Announced) -> String {
    format!("{NAME}{} ({})", one.name, one.id)
}

/// Whether an incident matches this announcement as it stands. An open incident keeps its time, so
/// a rescheduled announcement is a new one.
fn is_of(incident: &Incident, one: &Announced) -> bool {
    let span = (Some(one.span.from), Some(one.span.to));
    incident.name.ends_with(&format!(" ({})", one.id)) && (incident.from, incident.to) == span
}

async fn open(
    engine: &Arc<Engine>,
    page: &StatusPageConfig,
    one: &Announced,
    now: Timestamp,
) -> Result<(), PageError> {
    let mut draft = Incident::draft(Kind::Maintenance, page.ca.clone(), name_of(one), now);
    (draft.from, draft.to) = (Some(one.span.from), Some(one.span.to));
    let made = engine.create_incident(draft, Intent::InEarnest).await?;
    change(engine, made.incident.id, &Amendment::to_state(State::Open)).await
}

async fn change(engine: &Arc<Engine>, id: i64, amendment: &Amendment) -> Result<(), PageError> {
    engine
        .amend_incident(id, amendment, Intent::InEarnest)
        .await?;
    Ok(())
}
