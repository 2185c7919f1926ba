//! Decodes bytes into records. Bytes may arrive in chunks of any size; memory is bounded, and the
//! chunking does not affect the records.

use super::lines::{Line, Lines, Position};
use super::rejected::{WHOLE_RECORD, rejection};
use crate::engine::verdict::Rejection;

/// A record, or its rejection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item<T> {
    /// The line where it begins, from 1.
    pub line: u64,
    /// Where decoding can continue after it.
    pub next: Position,
    /// The record, or its rejection with the format's field names.
    pub record: Result<T, Rejection>,
}

/// A decoder for one body or file.
pub trait Decode<T>: Send {
    /// Processes more bytes and adds the completed records to `out`.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Item<T>>);

    /// Ends the body, adds the completed records to `out`, and returns the end position.
    fn finish(&mut self, out: &mut Vec<Item<T>>) -> Position;

    /// Continues at `at`, which is `next` of an earlier item; the next bytes start there. If the
    /// format has a header, it must have been pushed before.
    fn resume(&mut self, at: Position);
}

/// Processes the lines of a line-based format.
pub(super) trait ReadLine<T>: Send {
    fn line(&mut self, line: &Line<'_>, out: &mut Vec<Item<T>>);
    fn end(&mut self, end: Position, out: &mut Vec<Item<T>>);
    fn resume(&mut self) {}
}

/// Processes the non-blank lines of a format with one UTF-8 record per line.
pub(super) trait ReadText<T>: Send {
    /// `None` if the line is not a record, such as a header.
    fn text(&mut self, text: &str) -> Option<Result<T, Rejection>>;
    /// An error of the body as a whole.
    fn end(&mut self) -> Option<Rejection> {
        None
    }
}

impl<T, F: FnMut(&str) -> Result<T, Rejection> + Send> ReadText<T> for F {
    fn text(&mut self, text: &str) -> Option<Result<T, Rejection>> {
        Some(self(text))
    }
}

/// Decodes line by line.
pub(super) struct ByLine<R> {
    lines: Lines,
    reader: R,
}

impl<R> ByLine<R> {
    pub(super) fn new(most_octets: usize, reader: R) -> Self {
        Self {
            lines: Lines::new(most_octets),
            reader,
        }
    }
}

impl<T, R: ReadLine<T>> Decode<T> for ByLine<R> {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Item<T>>) {
        let reader = &mut self.reader;
        self.lines.push(bytes, |line| reader.line(line, out));
    }

    fn finish(&mut self, out: &mut Vec<Item<T>>) -> Position {
        let reader = &mut self.reader;
        let end = self.lines.finish(|line| reader.line(line, out));
        self.reader.end(end, out);
        end
    }

    fn resume(&mut self, at: Position) {
        self.lines.resume(at);
        self.reader.resume();
    }
}

/// One record per line, in UTF-8; blank lines are skipped.
pub(super) struct Text<R>(pub(super) R);

impl<T, R: ReadText<T>> ReadLine<T> for Text<R> {
    fn line(&mut self, line: &Line<'_>, out: &mut Vec<Item<T>>) {
        let record = match line.text.map(std::str::from_utf8) {
            None => Some(Err(rejection(
                WHOLE_RECORD,
                format_args!("the line is longer than {} octets", line.most_octets),
            ))),
            Some(Err(error)) => Some(Err(rejection(
                WHOLE_RECORD,
                format_args!(
                    "the line is no UTF-8 from octet {} on",
                    error.valid_up_to() + 1
                ),
            ))),
            Some(Ok(text)) if text.trim_ascii().is_empty() => None,
            Some(Ok(text)) => self.0.text(text),
        };
        if let Some(record) = record {
            out.push(Item {
                line: line.start.line + 1,
                next: line.next,
                record,
            });
        }
    }

    fn end(&mut self, end: Position, out: &mut Vec<Item<T>>) {
        if let Some(rejection) = self.0.end() {
            out.push(Item {
                line: 1,
                next: end,
                record: Err(rejection),
            });
        }
    }
}

/// Reads octets as UTF-8.
pub(super) fn in_utf8<T>(
    read: impl Fn(&str) -> Result<T, Rejection>,
) -> impl Fn(&[u8]) -> Result<T, Rejection> {
    move |octets| {
        let text = std::str::from_utf8(octets);
        read(text.map_err(|_| rejection(WHOLE_RECORD, "it is no UTF-8"))?)
    }
}

/// Decodes a body that is a single record.
pub(super) struct Whole<R> {
    octets: Vec<u8>,
    most_octets: usize,
    end: Position,
    read: R,
}

impl<R> Whole<R> {
    pub(super) const fn new(most_octets: usize, read: R) -> Self {
        Self {
            octets: Vec::new(),
            most_octets,
            end: Position { offset: 0, line: 0 },
            read,
        }
    }
}

impl<T, R: Fn(&[u8]) -> Result<T, Rejection> + Send> Decode<T> for Whole<R> {
    fn push(&mut self, bytes: &[u8], _out: &mut Vec<Item<T>>) {
        self.end.offset += bytes.len() as u64;
        // One octet beyond the limit is kept, to detect that there were more.
        let room = (self.most_octets + 1).saturating_sub(self.octets.len());
        self.octets
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self, out: &mut Vec<Item<T>>) -> Position {
        self.end.line += 1;
        let record = if self.octets.len() > self.most_octets {
            Err(rejection(
                WHOLE_RECORD,
                format_args!("the record is longer than {} octets", self.most_octets),
            ))
        } else {
            (self.read)(&self.octets)
        };
        out.push(Item {
            line: 1,
            next: self.end,
            record,
        });
        self.octets = Vec::new();
        self.end
    }

    fn resume(&mut self, at: Position) {
        self.end = at;
    }
}
