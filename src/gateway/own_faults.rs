//! Who failed by its own fault, and how far that tells of the CA: what one or two accounts get wrong says nothing
//! of how the CA is.

use std::collections::{BTreeMap, HashMap};

use crate::domain::math::number::real;
use crate::domain::time::{MINUTE, Timestamp};

/// For how long an account's failures are held against those of others: as long as a CA's state is judged by.
const WEIGHED_SECONDS: i64 = 15 * MINUTE;

/// Accounts in a minute that are told apart, some 40 octets each: 10 MB at most in the four hours that minutes may
/// wait for the store. Where more fail in a minute, it is not one of them that is to blame.
const MOST_ACCOUNTS: usize = 1_000;

/// Failures of accounts by their own fault, by the minute.
#[derive(Debug, Default)]
pub(super) struct OwnFaults(BTreeMap<Timestamp, HashMap<u128, u32>>);

/// What each account counts for.
#[derive(Debug, Default)]
pub(super) struct Weights {
    own: HashMap<u128, i64>,
    all: i64,
}

impl OwnFaults {
    /// Counts a failure in the minute that begins then; whether its account is told apart.
    pub(super) fn add(&mut self, minute: Timestamp, account: u128) -> bool {
        let of = self.0.entry(minute).or_default();
        if of.len() >= MOST_ACCOUNTS && !of.contains_key(&account) {
            return false;
        }
        let count = of.entry(account).or_default();
        *count = count.saturating_add(1);
        true
    }

    /// Who failed how often until a minute: within a quarter of an hour, the minute included.
    pub(super) fn until(&self, minute: Timestamp) -> Weights {
        let mut weights = Weights::default();
        let judged = minute - WEIGHED_SECONDS + MINUTE..=minute;
        for (account, count) in self.0.range(judged).flat_map(|(_, of)| of) {
            *weights.own.entry(*account).or_default() += i64::from(*count);
            weights.all += i64::from(*count);
        }
        weights
    }

    /// Forgets what is not needed for this minute and later ones.
    pub(super) fn trim(&mut self, minute: Timestamp) {
        self.0 = self.0.split_off(&(minute - WEIGHED_SECONDS));
    }
}

impl Weights {
    /// For how much a failure of this account counts in that minute, 0 to 1. Nothing where less than three accounts
    /// failed in the quarter of an hour that ends with it; else as much as makes the account a third of all that
    /// count.
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
        let told = (0..2_000)
            .filter(|account| faults.add(NOW, *account))
            .count();
        assert_eq!(told, MOST_ACCOUNTS);
        assert!(faults.add(NOW, 0));
        faults.add(NOW + 16 * MINUTE, 1);
        faults.trim(NOW + 16 * MINUTE);
        assert_eq!(faults.0.len(), 1);
    }
}
