//! Leaves: certificates and precertificates, with the time at which the log accepted them.

use super::merkle::{Hash, leaf_hash};

/// A leaf of a log (RFC 6962 section 3.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leaf<'a> {
    /// When the log accepted it, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// What it accepted.
    pub entry: Entry<'a>,
    /// The `TimestampedEntry`, from which the leaf hash is computed.
    octets: &'a [u8],
}

/// A log entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entry<'a> {
    /// A certificate in DER.
    Certificate(&'a [u8]),
    /// The `TBSCertificate` of a precertificate, in DER, without the poison extension.
    Precertificate(&'a [u8]),
}

/// Octets that are not a leaf, or not a tile of leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the entry {number} of the tile is not as it should be")]
pub struct LeafError {
    /// The index in the tile.
    pub number: usize,
}

impl<'a> Leaf<'a> {
    /// The leaves of a data tile, in order.
    ///
    /// # Errors
    /// [`LeafError`] at the first invalid one.
    pub fn of_tile(tile: &'a [u8]) -> Result<Vec<Self>, LeafError> {
        let mut rest = tile;
        let mut leaves = Vec::new();
        while !rest.is_empty() {
            let number = leaves.len();
            let leaf = in_tile(&mut rest).ok_or(LeafError { number })?;
            leaves.push(leaf);
        }
        Ok(leaves)
    }

    /// Parses the `leaf_input` of an RFC 6962 log; `None` if it is invalid.
    #[must_use]
    pub fn of_leaf_input(octets: &'a [u8]) -> Option<Self> {
        // Version 1 is encoded as 0, and so is the only type of leaf.
        let mut rest = octets.strip_prefix(&[0, 0])?;
        let leaf = timestamped(&mut rest)?;
        rest.is_empty().then_some(leaf)
    }

    /// The leaf hash.
    #[must_use]
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.leaf_input())
    }

    /// The `MerkleTreeLeaf` as returned by get-entries of RFC 6962 section 4.6.
    #[must_use]
    pub fn leaf_input(&self) -> Vec<u8> {
        let mut leaf = Vec::with_capacity(2 + self.octets.len());
        leaf.extend([0, 0]);
        leaf.extend(self.octets);
        leaf
    }
}

/// Parses the `TileLeaf` at the beginning of `rest`.
fn in_tile<'a>(rest: &mut &'a [u8]) -> Option<Leaf<'a>> {
    let leaf = timestamped(rest)?;
    if matches!(leaf.entry, Entry::Precertificate(_)) {
        // The precertificate itself, with the poison extension.
        sized::<3>(rest)?;
    }
    let fingerprints = sized::<2>(rest)?;
    fingerprints.len().is_multiple_of(32).then_some(leaf)
}

fn timestamped<'a>(rest: &mut &'a [u8]) -> Option<Leaf<'a>> {
    let start = *rest;
    let timestamp_ms = u64::from_be_bytes(*taken::<8>(rest)?);
    let entry = match taken::<2>(rest)? {
        [0, 0] => Entry::Certificate(sized::<3>(rest)?),
        [0, 1] => {
            // The hash of the issuer's key.
            taken::<32>(rest)?;
            Entry::Precertificate(sized::<3>(rest)?)
        }
        _ => return None,
    };
    // Extensions, such as the index in the log.
    sized::<2>(rest)?;
    Some(Leaf {
        timestamp_ms,
        entry,
        octets: &start[..start.len() - rest.len()],
    })
}

fn taken<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(taken)
}

/// Octets preceded by their length, which takes `N` octets.
fn sized<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = taken::<N>(rest)?
        .iter()
        .fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
    let (content, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, rest: &[u8]) -> Vec<u8> {
        let mut octets = 7_u64.to_be_bytes().to_vec();
        octets.extend([0, kind]);
        octets.extend(rest);
        octets
    }

    #[test]
    fn both_kinds_are_read_from_a_tile() {
        let of_certificate = entry(0, &[0, 0, 2, 0xaa, 0xbb, 0, 1, 0xee]);
        let mut of_precertificate = vec![9; 32];
        of_precertificate.extend([0, 0, 1, 0xcc, 0, 0]);
        let of_precertificate = entry(1, &of_precertificate);
        let mut tile = of_certificate.clone();
        // No fingerprints.
        tile.extend([0, 0]);
        tile.extend(&of_precertificate);
        // A precertificate of three octets, and one fingerprint.
        tile.extend([0, 0, 3, 1, 2, 3, 0, 32]);
        tile.extend([5; 32]);
        let leaves = Leaf::of_tile(&tile).unwrap();
        let entries: Vec<_> = leaves.iter().map(|leaf| leaf.entry).collect();
        assert_eq!(
            entries,
            [
                Entry::Certificate(&[0xaa, 0xbb]),
                Entry::Precertificate(&[0xcc])
            ]
        );
        let input = [&[0, 0][..], &of_certificate].concat();
        assert_eq!(Leaf::of_leaf_input(&input), Some(leaves[0]));
        assert_eq!(leaves[0].hash(), leaf_hash(&input));
        for cut in 1..tile.len() {
            let whole = cut == of_certificate.len() + 2;
            assert_eq!(Leaf::of_tile(&tile[..cut]).is_ok(), whole, "{cut}");
        }
        assert!(Leaf::of_tile(&entry(2, &[0; 40])).is_err());
    }
}
