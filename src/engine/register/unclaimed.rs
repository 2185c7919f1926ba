//! Issuers that no configured CA claims, logged from time to time.

use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::policy::ca::CaPolicy;
use crate::engine::service::Engine;
use crate::engine::verdict;

impl Engine {
    /// Whether certificates of this issuer belong to the CA `default` although another CA is
    /// configured. Probably one of that CA's issuers is missing.
    #[must_use]
    pub fn is_unclaimed(&self, issuer: &KeyIdentifier) -> bool {
        let config = &self.memory.load().config;
        let is_claimed = |ca: &CaPolicy| ca.issuers.contains(issuer);
        !config.strict_issuers
            && config.cas.iter().any(|ca| !ca.name.is_default())
            && !config.cas.iter().any(is_claimed)
    }

    /// Logs, at most once an hour, that certificates of an unclaimed issuer were registered for the
    /// CA `default`.
    pub fn took_unclaimed(&self, issuer: &KeyIdentifier, certificates: u64) {
        if self.logged_issuers.is_due(issuer, self.now()) {
            let verdict::Unclaimed {
                key_identifier,
                certificates,
                detail,
            } = verdict::Unclaimed::new(issuer, certificates);
            tracing::warn!(
                event = "unclaimed_issuer",
                key_identifier,
                certificates,
                detail
            );
        }
    }
}
