//! When unsteered certificates return: learned once an hour.

use super::lessons::{lesson, show};
use crate::domain::client::returns::Returns;
use crate::domain::policy::ca::CaName;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::store::Learned;

impl Engine {
    /// When unsteered certificates of a CA return.
    #[must_use]
    pub fn returns(&self, ca: &CaName) -> Option<Returns> {
        let memory = self.memory();
        memory
            .ca(ca)
            .map(|ca| ca.allocator().ledger.returns.clone())
    }

    /// Learns when unsteered certificates return, for every CA: some hundredths of a second of
    /// computation each. Returns what changed, for storing it.
    #[must_use]
    pub fn learn_returns(&self) -> Vec<Learned> {
        let now = self.now();
        let memory = self.memory();
        let cas = memory.cas.iter().zip(&memory.config.cas);
        cas.filter_map(|(ca, policy)| {
            // Registrations wait while the ledger is copied, but not while it is learned.
            let (history, known) = {
                let allocator = ca.allocator();
                let history = allocator
                    .ledger
                    .history(now, &memory.untaught(&policy.name));
                (history, allocator.ledger.returns.clone())
            };
            let returns = Returns::learn(&history, &known);
            show(&policy.name, &returns);
            let lesson = (known != returns)
                .then(|| lesson(&policy.name, &returns))
                .flatten();
            ca.allocator().ledger.returns = returns;
            lesson
        })
        .collect()
    }

    /// Stores what was learned for the next start.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn keep(&self, lessons: &[Learned]) -> Result<(), EngineError> {
        for lesson in lessons {
            self.store().set_learned(lesson, self.now()).await?;
        }
        Ok(())
    }
}
