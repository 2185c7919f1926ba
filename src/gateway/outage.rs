//! If configured, continuous failures open an `outage` incident, and the next answer closes it.

use std::sync::Arc;

use axum::http::HeaderValue;

use super::Gateway;
use super::directory::NoDirectory;
use super::watch::Seen;
use crate::domain::acme::Directory;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::{Incident, Kind, State};
use crate::domain::time::Timestamp;
use crate::engine::{IncidentError, Intent};

impl Gateway {
    /// Opens an outage when failures have lasted for the configured time, and closes it when the
    /// upstream answers. During failures the directory is fetched regularly, so that recovery is
    /// noticed even without clients.
    ///
    /// # Errors
    /// [`IncidentError`]; the next call tries again.
    pub async fn watch(&self) -> Result<(), IncidentError> {
        if self.config.outage_after_seconds.is_some() && !self.watch.now_seen().looked {
            self.take_up().await?;
        }
        if self.watch.now_seen().failing_since.is_some() {
            self.probe().await;
        }
        if self.endpoints.load().is_empty() {
            self.learn().await;
        }
        let Seen {
            failing_since,
            outage,
            ..
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
                    // Someone has closed it already.
                    Ok(_) | Err(IncidentError::Unfit(_) | IncidentError::Unknown(_)) => {}
                    Err(error) => return Err(error),
                }
                self.watch.seen().outage = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes over the outage that a previous process left open, and assumes that the upstream fails
    /// until it answers.
    async fn take_up(&self) -> Result<(), IncidentError> {
        let open = self.known_outage().await?;
        let mut seen = self.watch.seen();
        seen.looked = true;
        if open.is_some() {
            seen.outage = open;
            seen.failing_since.get_or_insert_with(|| self.engine.now());
        }
        Ok(())
    }

    /// Checks whether the upstream is back.
    async fn probe(&self) {
        if self.upstream_directory().await.is_ok() {
            self.watch.answered();
        }
    }

    /// Fetches the directory before a client asks for it, to learn its paths. Until then requests
    /// are recognised only by their content. The reason for a failure is logged once.
    async fn learn(&self) {
        match self.upstream_directory().await {
            Ok(directory) => {
                if let Some(more) = self.endpoints.load().with(&directory) {
                    self.endpoints.store(Arc::new(more));
                }
            }
            Err(error) => {
                let error = error.to_string();
                if self.watch.is_news(&error) {
                    let upstream = &self.config.upstream;
                    tracing::warn!(
                        event = "upstream_unknown",
                        gateway = self.config.name,
                        upstream,
                        error
                    );
                }
            }
        }
    }

    async fn upstream_directory(&self) -> Result<Directory, NoDirectory> {
        let base_url = self.config.base_url.as_deref();
        let url = base_url.unwrap_or(&self.config.upstream);
        let authority = url.split('/').nth(2).unwrap_or_default();
        // The host of the configured URL is a valid header value.
        let host =
            HeaderValue::try_from(authority).unwrap_or(HeaderValue::from_static("localhost"));
        self.upstream.ask_directory(&host).await
    }

    /// The name of an incident opened here.
    fn outage_name(&self) -> String {
        format!("outage seen by the gateway {}", self.config.name)
    }

    /// The number of the outage that a process of this gateway has opened and that is not closed.
    async fn known_outage(&self) -> Result<Option<i64>, IncidentError> {
        let name = self.outage_name();
        let known = self.engine.store().incidents().await?;
        let same = |known: &&Incident| {
            known.kind == Kind::Outage
                && known.ca == self.config.ca
                && known.name == name
                && known.state != State::Closed
        };
        Ok(known.iter().find(same).map(|known| known.id))
    }

    /// Opens an outage that began at `since`, or finds the one opened by another process of this
    /// gateway; returns its number.
    async fn open_outage(&self, since: Timestamp) -> Result<i64, IncidentError> {
        if let Some(known) = self.known_outage().await? {
            return Ok(known);
        }
        let name = self.outage_name();
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
