//! How many new orders an account may place, if the operator limits that.

use std::collections::HashMap;

use super::moment::{Moment, SECOND};

/// Accounts that are remembered, at 32 octets each: 32 MB at most. Those that have all of their limit
/// left are forgotten first; beyond that an account is not limited until there is room.
const MOST_ACCOUNTS: usize = 1_000_000;

/// So many new orders in so many seconds, refilled one by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AccountLimit {
    /// New orders, 1 or more.
    pub orders: u32,
    /// The seconds in which that many are refilled, 1 or more.
    pub seconds: i64,
}

/// What each account has used of its limit: the generic cell rate algorithm, an instant an account.
#[derive(Clone, Debug, Default)]
pub(super) struct Used {
    even: HashMap<u64, Moment>,
}

impl Used {
    /// Nanoseconds until an account may place a new order: 0 where it may now.
    pub(super) fn wait_nanos(&self, account: u64, now: Moment, limit: AccountLimit) -> i64 {
        let allowed = limit.interval() * (i64::from(limit.orders) - 1);
        let even = self.even.get(&account).copied().unwrap_or_default();
        (even + -allowed - now).max(0)
    }

    /// An account placed a new order.
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
