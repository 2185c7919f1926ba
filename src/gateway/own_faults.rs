//! Which accounts caused their own failures, and how much these say about the CA. What one or two
//! accounts do wrong says nothing about the CA's status.

use std::collections::{BTreeMap, HashMap};

use crate::domain::math::number::real;
use crate::domain::time::{MINUTE, Timestamp};

/// How long an account's failures are compared with those of others: the time over which a CA's
/// status is evaluated.
const WEIGHED_SECONDS: i64 = 15 * MINUTE;

/// Accounts tracked per minute, about 40 octets each: at most 10 MB in the four hours that minutes
/// may wait for the store. If more fail in a minute, a single account is not to blame.
const MOST_ACCOUNTS: usize = 1_000;

/// Failures that accounts caused themselves, by minute.
#[derive(Debug, Default)]
pub(super) struct OwnFaults(BTreeMap<Timestamp, HashMap<u128, u32>>);

/// The weight of each account's failures.
#[derive(Debug, Default)]
pub(super) struct Weights {
    own: HashMap<u128, i64>,
    all: i64,
}

impl OwnFaults {
    /// Counts a failure in the minute that begins at `minute`; returns whether its account is
    /// tracked.
    pub(super) fn add(&mut self, minute: Timestamp, account: u128) -> bool {
        let of = self.0.entry(minute).or_default();
        if of.len() >= MOST_ACCOUNTS && !of.contains_key(&account) {
            return false;
        }
        let count = of.entry(account).or_default();
        *count = count.saturating_add(1);
        true
    }

    /// The failures of each account in the quarter of an hour up to and including this minute.
    pub(super) fn until(&self, minute: Timestamp) -> Weights {
        let mut weights = Weights::default();
        let judged = minute - WEIGHED_SECONDS + MINUTE..=minute;
        for (account, count) in self.0.range(judged).flat_map(|(_, of)| of) {
            *weights.own.entry(*account).or_default() += i64::from(*count);
            weights.all += i64::from(*count);
        }
        weights
    }

    /// Drops what is not needed for this minute and later ones.
    pub(super) fn trim(&mut self, minute: Timestamp) {
        self.0 = self.0.split_off(&(minute - WEIGHED_SECONDS));
    }
}

impl Weights {
    /// The weight of this account's failures in that minute, 0 to 1. It is 0 if fewer than three
    /// accounts failed in the quarter of an hour; otherwise it limits the account to a third of the
    /// total.
    pub(super) fn of(&self, account: u128) -> f64 {
        let own = self.own.get(&account).copied().unwrap_or_default();
        let others = self.own.len() - usize::from(own > 0);
        if others < 2 {
            return 0.0;
        }
        (real(self.all - own) / 2.0 / real(own.max(1))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_260);

    /// Failures of accounts in minutes before now.
    fn faults(of: &[(i64, u128, u32)]) -> OwnFaults {
        let mut faults = OwnFaults::default();
        for (ago, account, count) in of {
            for _ in 0..*count {
                faults.add(NOW - ago * MINUTE, *account);
            }
        }
        faults
    }

    #[test]
    fn an_account_counts_as_far_as_others_fail_too() {
        for (of, weight) in [
            (&[(0, 1, 25)][..], 0.0),
            (&[(0, 1, 25), (0, 2, 25)], 0.0),
            (&[(0, 1, 5), (0, 2, 5), (0, 3, 5)], 1.0),
            (&[(0, 1, 20), (0, 2, 5), (0, 3, 5)], 0.25),
            // Within a quarter of an hour.
            (&[(0, 1, 5), (14, 2, 5), (14, 3, 5)], 1.0),
            (&[(0, 1, 5), (15, 2, 5), (14, 3, 5)], 0.0),
        ] {
            assert!(
                (faults(of).until(NOW).of(1) - weight).abs() < 1e-9,
                "{of:?}"
            );
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut faults = OwnFaults::default();
        let counted = (0..2_000)
            .filter(|account| faults.add(NOW, *account))
            .count();
        assert_eq!(counted, MOST_ACCOUNTS);
        assert!(faults.add(NOW, 0));
        faults.add(NOW + 16 * MINUTE, 1);
        faults.trim(NOW + 16 * MINUTE);
        assert_eq!(faults.0.len(), 1);
    }
}
