//! The progress of incidents.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::error::IncidentError;
use crate::domain::moves::incident::Incident;
use crate::engine::blocking::run_blocking;
use crate::engine::index::mark;
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;

/// An incident, and the progress of the certificates whose windows it moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// How many of the moved certificates have been polled since, as seen by this process.
    pub polled_since: u64,
    /// How many of the moved certificates are replaced.
    pub replaced: u64,
}

/// The certificates that an incident was the last to move.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    moved: u64,
    /// How many of them have been polled since.
    polled: u64,
    /// How many of them are replaced.
    replaced: u64,
}

type Counts = HashMap<u32, Count>;

impl Engine {
    /// All incidents, newest first.
    ///
    /// # Errors
    /// [`IncidentError::Engine`].
    pub async fn incidents(&self) -> Result<Vec<Progress>, IncidentError> {
        let incidents = self.store().incidents().await?;
        self.progress_of_all(incidents).await
    }

    /// One incident.
    ///
    /// # Errors
    /// [`IncidentError::Unknown`]; [`IncidentError::Engine`].
    pub async fn incident(&self, id: i64) -> Result<Progress, IncidentError> {
        let incident = self.incident_stored(id).await?;
        self.progress(incident).await
    }

    /// The progress of an incident.
    ///
    /// # Errors
    /// [`IncidentError::Engine`].
    pub async fn progress(&self, incident: Incident) -> Result<Progress, IncidentError> {
        let id = incident.id;
        let progress_of_all = self.progress_of_all(vec![incident]).await?;
        progress_of_all
            .into_iter()
            .next()
            .ok_or(IncidentError::Unknown(id))
    }

    /// The number of certificates that have the window given by an incident, moved by any process.
    pub(super) async fn moved_by(&self, id: i64) -> Result<u64, IncidentError> {
        let memory = self.memory();
        let counts = run_blocking(move || counts(&memory)).await?;
        Ok(counts.get(&mark(id)).map_or(0, |count| count.moved))
    }

    async fn progress_of_all(
        &self,
        incidents: Vec<Incident>,
    ) -> Result<Vec<Progress>, IncidentError> {
        // Ten million entries take some tenths of a second, so this is done only if necessary, and
        // not on a thread that answers.
        let counts = if incidents.iter().any(|incident| incident.moved > 0) {
            let memory = self.memory();
            run_blocking(move || counts(&memory)).await?
        } else {
            Counts::new()
        };
        Ok(incidents
            .into_iter()
            .map(|incident| {
                let found = counts.get(&mark(incident.id)).copied();
                let found = found.unwrap_or_default();
                Progress {
                    incident,
                    polled_since: found.polled,
                    replaced: found.replaced,
                }
            })
            .collect())
    }
}

fn counts(memory: &Arc<Memory>) -> Counts {
    let mut counts = Counts::new();
    memory.index.each(|entry| {
        if entry.moved_by != 0 {
            let count = counts.entry(entry.moved_by).or_default();
            count.moved += 1;
            count.polled += u64::from(entry.polled_since_move);
            count.replaced += u64::from(entry.replaced);
        }
    });
    counts
}
