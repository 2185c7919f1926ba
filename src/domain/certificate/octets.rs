//! Short octet strings without allocation, and strict base64url, as needed for CertIDs. Parsing
//! them is a considerable part of the work of an answer.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Up to `N` octets, at most 255. Unused ones are zero.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) struct Octets<const N: usize> {
    length: u8,
    octets: [u8; N],
}

impl<const N: usize> Octets<N> {
    /// `None` if there are more than `N`.
    pub(super) fn new(octets: &[u8]) -> Option<Self> {
        let mut held = [0; N];
        held.get_mut(..octets.len())?.copy_from_slice(octets);
        Self::held(held, octets.len())
    }

    /// Decodes base64url (RFC 4648 section 5). `None` if the text is not base64url, has padding or
    /// non-zero spare bits, or holds more than `N` octets.
    pub(super) fn from_base64url(text: &[u8]) -> Option<Self> {
        let mut held = [0; N];
        let (groups, rest) = text.as_chunks::<4>();
        let (places, _) = held.as_chunks_mut::<3>();
        let mut all = 0;
        for (group, place) in groups.iter().zip(places.get_mut(..groups.len())?) {
            let [a, b, c, d] = group.map(|character| SIX_BITS[usize::from(character)]);
            *place = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            all |= a | b | c | d;
        }
        if all & NONE != 0 {
            return None;
        }
        let length = groups.len() * 3;
        // One octet takes 12 bits of two characters, two take 18 bits of three; the rest are spare
        // bits.
        let (octets, spare_bits) = match rest {
            [] => return Self::held(held, length),
            [_, _] => (1, 4),
            [_, _, _] => (2, 2),
            _ => return None,
        };
        let bits = bits(rest)?;
        if bits & ((1 << spare_bits) - 1) != 0 {
            return None;
        }
        let last = (bits >> spare_bits).to_be_bytes();
        held.get_mut(length..length + octets)?
            .copy_from_slice(&last[4 - octets..]);
        Self::held(held, length + octets)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    fn held(octets: [u8; N], length: usize) -> Option<Self> {
        let length = u8::try_from(length).ok()?;
        Some(Self { length, octets })
    }
}

impl<const N: usize> Hash for Octets<N> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.as_slice().hash(hasher);
    }
}

impl<const N: usize> Ord for Octets<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<const N: usize> PartialOrd for Octets<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The six bits of each of up to three characters, the first one's highest.
fn bits(characters: &[u8]) -> Option<u32> {
    let (bits, all) = characters.iter().fold((0, 0), |(bits, all), character| {
        let six = SIX_BITS[usize::from(*character)];
        (bits << 6 | u32::from(six), all | six)
    });
    (all & NONE == 0).then_some(bits)
}

/// The six bits of each character, or [`NONE`].
const SIX_BITS: [u8; 256] = {
    let mut table = [NONE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut value = 0;
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = value;
        value += 1;
        at += 1;
    }
    table
};

/// Not a character of the alphabet.
const NONE: u8 = 0x80;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Decodes with the library, for comparison.
    fn by_library(text: &[u8]) -> Option<Vec<u8>> {
        let octets = URL_SAFE_NO_PAD.decode(text).ok()?;
        (octets.len() <= 8).then_some(octets)
    }

    fn by_hand(text: &[u8]) -> Option<Vec<u8>> {
        Octets::<8>::from_base64url(text).map(|octets| octets.as_slice().to_vec())
    }

    #[test]
    fn every_pair_and_every_end_is_read_as_the_library_reads_it() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for text in [&[first, second][..], &[b'A', first, second]] {
                    assert_eq!(by_hand(text), by_library(text), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_the_library_reads_it(text in "[A-Za-z0-9_=+/.-]{0,13}") {
            prop_assert_eq!(by_hand(text.as_bytes()), by_library(text.as_bytes()));
        }

        #[test]
        fn what_was_encoded_is_read_back(octets in vec(any::<u8>(), 0..=8)) {
            prop_assert_eq!(by_hand(URL_SAFE_NO_PAD.encode(&octets).as_bytes()), Some(octets));
        }

        #[test]
        fn the_order_is_that_of_slices(a in vec(any::<u8>(), 0..=8), b in vec(any::<u8>(), 0..=8)) {
            let held = |octets: &[u8]| Octets::<8>::new(octets).unwrap();
            prop_assert_eq!(held(&a).cmp(&held(&b)), a.cmp(&b));
            prop_assert_eq!(held(&a) == held(&b), a == b);
        }
    }

    #[test]
    fn there_is_no_room_for_more() {
        assert!(Octets::<2>::new(&[1, 2, 3]).is_none());
        assert!(Octets::<2>::from_base64url(b"AQID").is_none());
        assert!(Octets::<2>::from_base64url(b"AQI").is_some());
    }
}
