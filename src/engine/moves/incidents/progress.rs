//! How incidents stand.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::IncidentError;
use crate::domain::moves::incident::Incident;
use crate::engine::blocking::run_blocking;
use crate::engine::index::mark;
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;

/// An incident, and how far those have come whose windows it moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The incident.
    pub incident: Incident,
    /// How many of those that it moved were asked for since, as far as this process has seen.
    pub polled_since: u64,
    /// How many of those that it moved are replaced.
    pub replaced: u64,
}

/// The certificates that an incident moved last.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    moved: u64,
    /// Those of them that were polled since.
    polled: u64,
    /// Of these: replaced.
    replaced: u64,
}

type Counts = HashMap<u32, Count>;

impl Engine {
    /// All incidents, the newest first.
    ///
    /// # Errors
    /// [`IncidentError::Engine`].
    pub async fn incidents(&self) -> Result<Vec<Progress>, IncidentError> {
        let incidents = self.store().incidents().await?;
        self.standings(incidents).await
    }

    /// One incident.
    ///
    /// # Errors
    /// [`IncidentError::Unknown`]; [`IncidentError::Engine`].
    pub async fn incident(&self, id: i64) -> Result<Progress, IncidentError> {
        let incident = self.incident_stored(id).await?;
        self.progress(incident).await
    }

    /// How an incident stands.
    ///
    /// # Errors
    /// [`IncidentError::Engine`].
    pub async fn progress(&self, incident: Incident) -> Result<Progress, IncidentError> {
        let id = incident.id;
        let standings = self.standings(vec![incident]).await?;
        standings
            .into_iter()
            .next()
            .ok_or(IncidentError::Unknown(id))
    }

    /// How many certificates have the window that an incident gave them, whichever process moved
    /// them.
    pub(super) async fn moved_by(&self, id: i64) -> Result<u64, IncidentError> {
        let memory = self.memory();
        let counts = run_blocking(move || counts(&memory)).await?;
        Ok(counts.get(&mark(id)).map_or(0, |count| count.moved))
    }

    async fn standings(&self, incidents: Vec<Incident>) -> Result<Vec<Progress>, IncidentError> {
        // Ten million entries are some tenths of a second: not without need, nor on a thread that
        // answers.
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
            count.polled += u64::from(entry.told);
            count.replaced += u64::from(entry.replaced);
        }
    });
    counts
}
