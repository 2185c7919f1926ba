//! Announced bulk events: stored, and included in the forecast of every process within seconds.

use std::sync::Arc;

use crate::domain::policy::ca::CaName;
use crate::domain::policy::planned::Planned;
use crate::domain::time::DAY;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::in_force::InForce;
use crate::engine::state::memory::Memory;
use crate::store::StoredPlanned;

/// A past event is listed for a month, and removed when the next one is announced.
const TOLD_SECONDS: i64 = 30 * DAY;

impl Engine {
    /// Announces an event; returns it as stored. `None` if there are too many.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn announce(
        &self,
        ca: &CaName,
        name: &str,
        event: Planned,
    ) -> Result<Option<StoredPlanned>, EngineError> {
        let now = self.now();
        let mut stored = StoredPlanned {
            id: 0,
            ca: ca.clone(),
            name: name.to_owned(),
            event,
            made_at: now,
        };
        let Some(id) = self.store().announce(&stored, now - TOLD_SECONDS).await? else {
            return Ok(None);
        };
        stored.id = id;
        self.read_planned().await?;
        Ok(Some(stored))
    }

    /// All events, in the order of their start.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn planned(&self) -> Result<Vec<StoredPlanned>, EngineError> {
        Ok(self.store().planned().await?)
    }

    /// Withdraws an event; returns whether it existed.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn withdraw(&self, id: i64) -> Result<bool, EngineError> {
        let was_there = self.store().withdraw(id).await?;
        self.read_planned().await?;
        Ok(was_there)
    }

    /// Updates the forecast to the stored events.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn read_planned(&self) -> Result<(), EngineError> {
        let planned = self.store().planned().await?;
        self.memory().adopt_planned(planned);
        Ok(())
    }
}

impl Memory {
    /// Uses exactly these events and the configured ones. If they have not changed, tables and
    /// outlooks are kept.
    pub(in crate::engine) fn adopt_planned(&self, planned: Vec<StoredPlanned>) {
        let incidents = self.incidents();
        if *self.planned.load_full() == planned {
            return;
        }
        self.planned.store(Arc::new(planned));
        let in_force = InForce::new(&self.config.cas, &incidents, &self.planned.load());
        self.in_force.store(Arc::new(in_force));
    }
}
