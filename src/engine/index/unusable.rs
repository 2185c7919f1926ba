//! Why an index in a file is not taken.

use std::io;

/// Why an index in a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum Unusable {
    /// Not what was written: cut off, or changed.
    #[error("it is damaged")]
    Damaged,
    /// Written under another hash key, so of another database.
    #[error("it belongs to another database")]
    OtherKey,
    /// Written by another version.
    #[error("it was written by another version")]
    OtherVersion,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// An end that comes too early is damage; that a disk fails is not.
pub(super) fn torn(error: io::Error) -> Unusable {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Unusable::Damaged
    } else {
        Unusable::Unreadable(error)
    }
}
