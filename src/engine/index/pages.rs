//! Groups of sixteen slots, in arrays that never move. A reader of a group that was freed in the
//! meantime reads meaningless numbers, but never invalid memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use prefetch_index::prefetch_index;

use super::slab::Slab;

/// Slots in a group.
pub(super) const SLOTS: usize = 16;

/// A group is stored in columns, so that a search reads one cache line of tags and then one slot:
/// 16 tags of 16 bits, 16 × three words of 64, 16 starts of 32 bits.
const TAGS: usize = 0;
const LOWS: usize = TAGS + SLOTS / 4;
const POLLS: usize = LOWS + SLOTS;
const FACTS: usize = POLLS + SLOTS;
const STARTS: usize = FACTS + SLOTS;
/// Eight-octet words in a group: 60, so 480 octets, 30 per slot.
const WORDS: usize = STARTS + SLOTS / 2;

/// Words in a cache line. Groups begin at its start or in its middle.
const LINE_WORDS: usize = 8;

/// Groups in a slab: 31,457,280 octets, fifteen huge pages. In the last slab, only used groups take
/// memory.
const SLAB_GROUPS: usize = 1 << 16;
/// The maximum number of slabs: 2^26 groups, 10^9 certificates.
const MOST_SLABS: usize = 1 << 10;

/// The content of a slot.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Slot {
    /// The part of the key by which a group is searched.
    pub(super) tag: u16,
    /// The rest of the key except for two bits.
    pub(super) low: u64,
    pub(super) polls: u64,
    /// These two bits, followed by 62 bits of the record.
    pub(super) facts: u64,
    pub(super) start: u32,
}

/// The number of a group: below 2^26.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct GroupNumber(pub(super) u32);

/// All groups.
#[derive(Debug)]
pub(super) struct Pages {
    slabs: Box<[OnceLock<Slab>]>,
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Groups that were freed.
    returned: Vec<u32>,
    /// Groups from this number on have never been used.
    fresh: u32,
}

/// The words of a group.
#[derive(Clone, Copy)]
pub(super) struct Group<'a>(&'a [AtomicU64]);

impl Pages {
    pub(super) fn new() -> Self {
        Self {
            slabs: (0..MOST_SLABS).map(|_| OnceLock::new()).collect(),
            free: Mutex::default(),
        }
    }

    /// Allocates a group; `None` if all are used, or there is no memory.
    pub(super) fn take(&self) -> Option<GroupNumber> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = free.returned.pop() {
            return Some(GroupNumber(number));
        }
        let number = free.fresh;
        let slab = self.slabs.get(number as usize / SLAB_GROUPS)?;
        if slab.get().is_none() {
            // Nobody else does so, because `free` is locked.
            let _ = slab.set(Slab::new(SLAB_GROUPS * WORDS).ok()?);
        }
        free.fresh += 1;
        Some(GroupNumber(number))
    }

    /// Frees a group that no row refers to any more.
    pub(super) fn give_back(&self, number: GroupNumber) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.returned.push(number.0);
    }

    /// A group; `None` for a number that was never allocated, which a torn read may produce.
    pub(super) fn group(&self, number: GroupNumber) -> Option<Group<'_>> {
        let number = number.0 as usize;
        let slab = self.slabs.get(number / SLAB_GROUPS)?.get()?;
        let at = number % SLAB_GROUPS * WORDS;
        slab.words().get(at..at + WORDS).map(Group)
    }
}

impl Group<'_> {
    /// Prefetches all of it into the processor's cache, without waiting.
    pub(super) fn prefetch(self) {
        for at in (0..WORDS).step_by(LINE_WORDS) {
            prefetch_index(self.0, at);
        }
    }

    fn word(self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }

    fn set_word(self, at: usize, word: u64) {
        self.0[at].store(word, Ordering::Relaxed);
    }

    /// A field of `bits` bits, several of which share a word.
    fn part(self, column: usize, slot: usize, bits: usize) -> u64 {
        let of_word = 64 / bits;
        self.word(column + slot / of_word) >> (slot % of_word * bits) & ((1 << bits) - 1)
    }

    fn set_part(self, column: usize, slot: usize, bits: usize, part: u64) {
        let of_word = 64 / bits;
        let (at, shift) = (column + slot / of_word, slot % of_word * bits);
        let mask = ((1 << bits) - 1) << shift;
        self.set_word(at, self.word(at) & !mask | part << shift);
    }

    pub(super) fn tag(self, slot: usize) -> u16 {
        low16(self.part(TAGS, slot, 16))
    }

    /// The rest of a key with the same tag: its upper two bits, and 64 bits.
    pub(super) fn rest(self, slot: usize) -> (u64, u64) {
        (self.word(FACTS + slot) >> 62, self.word(LOWS + slot))
    }

    pub(super) fn slot(self, slot: usize) -> Slot {
        Slot {
            tag: self.tag(slot),
            low: self.word(LOWS + slot),
            polls: self.word(POLLS + slot),
            facts: self.word(FACTS + slot),
            start: low32(self.part(STARTS, slot, 32)),
        }
    }

    pub(super) fn set(self, slot: usize, new: Slot) {
        self.set_part(TAGS, slot, 16, u64::from(new.tag));
        self.set_word(LOWS + slot, new.low);
        self.set_word(POLLS + slot, new.polls);
        self.set_word(FACTS + slot, new.facts);
        self.set_part(STARTS, slot, 32, u64::from(new.start));
    }

    pub(super) fn set_polls(self, slot: usize, polls: u64) {
        self.set_word(POLLS + slot, polls);
    }

    /// How many of the first `count` slots have a tag below `tag`.
    pub(super) fn below(self, tag: u16, count: usize) -> usize {
        (0..count)
            .find(|slot| self.tag(*slot) >= tag)
            .unwrap_or(count)
    }
}

fn low16(word: u64) -> u16 {
    let [a, b, ..] = word.to_le_bytes();
    u16::from_le_bytes([a, b])
}

fn low32(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
