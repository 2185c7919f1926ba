//! Keys: which bits of a hash are the shard's number, and which are stored in a slot.

use super::pages::Slot;

/// The bits of a key that select its shard.
pub(super) const SHARD_BITS: u32 = 14;
pub(super) const TAG_BITS: u32 = 16;
/// The bits of a key in a slot besides its tag.
const REST_BITS: u32 = 66;
/// 96.
const KEY_BITS: u32 = SHARD_BITS + TAG_BITS + REST_BITS;

/// The size of [`Record::facts`]: 62 bits. The two bits above them belong to the key.
const FACTS_BITS: u32 = 62;
const FACTS: u64 = (1 << FACTS_BITS) - 1;

/// 96 bits of a keyed hash.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(u128);

/// The record stored under a key.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Record {
    pub(super) polls: u64,
    /// 62 bits.
    pub(super) facts: u64,
    pub(super) start: u32,
}

impl Key {
    /// The lowest 96 bits of a number.
    pub(super) const fn new(number: u128) -> Self {
        Self(number & ((1 << KEY_BITS) - 1))
    }

    pub(super) const fn number(self) -> u128 {
        self.0
    }

    /// The lowest key of a shard.
    pub(super) fn first_of(shard: usize) -> Self {
        Self::new((shard as u128) << (KEY_BITS - SHARD_BITS))
    }

    /// The highest key of a shard.
    pub(super) fn last_of(shard: usize) -> Self {
        Self(Self::first_of(shard).0 | ((1 << (KEY_BITS - SHARD_BITS)) - 1))
    }

    pub(super) fn shard(self) -> usize {
        usize::try_from(self.0 >> (KEY_BITS - SHARD_BITS)).unwrap_or(0)
    }

    pub(super) fn tag(self) -> u16 {
        u16::try_from(self.0 >> REST_BITS & u128::from(u16::MAX)).unwrap_or(0)
    }

    /// The two bits above the facts, and the 64 below them.
    pub(super) fn rest(self) -> (u64, u64) {
        let low = u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or(0);
        (u64::try_from(self.0 >> 64 & 0b11).unwrap_or(0), low)
    }

    /// The key of a slot in a shard.
    pub(super) fn of(shard: usize, slot: Slot) -> Self {
        let high = (shard as u128) << TAG_BITS | u128::from(slot.tag);
        let bits = u128::from(slot.facts >> FACTS_BITS);
        Self(high << REST_BITS | bits << 64 | u128::from(slot.low))
    }

    /// A slot with a record, and the bits of the key that the shard's number does not contain.
    pub(super) fn slot(self, record: Record) -> Slot {
        let (bits, low) = self.rest();
        Slot {
            tag: self.tag(),
            low,
            polls: record.polls,
            facts: bits << FACTS_BITS | record.facts & FACTS,
            start: record.start,
        }
    }
}

impl Slot {
    /// The same key with another record.
    pub(super) const fn with(self, record: Record) -> Self {
        Self {
            polls: record.polls,
            facts: self.facts & !FACTS | record.facts & FACTS,
            start: record.start,
            ..self
        }
    }

    pub(super) const fn record(self) -> Record {
        Record {
            polls: self.polls,
            facts: self.facts & FACTS,
            start: self.start,
        }
    }
}
