//! Whether the upstream is there: failures without an answer in between, which open an `outage`
//! incident where that is configured, and the answer after them, which closes it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderValue;

use super::Gateway;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind, State};
use crate::domain::time::Timestamp;
use crate::engine::{IncidentError, Intent};

/// What one process knows of its upstream.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Since when nothing but failures came.
    failing_since: Option<Timestamp>,
    /// The incident that this process opened or found open.
    outage: Option<i64>,
}

impl Watch {
    /// A request came to nothing: no answer, or one that says no more than that it is overloaded or
    /// broken.
    pub(super) fn failed(&self, now: Timestamp) {
        self.seen().failing_since.get_or_insert(now);
    }

    /// The upstream answered.
    pub(super) fn answered(&self) {
        self.seen().failing_since = None;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_seen(&self) -> Seen {
        *self.seen()
    }
}

impl Gateway {
    /// Opens an outage where failures have lasted for as long as is configured, and closes it once the
    /// upstream answers. While it fails it is asked for its directory, so that its return is noticed
    /// where no client comes.
    ///
    /// # Errors
    /// [`IncidentError`]: it is tried again at the next call.
    pub async fn watch(&self) -> Result<(), IncidentError> {
        if self.watch.now_seen().failing_since.is_some() {
            self.probe().await;
        }
        let Seen {
            failing_since,
            outage,
        } = self.watch.now_seen();
        let failing = if failing_since.is_some() { 1.0 } else { 0.0 };
        let name = self.config.name.clone();
        metrics::gauge!("offpeak_gateway_upstream_failing", "gateway" => name).set(failing);
        let Some(after) = self.config.outage_after_seconds else {
            return Ok(());
        };
        let now = self.engine.now();
        match (failing_since, outage) {
            (Some(since), None) if now - since >= after => {
                let id = self.open_outage(since).await?;
                self.watch.seen().outage = Some(id);
            }
            (None, Some(id)) => {
                let closing = Amendment {
                    to: Some(Some(now)),
                    ..Amendment::to_state(State::Closed)
                };
                match self
                    .engine
                    .amend_incident(id, &closing, Intent::InEarnest)
                    .await
                {
                    // Somebody has closed it before.
                    Ok(_) | Err(IncidentError::Unfit(_) | IncidentError::Unknown(_)) => {}
                    Err(error) => return Err(error),
                }
                self.watch.seen().outage = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Asks the upstream for its directory.
    async fn probe(&self) {
        let base_url = self.config.base_url.as_deref();
        let url = base_url.unwrap_or(&self.config.upstream);
        let authority = url.split('/').nth(2).unwrap_or_default();
        let Ok(host) = HeaderValue::try_from(authority) else {
            return;
        };
        let asked = self.upstream.get(self.upstream.directory(), &host).await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            self.watch.answered();
        }
    }

    /// Opens an outage that began then, or finds the one that another process of this gateway's has
    /// opened; its number.
    async fn open_outage(&self, since: Timestamp) -> Result<i64, IncidentError> {
        let name = format!("outage seen by the gateway {}", self.config.name);
        let known = self.engine.store().incidents().await?;
        let same = |known: &&Incident| {
            known.kind == Kind::Outage
                && known.ca == self.config.ca
                && known.name == name
                && known.state != State::Closed
        };
        if let Some(known) = known.iter().find(same) {
            return Ok(known.id);
        }
        let ca = self.config.ca.clone();
        let mut draft = Incident::draft(Kind::Outage, ca, name, self.engine.now());
        draft.from = Some(since);
        let made = self
            .engine
            .create_incident(draft, Intent::InEarnest)
            .await?;
        let id = made.incident.id;
        let open = Amendment::to_state(State::Open);
        self.engine
            .amend_incident(id, &open, Intent::InEarnest)
            .await?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_last_from_the_first_to_the_next_answer() {
        let watch = Watch::default();
        watch.failed(Timestamp::from_unix(5));
        watch.failed(Timestamp::from_unix(9));
        let since = watch.now_seen().failing_since;
        assert_eq!(since, Some(Timestamp::from_unix(5)));
        watch.answered();
        assert_eq!(watch.now_seen().failing_since, None);
    }
}
