//! The signed state of a log: the size of its tree, and its root.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::merkle::Hash;

/// A log's signed statement about its tree: a checkpoint of the Static CT API, or a signed tree
/// head of RFC 6962. Trust it only after its signature over [`SignedTree::signed`] is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedTree {
    /// The number of leaves.
    pub size: u64,
    /// The root hash.
    pub root: Hash,
    /// When it was signed, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// Hash and signature algorithm, numbered as in RFC 5246 section 7.4.1.4.1: for example 4 and 3
    /// for ECDSA with SHA-256.
    pub algorithm: [u8; 2],
    /// The signature itself.
    pub signature: Vec<u8>,
}

/// Why a checkpoint or tree head is invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CheckpointError {
    /// A part of it is malformed.
    #[error("the checkpoint's {0} is not as it should be")]
    Malformed(&'static str),
    /// It belongs to another log.
    #[error("the checkpoint is of {found:?}, not of {expected:?}")]
    OtherLog {
        /// The log that it names.
        found: String,
        /// The expected log.
        expected: String,
    },
    /// None of its signatures was made by the log's key.
    #[error("the checkpoint has no signature by the log's key")]
    Unsigned,
}

/// The SHA-256 of a log's public key (RFC 6962 section 3.2).
#[must_use]
pub fn log_id(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

impl SignedTree {
    /// Parses a checkpoint, which is a signed note as in <https://c2sp.org/static-ct-api>, of the
    /// log with this origin (its submission URL without scheme and trailing slash) and id.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn of_checkpoint(text: &str, origin: &str, id: &[u8; 32]) -> Result<Self, CheckpointError> {
        let (body, signatures) = text
            .split_once("\n\n")
            .ok_or(CheckpointError::Malformed("form"))?;
        let mut lines = body.lines();
        let found = lines.next().unwrap_or_default();
        if found != origin {
            return Err(CheckpointError::OtherLog {
                found: found.chars().take(200).collect(),
                expected: origin.to_owned(),
            });
        }
        let size = lines
            .next()
            .and_then(decimal)
            .ok_or(CheckpointError::Malformed("size"))?;
        let root = lines
            .next()
            .and_then(|line| STANDARD.decode(line).ok())
            .and_then(|root| root.try_into().ok())
            .ok_or(CheckpointError::Malformed("root"))?;
        // The signature type is 5, for a tree head of RFC 6962.
        let key: [u8; 32] = Sha256::new()
            .chain_update(origin)
            .chain_update([b'\n', 5])
            .chain_update(id)
            .finalize()
            .into();
        let ours = signatures.lines().find_map(|line| {
            let (name, octets) = line.strip_prefix("— ")?.split_once(' ')?;
            let octets = STANDARD.decode(octets).ok()?;
            (name == origin && octets.get(..4) == key.get(..4)).then_some(octets)
        });
        let ours = ours.ok_or(CheckpointError::Unsigned)?;
        let (timestamp, signature) = ours
            .get(4..)
            .and_then(<[u8]>::split_first_chunk)
            .ok_or(CheckpointError::Malformed("signature"))?;
        Self::with(size, root, u64::from_be_bytes(*timestamp), signature)
            .ok_or(CheckpointError::Malformed("signature"))
    }

    /// Parses a tree head of RFC 6962 section 4.3, whose signature is encoded as in TLS.
    #[must_use]
    pub fn with(size: u64, root: Hash, timestamp_ms: u64, signature: &[u8]) -> Option<Self> {
        let (algorithm, rest) = signature.split_first_chunk()?;
        let (length, signature) = rest.split_first_chunk()?;
        let whole = usize::from(u16::from_be_bytes(*length)) == signature.len();
        whole.then(|| Self {
            size,
            root,
            timestamp_ms,
            algorithm: *algorithm,
            signature: signature.to_vec(),
        })
    }

    /// The signed octets: the `TreeHeadSignature` of RFC 6962 section 3.5.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        // Version 1 is encoded as 0, and a tree's hash has type 1.
        let mut octets = vec![0, 1];
        octets.extend(self.timestamp_ms.to_be_bytes());
        octets.extend(self.size.to_be_bytes());
        octets.extend(self.root);
        octets
    }
}

/// A number without sign or leading zeros, so that each has one spelling.
fn decimal(line: &str) -> Option<u64> {
    let plain = line.bytes().all(|byte| byte.is_ascii_digit());
    (plain && (line == "0" || !line.starts_with('0')))
        .then(|| line.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "example.com/log";

    fn checkpoint(origin: &str, size: &str, id: &[u8; 32]) -> String {
        let key: [u8; 32] = Sha256::digest([origin.as_bytes(), b"\n\x05", id].concat()).into();
        let mut signature = key[..4].to_vec();
        signature.extend(7_u64.to_be_bytes());
        signature.extend([4, 3, 0, 2, 0xaa, 0xbb]);
        format!(
            "{origin}\n{size}\n{}\n\n— other {}\n— {origin} {}\n",
            STANDARD.encode([9; 32]),
            STANDARD.encode([0; 12]),
            STANDARD.encode(signature)
        )
    }

    #[test]
    fn a_checkpoint_is_read_and_what_is_signed_is_the_tree_head() {
        let id = log_id(b"key");
        let read = SignedTree::of_checkpoint(&checkpoint(ORIGIN, "1024", &id), ORIGIN, &id);
        let read = read.unwrap();
        assert_eq!(
            (read.size, read.root, read.timestamp_ms),
            (1_024, [9; 32], 7)
        );
        assert_eq!(
            (read.algorithm, &read.signature[..]),
            ([4, 3], &[0xaa, 0xbb][..])
        );
        let signed = read.signed();
        assert_eq!(signed.len(), 50);
        assert_eq!(signed[..10], [0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
    }

    #[test]
    fn what_is_no_checkpoint_of_the_log_is_refused() {
        let id = log_id(b"key");
        let refused = |text: &str, origin: &str, id: &[u8; 32]| {
            SignedTree::of_checkpoint(text, origin, id).unwrap_err()
        };
        let good = checkpoint(ORIGIN, "1024", &id);
        assert!(matches!(
            refused(&good, "example.com/other", &id),
            CheckpointError::OtherLog { .. }
        ));
        assert_eq!(
            refused(&good, ORIGIN, &log_id(b"x")),
            CheckpointError::Unsigned
        );
        for size in ["", "-1", "01", "1e3", "99999999999999999999"] {
            let wrong = checkpoint(ORIGIN, size, &id);
            assert_eq!(
                refused(&wrong, ORIGIN, &id),
                CheckpointError::Malformed("size"),
                "{size}"
            );
        }
        assert_eq!(refused("", ORIGIN, &id), CheckpointError::Malformed("form"));
    }
}
