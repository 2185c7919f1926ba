//! Why an index file is rejected.

use std::io;

/// Why an index file is rejected.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum Unusable {
    /// It is truncated or has changed.
    #[error("it is damaged")]
    Damaged,
    /// It was written with another hash key, and so for another database.
    #[error("it belongs to another database")]
    OtherKey,
    /// Written by another version.
    #[error("it was written by another version")]
    OtherVersion,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// A premature end means damage; other disk errors do not.
pub(super) fn torn(error: io::Error) -> Unusable {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Unusable::Damaged
    } else {
        Unusable::Unreadable(error)
    }
}
