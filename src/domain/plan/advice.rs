//! Advice for a worker: how fast to go, how many orders to run in parallel, and whether to start
//! now.

use super::planner::Plan;
use super::terms::Terms;
use crate::math::number::{real, real_len, signed, whole};
use crate::time::MINUTE;

/// No more orders are started when this fraction of the limit is pending, because running orders
/// may still add to them. A provider with a limit of 300 stopped at 250.
const PENDING_SHARE: (u32, u32) = (5, 6);

/// The advice for now.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Orders to start per minute until the end of the slot. Multiplied by the rest of the slot, it
    /// gives the number planned in it.
    pub per_minute: f64,
    /// The number of parallel orders that this pace needs, within the allowed maximum; 0 if nothing
    /// should start now.
    pub max_concurrent: u32,
    /// `None` to start one now; otherwise the reason to wait.
    pub wait: Option<Waiting>,
}

/// Why nothing should start now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// As many orders are running as the pace needs.
    UnderWay(u32),
    /// Nothing is planned in this slot.
    NothingPlanned,
    /// The pending orders or authorizations have reached the CA's limit, given here.
    Pending(u32),
}

impl Plan {
    /// The advice when `in_flight` orders are running.
    #[must_use]
    pub fn advice(&self, terms: &Terms<'_>, in_flight: u32) -> Advice {
        let seconds = self.current.seconds;
        let per_minute = if seconds > 0 {
            let pace = real_len(self.current.count) * real(MINUTE) / real(seconds);
            // Rounded down, so that the pace does not exceed the plan.
            (pace * 1_000.0).floor() / 1_000.0
        } else {
            0.0
        };
        // Little's law: the number of running orders is the rate times the duration of one.
        let needed = (per_minute * real(terms.order_seconds) / real(MINUTE)).ceil();
        let needed = u32::try_from(whole(needed)).unwrap_or(u32::MAX);
        let most = terms.max_concurrent.unwrap_or(u32::MAX);
        let max_concurrent = needed.min(most);
        let (of, share) = PENDING_SHARE;
        let pending = terms.limits.pending();
        let threshold = pending.map(|limit| u64::from(limit) * u64::from(of) / u64::from(share));
        let wait = if self.current.count == 0 {
            Some(Waiting::NothingPlanned)
        } else if let Some(limit) = pending
            && threshold.is_some_and(|threshold| u64::from(in_flight) >= threshold)
        {
            Some(Waiting::Pending(limit))
        } else if in_flight >= max_concurrent {
            Some(Waiting::UnderWay(max_concurrent))
        } else {
            None
        };
        Advice {
            per_minute,
            max_concurrent,
            wait,
        }
    }

    /// The number of them.
    #[must_use]
    pub fn count(&self) -> i64 {
        signed(self.times.len())
    }
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NothingPlanned => f.write_str("nothing is planned in this slot"),
            Self::Pending(limit) => {
                write!(f, "nearly as many wait as the limit of {limit} lets wait")
            }
            Self::UnderWay(most) => write!(f, "{most} under way are as many as the pace needs"),
        }
    }
}
