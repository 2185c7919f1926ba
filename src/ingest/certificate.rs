//! Certificates handed in: as CertID and dates, or encoded.

use serde_json::Value;

use super::csv::{Row, Table};
use super::decode::{ByLine, Decode, Item, Position, ReadText, Text, Whole};
use super::fields::{FieldValue, Fields};
use super::pem::{self, Company, Encoded};
use super::x509::{self, Facts};
use super::{WHOLE_RECORD, json, rejection};
use crate::domain::certid::CertId;
use crate::domain::certificate::Submission;
use crate::domain::report::Rejection;

/// A certificate of a file and the CertID it bears, CA's or not.
pub type Identified = Item<CertId>;

const CSV_NAMES: [&str; 4] = ["cert_id", "not_before", "not_after", "issued_at"];
const CSV_REQUIRED: usize = 3;
const JSON_NAMES: [&str; 6] = [
    "certId",
    "notBefore",
    "notAfter",
    "issuedAt",
    "replaces",
    "pem",
];
const CERT_ID: usize = 0;
const NOT_BEFORE: usize = 1;
const NOT_AFTER: usize = 2;
const ISSUED_AT: usize = 3;
const REPLACES: usize = 4;
const PEM: usize = 5;

/// Four columns take 200 octets at most; the rest is room for quotes and mistakes.
const MOST_CSV_LINE_OCTETS: usize = 64 << 10;
/// A PEM text may stand in a line.
const MOST_JSON_OCTETS: usize = 1 << 20;

type BoxDecode = Box<dyn Decode<Submission>>;

pub(super) fn csv() -> BoxDecode {
    let table = Text(Table::new(&CSV_NAMES, CSV_REQUIRED));
    Box::new(ByLine::new(MOST_CSV_LINE_OCTETS, table))
}

pub(super) fn ndjson() -> BoxDecode {
    Box::new(ByLine::new(MOST_JSON_OCTETS, Text(Ndjson)))
}

pub(super) fn json() -> BoxDecode {
    Box::new(Whole::new(MOST_JSON_OCTETS, |octets: &[u8]| {
        let text =
            std::str::from_utf8(octets).map_err(|_| rejection(WHOLE_RECORD, "it is no UTF-8"))?;
        from_json(text)
    }))
}

/// The certificates that a decoder of encoded ones finds.
pub(super) fn encoded(inner: Box<dyn Decode<Encoded>>) -> BoxDecode {
    Box::new(Certificates {
        inner,
        found: Vec::new(),
        read: |encoded| {
            let facts = Facts::of(&encoded.der)?;
            match (facts.is_ca, encoded.company) {
                (true, Company::Others) => Ok(None),
                (true, Company::Alone) => Err(rejection(
                    "basicConstraints",
                    "this is the certificate of a CA; renewals are planned for those it issues",
                )),
                (false, _) => submission(facts).map(Some),
            }
        },
    })
}

/// A decoder of PEM or DER, told by content, that finds every certificate's CertID.
#[must_use]
pub fn identified() -> Box<dyn Decode<CertId>> {
    Box::new(Certificates {
        inner: pem::der_or_pem(pem::Wanted::Every),
        found: Vec::new(),
        read: |encoded| Facts::of(&encoded.der)?.id.map(Some),
    })
}

impl ReadText<Submission> for Table<4> {
    fn text(&mut self, text: &str) -> Option<Result<Submission, Rejection>> {
        match self.row(text) {
            Ok(Row::Header | Row::Ignored) => None,
            Ok(Row::Record(fields)) => Some(dated(&fields)),
            Err(rejection) => Some(Err(rejection)),
        }
    }

    fn end(&mut self) -> Option<Rejection> {
        Self::end(self)
    }
}

struct Ndjson;

impl ReadText<Submission> for Ndjson {
    fn text(&mut self, text: &str) -> Option<Result<Submission, Rejection>> {
        Some(from_json(text))
    }
}

fn from_json(text: &str) -> Result<Submission, Rejection> {
    let fields = json::object(text, &JSON_NAMES)?;
    if fields.has(PEM) {
        from_pem(&fields)
    } else {
        dated(&fields)
    }
}

fn dated<V: FieldValue, const N: usize>(fields: &Fields<V, N>) -> Result<Submission, Rejection> {
    let id = fields.required(CERT_ID, cert_id)?;
    let not_before = fields.required(NOT_BEFORE, V::time)?;
    let not_after = fields.required(NOT_AFTER, V::time)?;
    Ok(Submission {
        id,
        validity: x509::validity(not_before, not_after, fields.names[NOT_AFTER])?,
        issued_at: fields.optional(ISSUED_AT, V::time)?,
        replaces: fields.optional(REPLACES, cert_id)?,
    })
}

/// The first certificate of the text: what clients call a full chain begins with it.
fn from_pem(fields: &Fields<Value, 6>) -> Result<Submission, Rejection> {
    if let Some(extra) = [CERT_ID, NOT_BEFORE, NOT_AFTER]
        .into_iter()
        .find(|index| fields.has(*index))
    {
        return Err(rejection(
            fields.names[extra],
            "the certificate in pem tells it; give one of the two",
        ));
    }
    let mut found = Vec::new();
    let mut decoder = encoded(pem::pem(pem::Wanted::First));
    let text = fields.required(PEM, |value| value.text().map(str::to_owned))?;
    decoder.push(text.as_bytes(), &mut found);
    decoder.finish(&mut found);
    let Some(first) = found.pop() else {
        return Err(rejection("pem", "there is no certificate in it"));
    };
    let read = first.record.map_err(|Rejection { field, detail }| {
        if field == "pem" {
            rejection("pem", detail)
        } else {
            rejection("pem", format_args!("{field}: {detail}"))
        }
    })?;
    Ok(Submission {
        issued_at: fields.optional(ISSUED_AT, Value::time)?,
        replaces: fields.optional(REPLACES, cert_id)?,
        ..read
    })
}

fn cert_id<V: FieldValue>(value: &V) -> Result<CertId, String> {
    let text = value.text()?;
    text.parse()
        .map_err(|error| format!("{text:?} is no CertID: {error}"))
}

fn submission(facts: Facts) -> Result<Submission, Rejection> {
    Ok(Submission {
        id: facts.id?,
        validity: facts.validity?,
        issued_at: None,
        replaces: None,
    })
}

/// Turns what is encoded into records.
struct Certificates<T> {
    inner: Box<dyn Decode<Encoded>>,
    found: Vec<Item<Encoded>>,
    /// `None`: it is not wanted.
    read: fn(Encoded) -> Result<Option<T>, Rejection>,
}

impl<T> Certificates<T> {
    fn read(&mut self, out: &mut Vec<Item<T>>) {
        for Item { line, next, record } in self.found.drain(..) {
            if let Some(record) = record.and_then(self.read).transpose() {
                out.push(Item { line, next, record });
            }
        }
    }
}

impl<T> Decode<T> for Certificates<T> {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Item<T>>) {
        self.inner.push(bytes, &mut self.found);
        self.read(out);
    }

    fn finish(&mut self, out: &mut Vec<Item<T>>) -> Position {
        let end = self.inner.finish(&mut self.found);
        self.read(out);
        end
    }

    fn resume(&mut self, at: Position) {
        self.inner.resume(at);
    }
}
