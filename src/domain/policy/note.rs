//! An operator's words on a span of time, shown on the page and in the ranking.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// An operator's words on a span of time, about one CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The time that they are about. They are published as soon as they are configured, until its end.
    pub span: Span,
    /// The words: one line of plain text.
    pub text: String,
}

/// A note as documents have it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct PublishedNote {
    /// When the time begins that it is about.
    pub from: Timestamp,
    /// When that time ends.
    pub to: Timestamp,
    /// The words.
    pub text: String,
}

/// The notes that are not over at `now`, in order of time; one that several CAs have is told once.
#[must_use]
pub fn current<'a>(notes: impl Iterator<Item = &'a Note>, now: Timestamp) -> Vec<PublishedNote> {
    let mut current: Vec<PublishedNote> = notes
        .filter(|note| note.span.to > now)
        .map(|note| PublishedNote {
            from: note.span.from,
            to: note.span.to,
            text: note.text.clone(),
        })
        .collect();
    current.sort();
    current.dedup();
    current
}
