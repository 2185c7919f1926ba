//! Rankings of others, for CAs of which nothing is known.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Engine;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::prior::Prior;

/// What sources brought, by their names: for which CA, and the ranking.
#[derive(Debug, Default)]
pub(super) struct Priors(Mutex<BTreeMap<String, (CaName, Arc<Prior>)>>);

impl Engine {
    /// Takes a ranking as what is expected of a CA, until something is known of it.
    pub fn set_prior(&self, source: &str, ca: &CaName, prior: Prior) {
        let kept = (ca.clone(), Arc::new(prior));
        self.with_priors(|priors| priors.insert(source.to_owned(), kept));
        self.adopt_priors();
    }

    pub(super) fn drop_prior(&self, source: &str) {
        self.with_priors(|priors| priors.remove(source));
    }

    /// Puts rankings of others in the place of profiles that know nothing.
    pub(super) fn adopt_priors(&self) {
        let priors = self.with_priors(|priors| priors.clone());
        let world = self.world();
        for (name, prior) in priors.values() {
            let cas = world.config.cas.iter().zip(&world.cas);
            for (_, ca) in cas.filter(|(policy, _)| policy.name == *name) {
                if let Some(profile) = prior.under(&ca.profile.load()) {
                    ca.profile.store(Arc::new(profile));
                }
            }
        }
    }

    fn with_priors<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, (CaName, Arc<Prior>)>) -> T,
    ) -> T {
        change(&mut self.priors.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
