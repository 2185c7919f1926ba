//! Rankings of other servers, for CAs without data.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::policy::ca::CaName;
use crate::domain::publication::prior::Prior;
use crate::domain::time::Timestamp;
use crate::engine::state::memory::Memory;

/// Rankings by the source's name, each with its CA.
#[derive(Debug, Default)]
pub(in crate::engine) struct Priors(Mutex<BTreeMap<String, (CaName, Arc<Prior>)>>);

impl Priors {
    pub(in crate::engine) fn insert(&self, source: &str, ca: &CaName, prior: Prior) {
        let kept = (ca.clone(), Arc::new(prior));
        self.lock().insert(source.to_owned(), kept);
    }

    pub(in crate::engine) fn remove(&self, source: &str) {
        self.lock().remove(source);
    }

    /// Until when a source's ranking is valid.
    pub(in crate::engine) fn valid_until(&self, source: &str) -> Option<Timestamp> {
        let priors = self.lock();
        priors.get(source).map(|(_, prior)| prior.valid_until)
    }

    /// Replaces the profiles of CAs without data by rankings that are valid.
    pub(in crate::engine) fn adopt_into(&self, memory: &Memory, now: Timestamp) {
        let priors = self.lock();
        for (name, prior) in priors
            .values()
            .filter(|(_, prior)| now <= prior.valid_until)
        {
            let cas = memory.config.cas.iter().zip(&memory.cas);
            for (_, ca) in cas.filter(|(policy, _)| policy.name == *name) {
                if let Some(profile) = prior.under(&ca.profile.load()) {
                    ca.profile.store(Arc::new(profile));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (CaName, Arc<Prior>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
