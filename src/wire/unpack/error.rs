//! Why a compressed body is not read to its end.

/// A body may always unpack to this much: a hundred thousand certificates and more in a second of
/// work, however well they pack.
pub(super) const ALWAYS_OCTETS: u64 = 64 << 20;

/// Beyond that a body may unpack to so many times what came of it. Lists of certificates pack to a
/// half or a third, since serials are random; observations of one source to a thirtieth. Who sends a
/// bomb sends a hundredth of what we have to read.
pub(super) const MOST_RATIO: u64 = 100;

/// Why a compressed body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// It is none, is cut off, or something follows it.
    #[error("the body is not whole {coding} as its Content-Encoding says: {reason}")]
    Broken {
        /// The coding.
        coding: &'static str,
        /// What the decoder says.
        reason: String,
    },
    /// It unpacks to more than it may.
    #[error(
        "the body unpacks to more than {MOST_RATIO} times what came of it and more than \
         {ALWAYS_OCTETS} octets: send it in parts, or without Content-Encoding"
    )]
    TooLarge,
}
