//! HTTP/1.1 answers with a `Content-Length`, as far as a generator of load looks at them.

use std::fmt;

use memchr::memmem;

/// What of a body is kept, to tell what it is.
const KEPT_OCTETS: usize = 32;
/// A head that is longer than this is none.
const MOST_HEAD_OCTETS: usize = 16 << 10;

/// An answer that is there as a whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body_octets: usize,
    begins: [u8; KEPT_OCTETS],
}

/// What came is no HTTP/1.1 answer with a length.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Unreadable;

/// One connection's answers, one after the other.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// A head that came in part.
    head: Vec<u8>,
    /// The answer whose body is not all there, and how much of it is.
    body: Option<(Answer, usize)>,
}

impl Answer {
    /// Whether its body begins so, as far as that is kept.
    pub(super) fn begins_with(&self, text: &str) -> bool {
        let most = text.len().min(KEPT_OCTETS);
        self.begins[..self.body_octets.min(KEPT_OCTETS)].starts_with(&text.as_bytes()[..most])
    }
}

impl Reader {
    /// Takes what was read: the answer where it is complete now. One answer at a time, since
    /// nothing is asked before the last one came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        if self.body.is_some() {
            return self.add_to_body(bytes);
        }
        if self.head.is_empty() {
            // As it mostly is: all in one piece, and nothing is copied.
            return match head_octets(bytes) {
                Some(octets) => self.begin(&bytes[..octets], &bytes[octets..]),
                None => self.keep(bytes),
            };
        }
        self.keep(bytes)?;
        let Some(octets) = head_octets(&self.head) else {
            return Ok(None);
        };
        let head = std::mem::take(&mut self.head);
        self.begin(&head[..octets], &head[octets..])
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        self.head.extend_from_slice(bytes);
        if self.head.len() > MOST_HEAD_OCTETS {
            return Err(Unreadable);
        }
        Ok(None)
    }

    fn begin(&mut self, head: &[u8], body: &[u8]) -> Result<Option<Answer>, Unreadable> {
        let answer = Answer {
            status: status(head).ok_or(Unreadable)?,
            body_octets: content_length(head).ok_or(Unreadable)?,
            begins: [0; KEPT_OCTETS],
        };
        self.body = Some((answer, 0));
        self.add_to_body(body)
    }

    fn add_to_body(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Unreadable> {
        let Some((answer, there)) = &mut self.body else {
            return Err(Unreadable);
        };
        if let Some(room) = answer.begins.get_mut(*there..) {
            let kept = room.len().min(bytes.len());
            room[..kept].copy_from_slice(&bytes[..kept]);
        }
        *there += bytes.len();
        if *there > answer.body_octets {
            return Err(Unreadable);
        }
        let complete = (*there == answer.body_octets).then_some(*answer);
        if complete.is_some() {
            self.body = None;
        }
        Ok(complete)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = &self.begins[..self.body_octets.min(KEPT_OCTETS)];
        let Self {
            status,
            body_octets,
            ..
        } = self;
        let begins = String::from_utf8_lossy(kept);
        write!(f, "{status} with {body_octets} octets: {begins}…")
    }
}

/// How long the head is, its empty line included.
fn head_octets(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

fn status(head: &[u8]) -> Option<u16> {
    let digits = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    memchr::memchr_iter(b'\n', head).find_map(|end| {
        let line = &head[end + 1..];
        let name = line.get(..NAME.len())?;
        if !name.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let value = &line[NAME.len()..];
        let value = &value[..memchr::memchr(b'\r', value)?];
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        for first in 0..=OK.len() {
            for second in first..=OK.len() {
                let mut reader = Reader::default();
                let mut found = Vec::new();
                let cuts = [&OK[..first], &OK[first..second], &OK[second..], OK];
                for part in cuts.into_iter().filter(|part| !part.is_empty()) {
                    found.extend(reader.push(part).unwrap());
                }
                assert_eq!(found.len(), 2, "{first}, {second}");
                assert_eq!((found[0].status, found[0].body_octets), (200, 5));
                assert_eq!(found[0], found[1]);
                assert!(found[0].begins_with("hell"));
                assert!(!found[0].begins_with("help"));
                assert!(!found[0].begins_with("hello, and more"));
            }
        }
    }

    #[test]
    fn long_bodies_are_compared_by_their_beginning() {
        let mut reader = Reader::default();
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-length: 100\r\n\r\n";
        assert_eq!(reader.push(head), Ok(None));
        assert_eq!(reader.push(&[b'a'; 60]), Ok(None));
        let answer = reader.push(&[b'b'; 40]).unwrap().unwrap();
        assert_eq!((answer.status, answer.body_octets), (404, 100));
        assert!(answer.begins_with(&"a".repeat(50)));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in [
            "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            let mut reader = Reader::default();
            assert_eq!(reader.push(text.as_bytes()), Err(Unreadable), "{text:?}");
        }
        let mut reader = Reader::default();
        assert_eq!(
            reader.push(&vec![b'a'; MOST_HEAD_OCTETS + 1]),
            Err(Unreadable)
        );
    }
}
