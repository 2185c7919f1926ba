//! The key by which a certificate is found.

use super::key::Key;

/// The bits of a hash beyond a key: 128 − 96.
const SPARE_BITS: u32 = 32;

/// 96 bits of a certificate's keyed hash, followed by 32 zeros. The probability that two of 10^9
/// certificates share one is 10^18 / 2^97, which is 10^-11.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    pub(super) const fn of(hash: u128) -> Self {
        Self(hash >> SPARE_BITS << SPARE_BITS)
    }

    pub(super) const fn from_key(key: Key) -> Self {
        Self(key.number() << SPARE_BITS)
    }

    /// The part of the index that it belongs to, below [`super::certificates::Index::PARTS`].
    pub(in crate::engine) fn part(self) -> usize {
        self.key().shard()
    }

    pub(super) const fn key(self) -> Key {
        Key::new(self.0 >> SPARE_BITS)
    }

    /// The number used in the store.
    pub(in crate::engine) const fn number(self) -> u128 {
        self.0
    }
}
