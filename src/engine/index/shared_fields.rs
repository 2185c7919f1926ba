//! Combinations of values that many certificates share, stored once. A slot refers to one by a
//! number of 17 bits.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use crate::engine::index::group::Group;

/// The maximum number of kinds: 2^17. A CA with one lifetime, a hundred values of f and a few
/// window lengths has a thousand; an incident that moves all of them adds as many.
const MOST: usize = 1 << KIND_BITS;
/// The bits of a kind's number.
pub(super) const KIND_BITS: u32 = 17;
/// Kinds allocated at once: 28 KB.
const CHUNK: usize = 1_024;

/// Values that many certificates share.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Kind {
    pub(super) ca: u16,
    /// Whole hours from `notBefore` to the issuance.
    pub(super) lag_hours: i16,
    pub(super) life_seconds: u32,
    pub(super) window_seconds: u32,
    pub(super) moved_by: u32,
    /// f at registration in hundredths.
    pub(super) follows: Option<u8>,
    pub(super) group: Group,
    pub(super) hour_known: bool,
    pub(super) steered: bool,
}

/// All kinds so far; unused ones are dropped at the next start.
#[derive(Debug)]
pub(super) struct SharedFields {
    known: Box<[OnceLock<Chunk>]>,
    numbers: RwLock<HashMap<Kind, u32>>,
}

type Chunk = Box<[OnceLock<Kind>]>;

impl SharedFields {
    pub(super) fn new() -> Self {
        Self {
            known: (0..MOST / CHUNK).map(|_| OnceLock::new()).collect(),
            numbers: RwLock::default(),
        }
    }

    /// The kind with this number, read without locks.
    pub(super) fn of(&self, number: u32) -> Option<Kind> {
        let number = number as usize;
        let chunk = self.known.get(number / CHUNK)?.get()?;
        chunk.get(number % CHUNK)?.get().copied()
    }

    /// The number of a kind; `None` if there are too many.
    pub(super) fn number(&self, kind: Kind) -> Option<u32> {
        let known = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.get(&kind) {
            return Some(*number);
        }
        drop(known);
        let mut numbers = self.numbers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbers.get(&kind) {
            return Some(*number);
        }
        let number = numbers.len();
        let chunk = self.known.get(number / CHUNK)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        chunk[number % CHUNK].get_or_init(|| kind);
        let number = u32::try_from(number).ok()?;
        numbers.insert(kind, number);
        Some(number)
    }

    /// All kinds, by number.
    pub(super) fn all(&self) -> Vec<Kind> {
        let numbers = self.numbers.read().unwrap_or_else(PoisonError::into_inner);
        let count = u32::try_from(numbers.len()).unwrap_or(0);
        (0..count).map_while(|number| self.of(number)).collect()
    }

    /// The number of kinds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.numbers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_number_and_there_is_an_end_of_them() {
        let shared_fields = SharedFields::new();
        let kind = |ca, life_seconds| Kind {
            ca,
            lag_hours: -1,
            life_seconds,
            window_seconds: 900,
            moved_by: 0,
            follows: Some(30),
            group: Group::Steered,
            hour_known: true,
            steered: false,
        };
        assert_eq!(shared_fields.of(0), None);
        for number in 0..1 << KIND_BITS {
            assert_eq!(shared_fields.number(kind(1, number)), Some(number));
        }
        assert_eq!(shared_fields.number(kind(1, 5)), Some(5));
        assert_eq!(shared_fields.of(5), Some(kind(1, 5)));
        assert_eq!(shared_fields.of(1_500), Some(kind(1, 1_500)));
        assert_eq!(shared_fields.number(kind(2, 5)), None);
        assert_eq!(shared_fields.len(), 1 << KIND_BITS);
        assert_eq!(shared_fields.of(1 << KIND_BITS), None);
    }
}
