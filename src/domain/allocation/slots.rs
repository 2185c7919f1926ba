//! The slots of a band.

use crate::math::number::{length, signed};
use crate::time::Timestamp;

/// The slots from which a window is drawn.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SlotRange {
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// The number of the first slot.
    pub first: i64,
    /// The number of the slot after the last.
    pub end: i64,
    /// The first slot that the band may widen to.
    pub widest_first: i64,
    /// The slot after the last that the band may move to where nothing before is open.
    pub latest_end: i64,
}

impl SlotRange {
    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        length(self.end - self.first)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end <= self.first
    }

    /// The same, half as long again towards earlier days, or as far as it may; `None` if it may not.
    pub(super) fn wider(&self) -> Option<Self> {
        let first = self.first - (signed(self.len()) / 2).max(1);
        (self.first > self.widest_first).then(|| Self {
            first: first.max(self.widest_first),
            ..*self
        })
    }

    /// When the first slot begins.
    #[must_use]
    pub fn from(&self) -> Timestamp {
        Timestamp::from_unix(self.first * self.slot_seconds)
    }

    /// When the last slot ends.
    #[must_use]
    pub fn to(&self) -> Timestamp {
        Timestamp::from_unix(self.end * self.slot_seconds)
    }
}
