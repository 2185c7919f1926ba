//! Unclaimed issuers that have been logged, and when.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::time::{HOUR, Timestamp};

/// An issuer is logged at most once in this time, because certificates may be registered every
/// second.
const LOG_EVERY_SECONDS: i64 = HOUR;

/// Issuers remembered: a CA has a few. Further ones are not logged.
const MOST_ISSUERS: usize = 100;

/// When each issuer was logged.
#[derive(Debug, Default)]
pub(in crate::engine) struct LoggedIssuers {
    logged: Mutex<BTreeMap<KeyIdentifier, Timestamp>>,
}

impl LoggedIssuers {
    pub(in crate::engine) fn is_due(&self, issuer: &KeyIdentifier, now: Timestamp) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        logged.retain(|_, at| now - *at < LOG_EVERY_SECONDS);
        if logged.contains_key(issuer) || logged.len() >= MOST_ISSUERS {
            return false;
        }
        logged.insert(issuer.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_logged_once_an_hour_up_to_a_limit() {
        let issuers = LoggedIssuers::default();
        let now = Timestamp::from_unix(1_795_255_200);
        let issuer = |number: u16| KeyIdentifier::new(&number.to_be_bytes()).unwrap();
        assert!(issuers.is_due(&issuer(0), now));
        assert!(!issuers.is_due(&issuer(0), now + HOUR - 1));
        assert!(issuers.is_due(&issuer(0), now + HOUR));
        let logged = (1..1_000).filter(|number| issuers.is_due(&issuer(*number), now + HOUR));
        assert_eq!(logged.count(), MOST_ISSUERS - 1);
    }
}
