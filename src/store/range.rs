//! Ranges of certificates, in the order of key identifier and serial. A walk through all
//! certificates reads several ranges at a time, and each resumes where it stopped.

use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};

/// Before every key identifier and every serial: none is empty.
pub(super) const BEFORE: &[u8] = &[];
/// Beyond every key identifier, which has 64 octets at most, and every serial, which has 32.
pub(super) const BEYOND: &[u8] = &[0xff; KeyIdentifier::MOST_OCTETS + 1];

/// The certificates after one CertID, up to and with another. Neither need be registered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct IdRange {
    /// After this one; `None`: from the first on.
    pub after: Option<CertId>,
    /// Up to this one; `None`: to the last.
    pub until: Option<CertId>,
}

impl IdRange {
    /// All of them.
    pub const ALL: Self = Self {
        after: None,
        until: None,
    };

    /// The range after a CertID; everything without one.
    #[must_use]
    pub const fn after(after: Option<CertId>) -> Self {
        Self { after, until: None }
    }

    /// The ranges between these CertIDs, which are in order: one more than there are cuts.
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

    /// Key identifier and serial after which it begins.
    pub(super) fn lower(&self) -> (&[u8], &[u8]) {
        self.after.as_ref().map_or((BEFORE, BEFORE), octets)
    }

    /// Key identifier and serial with which it ends.
    pub(super) fn upper(&self) -> (&[u8], &[u8]) {
        self.until.as_ref().map_or((BEYOND, BEYOND), octets)
    }
}

/// The serials that divide the certificates of one issuer, given its first and last serial, into
/// about this many ranges, the last serial included: evenly by the number that the first eight
/// octets of a serial make. Serials are random apart from what an issuer begins them with, so
/// ranges are of about one size.
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

/// The number that the first eight octets make.
pub(super) fn leading(serial: &Serial) -> u64 {
    leading_of(serial.octets())
}

/// The same of octets that need not be a serial.
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
    fn cuts_lie_evenly_where_serials_begin_alike() {
        // Let's Encrypt's begin with 03 to 06.
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
        // They differ behind the eighth octet.
        let (first, last) = (serial(&[9; 20]), serial(&[9; 21]));
        assert_eq!(cuts(&issuer(), &first, &last, 100).len(), 1);
        // Short serials in a row: 0001 to 0004 are the numbers of their first octets.
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
