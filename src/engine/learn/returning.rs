//! When unsteered certificates return: learned once an hour, and kept across restarts.

use crate::domain::client::returns::Returns;
use crate::domain::policy::ca::CaName;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;
use crate::store::Learned;

/// The name under which it is stored.
const NAME: &str = "returns";

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

/// Restores what was learned before the start.
pub(in crate::engine) fn recall(memory: &Memory, lessons: &[Learned]) {
    for lesson in lessons.iter().filter(|lesson| lesson.name == NAME) {
        let Some(ca) = memory.ca(&lesson.ca) else {
            continue;
        };
        match serde_json::from_str::<Returns>(&lesson.body) {
            Ok(returns) => {
                show(&lesson.ca, &returns);
                ca.allocator().ledger.returns = returns;
            }
            Err(error) => {
                let ca = lesson.ca.as_str();
                tracing::warn!(event = "lesson_unreadable", ca, lesson = NAME, %error);
            }
        }
    }
}

fn lesson(ca: &CaName, returns: &Returns) -> Option<Learned> {
    // Only numbers, so it cannot fail; and learning does not depend on storing it.
    let body = serde_json::to_string(returns).ok()?;
    Some(Learned {
        ca: ca.clone(),
        name: NAME.to_owned(),
        body,
    })
}

/// Updates the metrics of how the clients of each class differ from the rule.
fn show(ca: &CaName, returns: &Returns) {
    for (class, habit) in returns.learned() {
        let set = |name: &'static str, value: f64| {
            let labels = [
                ("ca", ca.as_str().to_owned()),
                ("life_class", class.to_string()),
            ];
            metrics::gauge!(name, &labels).set(value);
        };
        set(
            "offpeak_returns_delay_hours",
            habit.mean_delay_seconds() / 3_600.0,
        );
        set("offpeak_returns_learned_ratio", habit.learned());
        set("offpeak_returns_share_ratio", habit.share());
    }
}
