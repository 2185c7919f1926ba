//! Ranges of certificates, in the order of key identifier and serial. A walk through all certificates
//! reads several ranges at a time, and each range continues where it stopped.

use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};

/// Before every key identifier and serial, because none is empty.
pub(super) const BEFORE: &[u8] = &[];
/// After every key identifier, which has at most 64 bytes, and every serial, which has at most 32.
pub(super) const BEYOND: &[u8] = &[0xff; KeyIdentifier::MOST_OCTETS + 1];

/// The certificates after one CertID, up to and including another. Neither needs to be registered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdRange {
    /// The CertID after which it begins; `None`: at the first certificate.
    pub after: Option<CertId>,
    /// The CertID with which it ends; `None`: with the last certificate.
    pub until: Option<CertId>,
}

impl IdRange {
    /// All certificates.
    pub const ALL: Self = Self {
        after: None,
        until: None,
    };

    /// The certificates after a CertID; all if there is none.
    #[must_use]
    pub const fn after(after: Option<CertId>) -> Self {
        Self { after, until: None }
    }

    /// The ranges between these CertIDs, which are in order: one more than there are CertIDs.
    #[must_use]
    pub fn between(cuts: Vec<CertId>) -> Vec<Self> {
        let mut after = None;
        let mut ranges: Vec<Self> = Vec::with_capacity(cuts.len() + 1);
        for cut in cuts {
            let after = after.replace(cut.clone());
            let until = Some(cut);
            ranges.push(Self { after, until });
        }
        ranges.push(Self::after(after));
        ranges
    }

    /// The key identifier and serial after which it begins.
    pub(super) fn lower(&self) -> (&[u8], &[u8]) {
        self.after.as_ref().map_or((BEFORE, BEFORE), octets)
    }

    /// The key identifier and serial with which it ends.
    pub(super) fn upper(&self) -> (&[u8], &[u8]) {
        self.until.as_ref().map_or((BEYOND, BEYOND), octets)
    }
}

/// The serials that divide the certificates of one issuer, given its first and last serial, into about
/// this many ranges, the last serial included. They divide the numbers made of the first eight bytes of
/// serials evenly. Apart from a fixed beginning, serials are random, so the ranges are of about the
/// same size.
pub(super) fn cuts(
    issuer: &KeyIdentifier,
    first: &Serial,
    last: &Serial,
    parts: u32,
) -> Vec<CertId> {
    let (from, to) = (leading(first), leading(last));
    let width = to.saturating_sub(from) / u64::from(parts.max(1));
    let steps = if width == 0 { 0 } else { u64::from(parts) };
    let inner =
        (1..steps).filter_map(|step| Serial::new(&(from + step * width).to_be_bytes()).ok());
    let serials = inner.filter(|cut| cut > first && cut < last);
    let all = serials.chain([last.clone()]);
    all.map(|serial| CertId {
        key_identifier: issuer.clone(),
        serial,
    })
    .collect()
}

/// The number made of the first eight bytes.
pub(super) fn leading(serial: &Serial) -> u64 {
    leading_of(serial.octets())
}

/// The same for bytes that may not be a serial.
pub(super) fn leading_of(octets: &[u8]) -> u64 {
    let mut first = [0; 8];
    for (octet, from) in first.iter_mut().zip(octets) {
        *octet = *from;
    }
    u64::from_be_bytes(first)
}

fn octets(id: &CertId) -> (&[u8], &[u8]) {
    (id.key_identifier.octets(), id.serial.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> KeyIdentifier {
        KeyIdentifier::new(&[7; 20]).unwrap()
    }

    fn serial(octets: &[u8]) -> Serial {
        Serial::new(octets).unwrap()
    }

    #[test]
    fn cuts_are_even_if_serials_begin_the_same() {
        // Those of Let's Encrypt begin with 03 to 06.
        let (first, last) = (serial(&[3; 18]), serial(&[6; 18]));
        let cuts = cuts(&issuer(), &first, &last, 4);
        let leads: Vec<u64> = cuts.iter().map(|cut| leading(&cut.serial) >> 48).collect();
        assert_eq!(leads, [0x03c3, 0x0484, 0x0545, 0x0606]);
        assert_eq!(cuts[3].serial, last);
        assert!(cuts.is_sorted() && cuts.iter().all(|cut| cut.key_identifier == issuer()));
    }

    #[test]
    fn what_cannot_be_cut_is_one_part() {
        let one = serial(&[1, 2, 3]);
        assert_eq!(cuts(&issuer(), &one, &one, 100).len(), 1);
        // They differ after the eighth byte.
        let (first, last) = (serial(&[9; 20]), serial(&[9; 21]));
        assert_eq!(cuts(&issuer(), &first, &last, 100).len(), 1);
        // Short consecutive serials: 0001 to 0004 are the numbers of their first bytes.
        let (first, last) = (serial(&[0, 1]), serial(&[0, 4]));
        let cuts = cuts(&issuer(), &first, &last, 3);
        assert!(cuts.len() <= 3 && cuts.is_sorted(), "{cuts:?}");
        assert_eq!(cuts.last().unwrap().serial, last);
    }

    #[test]
    fn ranges_lie_end_to_end() {
        let (first, last) = (serial(&[0]), serial(&[0xff; 32]));
        let cuts = cuts(&issuer(), &first, &last, 16);
        let ranges = IdRange::between(cuts.clone());
        assert_eq!(ranges.len(), 17);
        assert_eq!((&ranges[0].after, &ranges[16].until), (&None, &None));
        for (pair, cut) in ranges.windows(2).zip(&cuts) {
            assert_eq!(pair[0].until.as_ref(), Some(cut));
            assert_eq!(pair[1].after.as_ref(), Some(cut));
        }
        assert_eq!(IdRange::between(Vec::new()), [IdRange::ALL]);
        assert!(ranges[0].lower() < ranges[0].upper());
        assert!(ranges[16].lower() < ranges[16].upper());
    }
}
