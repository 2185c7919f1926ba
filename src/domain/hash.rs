//! The keyed hash that every draw comes from.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher as _;

use super::certid::CertId;

/// The store's secret: without it nobody can aim a certificate at an instant. Made by the first
/// migration and kept in the store, so that replicas and restarts share it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(…)")
    }
}

/// What a hash is for. Each purpose is a domain of its own: its draws are independent of the
/// others'. A change of an algorithm takes a new purpose, so that old draws stay what they were.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Whether a certificate is in the control group.
    Cohort,
    /// A certificate's place in the index.
    Fingerprint,
    /// The delay in `Retry-After`.
    RetryAfter,
    /// A window's slot and second, algorithm 1.
    Window1,
}

impl HashKey {
    /// From the store's 16 octets.
    #[must_use]
    pub const fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// A name of the key that does not tell it: what was kept under another key is known by it.
    #[must_use]
    pub fn identity(&self) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&[0]);
        hasher.write(b"identity");
        hasher.finish128().as_u128()
    }

    /// 128 bits of SipHash-2-4 over the purpose, the CertID and `salt`, lengths included, so that
    /// no two inputs run together.
    #[must_use]
    pub fn hash(&self, purpose: Purpose, id: &CertId, salt: i64) -> u128 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        let issuer = id.key_identifier.octets();
        // Octet by octet, so that the hash is the same on every machine; 64 octets at most.
        hasher.write(&[
            purpose.code(),
            u8::try_from(issuer.len()).unwrap_or(u8::MAX),
        ]);
        hasher.write(&salt.to_le_bytes());
        hasher.write(issuer);
        hasher.write(id.serial.octets());
        hasher.finish128().as_u128()
    }
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Fingerprint => 1,
            Self::RetryAfter => 2,
            Self::Window1 => 3,
            Self::Cohort => 4,
        }
    }
}

/// The hash's upper half as a number from 0 up to, not including, 1.
#[must_use]
pub fn upper_unit(hash: u128) -> f64 {
    unit(u64::try_from(hash >> 64).unwrap_or(0))
}

/// The hash's lower half as a number from 0 up to, not including, 1.
#[must_use]
pub fn lower_unit(hash: u128) -> f64 {
    unit(u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0))
}

/// 32 bits of the middle as a number from 0 up to, not including, 1: of all parts that a draw of an
/// upper and a lower number looks at least.
#[must_use]
pub fn middle_unit(hash: u128) -> f64 {
    unit(u64::try_from((hash << 32) >> 64 & u128::from(u32::MAX) << 32).unwrap_or(0))
}

/// The upper 53 bits, as many as an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// A positive number made from content alone, the same in every process: a name, not a secret.
#[must_use]
pub fn content_number(bytes: &[u8]) -> i64 {
    let mut hasher = SipHasher24::new_with_key(&[0; 16]);
    hasher.write(bytes);
    let low = u64::try_from(hasher.finish128().as_u128() & u128::from(u64::MAX)).unwrap_or(0);
    i64::try_from(low >> 1).unwrap_or(0)
}
