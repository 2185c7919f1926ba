//! Why a compressed body is not read to its end.

/// A body may always decompress to this many octets: more than a hundred thousand certificates, and
/// a second of work.
pub(super) const ALWAYS_OCTETS: u64 = 64 << 20;

/// Beyond that, the maximum ratio of decompressed to received octets. Lists of certificates shrink
/// to a half or a third, because serials are random, and observations of one source to a thirtieth.
/// An attacker with a decompression bomb must send at least a hundredth of what we process.
pub(super) const MOST_RATIO: u64 = 100;

/// Why a compressed body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// It is invalid, truncated, or followed by more.
    #[error("the body is not whole {coding} as its Content-Encoding says: {reason}")]
    Broken {
        /// The coding.
        coding: &'static str,
        /// The decoder's message.
        reason: String,
    },
    /// It decompresses to more than allowed.
    #[error(
        "the body unpacks to more than {MOST_RATIO} times what came of it and more than \
         {ALWAYS_OCTETS} octets: send it in parts, or without Content-Encoding"
    )]
    TooLarge,
}
