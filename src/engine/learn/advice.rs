//! Advice about the timers that make a CA's peak.

use serde::Serialize;

use crate::domain::ledger::advice::Advice;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::service::Engine;

/// The result of [`Engine::advice`] for a CA.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceReport {
    /// The CA.
    pub ca: CaName,
    /// When it was made.
    pub generated_at: Timestamp,
    /// `None` if there are less than two days of registrations.
    pub advice: Option<Advice>,
}

impl Engine {
    /// The ticks that make a CA's peak, from registrations and polls; `None` if there is no such
    /// CA.
    #[must_use]
    pub fn advice(&self, ca: &CaName) -> Option<AdviceReport> {
        let memory = self.memory();
        let at = memory.config.ca_named(ca.as_str())?;
        let now = self.now();
        let advice = memory.cas[at].allocator().ledger.advice(now);
        Some(AdviceReport {
            ca: ca.clone(),
            generated_at: now,
            advice,
        })
    }
}
