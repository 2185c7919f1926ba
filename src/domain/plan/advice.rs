//! Advice for a worker: how fast, how many at a time, and whether to begin at all.

use super::planner::Plan;
use super::terms::Terms;
use crate::math::number::{real, real_len, signed, whole};
use crate::time::MINUTE;

/// Where that many of the limit wait, no more are begun: what is under way may still add to them.
/// A provider that watched a limit of 300 stopped at 250.
const PENDING_SHARE: (u32, u32) = (5, 6);

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Orders to begin a minute until the slot ends: times what is left of it, that is what the
    /// plan has in it.
    pub per_minute: f64,
    /// Orders under way at the same time that this pace needs, never more than were allowed; 0
    /// where nothing is to begin now.
    pub max_concurrent: u32,
    /// `None`: begin one now; else why not.
    pub wait: Option<Waiting>,
}

/// Why nothing is to begin now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// As many are under way as the pace needs.
    UnderWay(u32),
    /// Nothing is planned in this slot.
    NothingPlanned,
    /// As many wait as may, of so many that the CA lets wait.
    Pending(u32),
}

impl Plan {
    /// What to do now where `in_flight` orders are under way.
    #[must_use]
    pub fn advice(&self, terms: &Terms<'_>, in_flight: u32) -> Advice {
        let seconds = self.current.seconds;
        let per_minute = if seconds > 0 {
            let pace = real_len(self.current.count) * real(MINUTE) / real(seconds);
            // Rounded down: the pace for as long as it holds is no more than the plan has.
            (pace * 1_000.0).floor() / 1_000.0
        } else {
            0.0
        };
        // Little's law: as many are under way as begin while one is.
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

    /// How many there are.
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
