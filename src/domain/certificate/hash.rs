//! The keyed hash behind every draw.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher as _;

use super::certid::{CertId, KeyIdentifier, Serial};

/// The store's secret key. Without it, nobody can construct a certificate that gets a chosen time.
/// The first migration creates it and the store keeps it, so that replicas and restarts share it.
/// The index's file contains it too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// What a hash is used for. Different purposes give independent draws. A change to an algorithm
/// needs a new purpose, so that earlier draws can still be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Whether a certificate is in the control group.
    Cohort,
    /// A certificate's key in the index.
    Fingerprint,
    /// A window's slot and second, algorithm 1.
    Window1,
}

/// What a hash of a text is used for. Names and accounts are stored only as hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextPurpose {
    /// The URL of an ACME account.
    Account,
    /// The network of a client's address.
    Address,
    /// One name of a certificate.
    Name,
    /// All names of a certificate.
    Names,
    /// The URL of an ACME resource that belongs to an order.
    OrderUrl,
}

/// A purpose, a length, a salt and the longest CertID, in octets.
const LONGEST_INPUT: usize = 1 + 1 + 8 + KeyIdentifier::MOST_OCTETS + Serial::MOST_OCTETS;

impl HashKey {
    /// From the store's 16 octets.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The octets as the store has them. The index's file contains them and is useless without
    /// them.
    #[must_use]
    pub const fn octets(&self) -> [u8; 16] {
        self.0
    }

    /// 128 bits of SipHash-2-4 over the purpose, the CertID and `salt`. Lengths are included, so
    /// that different inputs cannot give the same octets.
    #[must_use]
    pub fn hash(&self, purpose: Purpose, id: &CertId, salt: i64) -> u128 {
        let issuer = id.key_identifier.octets();
        let serial = id.serial.octets();
        // Hashing one piece takes a third of the time of five. The salt is written octet by octet,
        // so that the hash is the same on every machine.
        let mut input = [0; LONGEST_INPUT];
        input[0] = purpose.code();
        // At most 64 octets.
        input[1] = u8::try_from(issuer.len()).unwrap_or(u8::MAX);
        input[2..10].copy_from_slice(&salt.to_le_bytes());
        let middle = 10 + issuer.len();
        input[10..middle].copy_from_slice(issuer);
        let end = middle + serial.len();
        input[middle..end].copy_from_slice(serial);
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&input[..end]);
        hasher.finish128().as_u128()
    }

    /// 128 bits of SipHash-2-4 over a purpose and a text.
    #[must_use]
    pub fn hash_text(&self, purpose: TextPurpose, text: &[u8]) -> u128 {
        let code = match purpose {
            TextPurpose::Account => 0x41,
            TextPurpose::Address => 0x45,
            TextPurpose::Name => 0x42,
            TextPurpose::Names => 0x43,
            TextPurpose::OrderUrl => 0x44,
        };
        let mut hasher = SipHasher24::new_with_key(&self.0);
        // Octet by octet, so that the hash is the same on every machine. The codes differ from
        // those of [`Purpose::code`].
        hasher.write(&[code]);
        hasher.write(text);
        hasher.finish128().as_u128()
    }
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            // 2 was once the delay in `Retry-After`, which is now derived from the fingerprint.
            Self::Fingerprint => 1,
            Self::Window1 => 3,
            Self::Cohort => 4,
        }
    }
}

/// Derives another hash for each salt: both halves pass through the finalizer of `SplitMix64`
/// (Steele, Lea, Flood 2014). This takes a tenth of the time of a new hash. Use it only for draws
/// that nobody gains by guessing.
#[must_use]
pub fn mixed(hash: u128, salt: i64) -> u128 {
    // The odd multiple of the golden ratio spreads neighbouring salts over all bits.
    let step = salt.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let half = |bits: u128| finalized(u64::try_from(bits).unwrap_or(0).wrapping_add(step));
    u128::from(half(hash >> 64)) << 64 | u128::from(half(hash & u128::from(u64::MAX)))
}

const fn finalized(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// The hash's upper half as a number from 0 to below 1.
#[must_use]
pub fn upper_unit(hash: u128) -> f64 {
    unit(u64::try_from(hash >> 64).unwrap_or(0))
}

/// The hash's lower half as a number from 0 to below 1.
#[must_use]
pub fn lower_unit(hash: u128) -> f64 {
    unit(u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0))
}

/// The middle 32 bits as a number from 0 to below 1. Of all parts of the hash, these overlap least
/// with what draws from the upper and lower halves use.
#[must_use]
pub fn middle_unit(hash: u128) -> f64 {
    unit(u64::try_from((hash << 32) >> 64 & u128::from(u32::MAX) << 32).unwrap_or(0))
}

/// A number from 0 to below 1 made from the upper 53 bits, which an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// A positive number derived from content alone, the same in every process. Use it as a name, not
/// as a secret.
#[must_use]
pub fn content_number(bytes: &[u8]) -> i64 {
    let mut hasher = SipHasher24::new_with_key(&[0; 16]);
    hasher.write(bytes);
    let low = u64::try_from(hasher.finish128().as_u128() & u128::from(u64::MAX)).unwrap_or(0);
    i64::try_from(low >> 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stored windows were drawn with this hash, so it must never change.
    #[test]
    fn the_hash_is_that_of_its_pieces() {
        let key = HashKey::new(*b"0123456789abcdef");
        for (issuer, serial) in [(1, 1), (20, 18), (64, 32)] {
            let id = CertId {
                key_identifier: KeyIdentifier::new(&vec![7; issuer]).unwrap(),
                serial: Serial::new(&vec![9; serial]).unwrap(),
            };
            let mut hasher = SipHasher24::new_with_key(b"0123456789abcdef");
            hasher.write(&[3, u8::try_from(issuer).unwrap()]);
            hasher.write(&(-5_i64).to_le_bytes());
            hasher.write(id.key_identifier.octets());
            hasher.write(id.serial.octets());
            let want = hasher.finish128().as_u128();
            assert_eq!(key.hash(Purpose::Window1, &id, -5), want);
        }
    }

    /// `SplitMix64` with the seed 1234567, as printed by its authors' program. Each number is the
    /// finalizer of the seed plus a number of steps.
    #[test]
    fn mixing_is_splitmix64() {
        let want = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        for (salt, want) in (1..).zip(want) {
            let hash = mixed((1_234_567 << 64) + 7_654_321, salt);
            assert_eq!(hash >> 64, want);
            assert_ne!(hash & u128::from(u64::MAX), want);
        }
    }
}
