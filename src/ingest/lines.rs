//! Splits bytes into lines, whatever the chunks.

use serde::{Deserialize, Serialize};

/// A position between two lines of a body or file.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Position {
    /// Bytes before it.
    pub offset: u64,
    /// Lines before it.
    pub line: u64,
}

/// A line without its line break.
pub(super) struct Line<'a> {
    /// Where it begins.
    pub(super) start: Position,
    /// Where the next one begins.
    pub(super) next: Position,
    /// Its octets; `None` if there are more than `most_octets`.
    pub(super) text: Option<&'a [u8]>,
    /// The limit.
    pub(super) most_octets: usize,
}

/// Splits at `\n` or `\r\n`; the last line need not end with one. A byte order mark at the start of
/// the body is dropped. At most one line is held in memory, and none beyond the limit.
pub(super) struct Lines {
    most_octets: usize,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// The octets of that line so far, stored or not.
    seen: u64,
    at: Position,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Lines {
    pub(super) const fn new(most_octets: usize) -> Self {
        Self {
            most_octets,
            partial: Vec::new(),
            seen: 0,
            at: Position { offset: 0, line: 0 },
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&Line<'_>)) {
        while let Some(end) = bytes.iter().position(|octet| *octet == b'\n') {
            self.complete(&bytes[..end], 1, &mut each);
            bytes = &bytes[end + 1..];
        }
        self.seen += bytes.len() as u64;
        if self.is_overlong() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    /// Called at the end of the body; passes on the last line if no line break ended it.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Line<'_>)) -> Position {
        if self.seen > 0 {
            self.complete(&[], 0, &mut each);
        }
        self.at
    }

    /// The next bytes start at `at`.
    pub(super) fn resume(&mut self, at: Position) {
        self.partial.clear();
        self.seen = 0;
        self.at = at;
    }

    fn complete(&mut self, tail: &[u8], end_octets: u64, each: &mut impl FnMut(&Line<'_>)) {
        self.seen += tail.len() as u64;
        let start = self.at;
        self.at = Position {
            offset: start.offset + self.seen + end_octets,
            line: start.line + 1,
        };
        let text = if self.is_overlong() {
            None
        } else if self.partial.is_empty() {
            Some(tail)
        } else {
            self.partial.extend_from_slice(tail);
            Some(self.partial.as_slice())
        };
        each(&Line {
            start,
            next: self.at,
            text: text.map(|text| bare(text, start)),
            most_octets: self.most_octets,
        });
        self.partial.clear();
        self.seen = 0;
    }

    fn is_overlong(&self) -> bool {
        self.seen > self.most_octets as u64
    }
}

fn bare(text: &[u8], start: Position) -> &[u8] {
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if start.offset == 0 {
        text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
    } else {
        text
    }
}
