//! Whose ticks make a CA's peak.

use serde::Serialize;

use crate::domain::ledger::advice::Advice;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::service::Engine;

/// What [`Engine::advice`] says of a CA.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceReport {
    /// The CA.
    pub ca: CaName,
    /// When it was made.
    pub generated_at: Timestamp,
    /// `None`: less than two days are registered.
    pub advice: Option<Advice>,
}

impl Engine {
    /// The ticks that make the peak of a CA, from registrations and polls; `None`: no such CA.
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
