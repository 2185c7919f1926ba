//! Plans long outages again.

use super::error::IncidentError;
use super::{Intent, Reach};
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::engine::service::Engine;

impl Engine {
    /// Plans again the outages whose end is still unknown and was assumed to be near: windows that
    /// would open before it are moved again. One of several processes does it.
    ///
    /// # Errors
    /// [`IncidentError`].
    pub async fn replan_outages(&self) -> Result<(), IncidentError> {
        let now = self.now();
        let due: Vec<i64> = self
            .memory()
            .incidents()
            .values()
            .filter(|incident| is_due(incident, now))
            .map(|incident| incident.id)
            .collect();
        for id in due {
            let again = |before: &Incident, now| {
                let mut after = before.clone();
                if !is_due(before, now) {
                    return Ok((after, Reach::Words));
                }
                after.record(now, "still not over: planned again");
                Ok((after, Reach::Windows))
            };
            self.change(id, Intent::InEarnest, again).await?;
        }
        Ok(())
    }
}

fn is_due(incident: &Incident, now: Timestamp) -> bool {
    let again_at = incident.plan_again_at(incident.updated_at);
    again_at.is_some_and(|at| at <= now)
}
