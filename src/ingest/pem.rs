//! PEM (RFC 7468) and DER: finds encoded certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::decode::{ByLine, Decode, Item, ReadLine, Whole};
use super::lines::Line;
use super::lines::Position;
use super::rejected::rejection;
use crate::engine::verdict::Rejection;

/// The longest certificate accepted: several times a thousand names of 253 octets with a
/// post-quantum signature.
pub(super) const MOST_OCTETS: usize = 1 << 20;

/// A certificate in DER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Encoded {
    pub(super) der: Vec<u8>,
    pub(super) company: PemContext,
}

/// The context of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PemContext {
    /// It was submitted alone, so it is the one that is meant.
    Alone,
    /// It is one of several in a file, which may include those of issuers.
    Others,
}

/// Which certificates of a PEM text to return.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    Every,
    First,
}

type BoxDecode = Box<dyn Decode<Encoded>>;

/// All certificates of a PEM file, or the first.
pub(super) fn pem(wanted: Wanted) -> BoxDecode {
    let blocks = Blocks {
        wanted,
        block: None,
        found: 0,
    };
    Box::new(ByLine::new(MOST_OCTETS, blocks))
}

/// The certificate of a DER file.
pub(super) fn der() -> BoxDecode {
    let read = |octets: &[u8]| {
        Ok(Encoded {
            der: octets.to_vec(),
            company: PemContext::Alone,
        })
    };
    Box::new(Whole::new(MOST_OCTETS, read))
}

/// DER or PEM, detected by the first two octets.
pub(super) fn der_or_pem(wanted: Wanted) -> BoxDecode {
    Box::new(Either {
        wanted,
        head: Vec::new(),
        detected: None,
    })
}

/// Whether these octets begin a DER certificate: a SEQUENCE of 128 octets or more. No text begins
/// like this, because the second octet is not ASCII, and every signed certificate is at least that
/// long.
pub(super) fn is_der(head: &[u8]) -> bool {
    matches!(head, [0x30, second, ..] if *second >= 0x80)
}

struct Either {
    /// Which certificates of a PEM text to return.
    wanted: Wanted,
    head: Vec<u8>,
    detected: Option<BoxDecode>,
}

impl Either {
    fn detect(&mut self, out: &mut Vec<Item<Encoded>>) -> &mut BoxDecode {
        let head = std::mem::take(&mut self.head);
        let wanted = self.wanted;
        let decoder = self
            .detected
            .get_or_insert_with(|| if is_der(&head) { der() } else { pem(wanted) });
        decoder.push(&head, out);
        decoder
    }
}

impl Decode<Encoded> for Either {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Item<Encoded>>) {
        if let Some(decoder) = &mut self.detected {
            return decoder.push(bytes, out);
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() >= 2 {
            self.detect(out);
        }
    }

    fn finish(&mut self, out: &mut Vec<Item<Encoded>>) -> Position {
        self.detect(out).finish(out)
    }

    fn resume(&mut self, at: Position) {
        // Only PEM has records after the first.
        self.detected.insert(pem(self.wanted)).resume(at);
    }
}

struct Blocks {
    wanted: Wanted,
    block: Option<Block>,
    /// The number of certificate blocks so far, including malformed ones.
    found: u64,
}

struct Block {
    start: Position,
    label: String,
    base64: Vec<u8>,
    broken: Option<&'static str>,
}

impl Blocks {
    /// Adds a completed certificate block.
    fn close(&mut self, block: &Block, next: Position, out: &mut Vec<Item<Encoded>>) {
        if !is_certificate(&block.label) {
            return;
        }
        self.found += 1;
        if self.wanted == Wanted::First && self.found > 1 {
            return;
        }
        let company = match self.wanted {
            Wanted::Every => PemContext::Others,
            Wanted::First => PemContext::Alone,
        };
        let record = match block.broken {
            Some(detail) => Err(broken(detail)),
            None => match STANDARD.decode(&block.base64) {
                Ok(der) => Ok(Encoded { der, company }),
                Err(_) => Err(broken("what is in the block is not base64")),
            },
        };
        out.push(Item {
            line: block.start.line + 1,
            next,
            record,
        });
    }

    fn begin(&mut self, label: &str, line: &Line<'_>, out: &mut Vec<Item<Encoded>>) {
        if let Some(open) = self.block.take() {
            self.close(&open.cut_off(), line.start, out);
        }
        self.block = Some(Block {
            start: line.start,
            label: label.to_owned(),
            base64: Vec::new(),
            broken: None,
        });
    }

    fn end_block(&mut self, label: &str, line: &Line<'_>, out: &mut Vec<Item<Encoded>>) {
        let mut block = self.block.take().unwrap_or_else(|| Block {
            start: line.start,
            label: label.to_owned(),
            base64: Vec::new(),
            broken: Some("the block ends without a beginning"),
        });
        if block.label != label {
            block.broken = Some("the block's end names another label than its beginning");
        }
        self.close(&block, line.next, out);
    }
}

impl ReadLine<Encoded> for Blocks {
    fn line(&mut self, line: &Line<'_>, out: &mut Vec<Item<Encoded>>) {
        let text = line.text.map(<[u8]>::trim_ascii);
        if let Some(label) = text.and_then(|text| boundary(text, b"-----BEGIN ")) {
            self.begin(label, line, out);
        } else if let Some(label) = text.and_then(|text| boundary(text, b"-----END ")) {
            self.end_block(label, line, out);
        } else if let Some(block) = &mut self.block {
            block.add(text);
        }
    }

    fn end(&mut self, end: Position, out: &mut Vec<Item<Encoded>>) {
        if let Some(block) = self.block.take() {
            self.close(&block.cut_off(), end, out);
        }
        if self.found == 0 {
            out.push(Item {
                line: 1,
                next: end,
                record: Err(rejection(
                    "certificate",
                    "there is none: neither DER nor PEM",
                )),
            });
        }
    }

    fn resume(&mut self) {
        self.found = 1;
    }
}

impl Block {
    fn cut_off(mut self) -> Self {
        self.broken = Some("the block has no end");
        self
    }

    /// Adds a line inside the block; `None` if it is too long.
    fn add(&mut self, text: Option<&[u8]>) {
        // Base64 encodes 3 octets as 4.
        let room = (MOST_OCTETS / 3 * 4).saturating_sub(self.base64.len());
        match text {
            Some(text) if text.len() <= room => self.base64.extend_from_slice(text),
            _ => {
                self.base64 = Vec::new();
                self.broken = Some("the block is longer than a mebioctet");
            }
        }
    }
}

fn boundary<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a str> {
    let label = text.strip_prefix(prefix)?.strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok()
}

/// RFC 7468 section 5.1: the label, and the one used by some old software.
fn is_certificate(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE")
}

fn broken(detail: &'static str) -> Rejection {
    rejection("pem", detail)
}
