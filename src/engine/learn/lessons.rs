//! What was learned of returns, kept across restarts.

use crate::domain::client::returns::Returns;
use crate::domain::policy::ca::CaName;
use crate::engine::state::memory::Memory;
use crate::store::Learned;

/// The name under which it is stored.
const NAME: &str = "returns";

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

/// What to store of it; `None` if it cannot be written as JSON.
pub(super) fn lesson(ca: &CaName, returns: &Returns) -> Option<Learned> {
    // Only numbers, so it cannot fail; and learning does not depend on storing it.
    let body = serde_json::to_string(returns).ok()?;
    Some(Learned {
        ca: ca.clone(),
        name: NAME.to_owned(),
        body,
    })
}

/// Updates the metrics of how the clients of each class differ from the rule.
pub(super) fn show(ca: &CaName, returns: &Returns) {
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
