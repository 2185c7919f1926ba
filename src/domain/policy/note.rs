//! An operator's note on a span of time, shown on the page and in the ranking.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// An operator's note on a span of time, for one CA.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The span that the note is about. It is published as soon as it is configured, until the span
    /// ends.
    pub span: Span,
    /// One line of plain text.
    pub text: String,
}

/// A note in the form used in documents.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct PublishedNote {
    /// The start of the span.
    pub from: Timestamp,
    /// The end of the span.
    pub to: Timestamp,
    /// The text.
    pub text: String,
}

/// The notes that are not over at `now`, in chronological order, without duplicates among CAs.
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
