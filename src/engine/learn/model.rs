//! A CA's model, its evidence and its back-test.

use std::sync::PoisonError;

use crate::domain::demand::backtest::BackTest;
use crate::domain::demand::profile::Profile;
use crate::domain::demand::series::trust::Disagreement;
use crate::domain::policy::ca::CaName;
use crate::domain::status::ReportingSource;
use crate::domain::time::Timestamp;
use crate::engine::service::Engine;

/// The result of [`Engine::model`].
#[derive(Clone, Debug)]
pub struct Model {
    /// When it was made.
    pub generated_at: Timestamp,
    /// The profile learned by then, or by the configured `learn_until`.
    pub profile: Profile,
    /// Until when it learns; `None` for no limit.
    pub learn_until: Option<Timestamp>,
    /// The sources of the load.
    pub sources: Vec<ReportingSource>,
    /// How far comparable sources differ.
    pub disagreements: Vec<Disagreement>,
    /// How good its forecasts for the last weeks would have been.
    pub backtest: BackTest,
}

impl Engine {
    /// The model of a CA, learned now, with the back-test of its last `weeks` weeks; `None` if
    /// there is no such CA.
    #[must_use]
    pub fn model(&self, ca: &CaName, weeks: i64) -> Option<Model> {
        let memory = self.memory();
        let at = memory.config.ca_named(ca.as_str())?;
        let in_force = memory.in_force();
        let policy = &in_force.policies[at];
        let excluded = memory.untaught(ca);
        let now = self.now();
        let until = policy.learn_until.map_or(now, |until| now.min(until));
        let series = memory.cas[at].series.read();
        let series = series.unwrap_or_else(PoisonError::into_inner).clone();
        Some(Model {
            generated_at: now,
            profile: Profile::learn(&series, until, policy.slot_seconds, &excluded),
            learn_until: policy.learn_until,
            sources: series.sources(now),
            disagreements: series.disagreements(now),
            backtest: BackTest::of(&series, until, &excluded, weeks),
        })
    }
}
