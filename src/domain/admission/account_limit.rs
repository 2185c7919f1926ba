//! A limit on new orders per account, if the operator sets one.

use std::collections::HashMap;

use super::moment::{Moment, SECOND};

/// The number of accounts tracked, 32 octets each: at most 32 MB. Accounts that have used nothing
/// of their limit are dropped first. When there is no room, a further account is not limited.
const MOST_ACCOUNTS: usize = 1_000_000;

/// This many new orders in this many seconds, refilled one at a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccountLimit {
    /// New orders, at least 1.
    pub orders: u32,
    /// The seconds in which that many are refilled, at least 1.
    pub seconds: i64,
}

/// What each account has used of its limit, by the generic cell rate algorithm: one instant for
/// each account.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    even: HashMap<u64, Moment>,
}

impl Used {
    /// Nanoseconds until an account may place a new order; 0 if it may do so now.
    pub(super) fn wait_nanos(&self, account: u64, now: Moment, limit: AccountLimit) -> i64 {
        let allowed = limit.interval() * (i64::from(limit.orders) - 1);
        let even = self.even.get(&account).copied().unwrap_or_default();
        (even + -allowed - now).max(0)
    }

    /// Records a new order of an account.
    pub(super) fn take(&mut self, account: u64, now: Moment, limit: AccountLimit) {
        if self.even.len() >= MOST_ACCOUNTS {
            self.even.retain(|_, even| *even > now);
        }
        if self.even.len() < MOST_ACCOUNTS || self.even.contains_key(&account) {
            let even = self.even.entry(account).or_default();
            *even = (*even).max(now) + limit.interval();
        }
    }
}

impl AccountLimit {
    fn interval(self) -> i64 {
        (self.seconds.max(1) * SECOND) / i64::from(self.orders.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_orders_at_once_and_then_one_by_one() {
        let limit = AccountLimit {
            orders: 300,
            seconds: 10_800,
        };
        let mut used = Used::default();
        let now = Moment::from_second(1_795_262_400);
        for _ in 0..300 {
            assert_eq!(used.wait_nanos(1, now, limit), 0);
            used.take(1, now, limit);
        }
        assert_eq!(used.wait_nanos(1, now, limit), 36 * SECOND);
        assert_eq!(used.wait_nanos(2, now, limit), 0);
        assert_eq!(used.wait_nanos(1, now + 36 * SECOND, limit), 0);
    }
}
