//! Issuers that no configured CA claims, told to the log now and then.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Engine;
use super::verdict;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{HOUR, Timestamp};

/// An issuer is told once in so long: who hands certificates in does it every second.
const TOLD_EVERY_SECONDS: i64 = HOUR;

/// Issuers remembered: a CA has a few. What goes beyond is not told.
const MOST_ISSUERS: usize = 100;

/// Which issuers were told when.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    told: Mutex<BTreeMap<KeyIdentifier, Timestamp>>,
}

impl Engine {
    /// Whether certificates of this issuer fall into the CA `default` though another CA is
    /// configured: probably one of its issuers was forgotten.
    #[must_use]
    pub fn is_unclaimed(&self, issuer: &KeyIdentifier) -> bool {
        let config = &self.world.load().config;
        let is_claimed = |ca: &CaPolicy| ca.issuers.contains(issuer);
        !config.strict_issuers
            && config.cas.iter().any(|ca| !ca.name.is_default())
            && !config.cas.iter().any(is_claimed)
    }

    /// Logs, once an hour, that certificates of an issuer that no CA claims were taken for the CA
    /// `default`.
    pub fn took_unclaimed(&self, issuer: &KeyIdentifier, certificates: u64) {
        if self.unclaimed.is_due(issuer, self.now()) {
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

impl Unclaimed {
    fn is_due(&self, issuer: &KeyIdentifier, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now - *at < TOLD_EVERY_SECONDS);
        if told.contains_key(issuer) || told.len() >= MOST_ISSUERS {
            return false;
        }
        told.insert(issuer.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_told_once_an_hour_and_no_more_than_can_be_kept() {
        let unclaimed = Unclaimed::default();
        let now = Timestamp::from_unix(1_795_255_200);
        let issuer = |number: u16| KeyIdentifier::new(&number.to_be_bytes()).unwrap();
        assert!(unclaimed.is_due(&issuer(0), now));
        assert!(!unclaimed.is_due(&issuer(0), now + HOUR - 1));
        assert!(unclaimed.is_due(&issuer(0), now + HOUR));
        let told = (1..1_000).filter(|number| unclaimed.is_due(&issuer(*number), now + HOUR));
        assert_eq!(told.count(), MOST_ISSUERS - 1);
    }
}
