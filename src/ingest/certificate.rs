//! Submitted certificates: as CertID and dates, or encoded.

use std::borrow::Cow;

use super::csv::{Rows, Table};
use super::decode::{ByLine, Decode, Item, Text, Whole, in_utf8};
use super::fields::{FieldValue, Fields, Unknown, parsed_time};
use super::json::{MOST_TEXTS, Scalar};
use super::lines::Position;
use super::pem::{self, Encoded, PemContext};
use super::rejected::{quoted, rejection};
use super::x509::{self, Authority, Facts};
use super::{hexadecimal, json};
use crate::domain::certificate::Submission;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::names::Names;
use crate::domain::time::Timestamp;
use crate::engine::verdict::Rejection;

const CSV_NAMES: [&str; 6] = [
    "not_before",
    "not_after",
    "cert_id",
    "issued_at",
    "issuer",
    "serial",
];
const JSON_NAMES: [&str; 7] = [
    "notBefore",
    "notAfter",
    "certId",
    "issuedAt",
    "replaces",
    "pem",
    "names",
];
const NOT_BEFORE: usize = 0;
const NOT_AFTER: usize = 1;
const REQUIRED: usize = 2;
const CERT_ID: usize = 2;
const ISSUED_AT: usize = 3;
/// The column in CSV.
const ISSUER: usize = 4;
const SERIAL: usize = 5;
/// The key in JSON.
const REPLACES: usize = 4;
const PEM: usize = 5;
const NAMES: usize = 6;

/// The longest name: the limit of DNS (RFC 1035 section 2.3.4).
const MOST_NAME_OCTETS: usize = 253;

/// The known columns take at most 300 octets; the rest allows for quotes and mistakes.
const MOST_CSV_LINE_OCTETS: usize = 64 << 10;
/// A line may contain a PEM text.
const MOST_JSON_OCTETS: usize = 1 << 20;

type BoxDecode = Box<dyn Decode<Submission>>;

pub(super) fn csv(unknown: Unknown) -> BoxDecode {
    let table = Table::new(&CSV_NAMES, REQUIRED)
        .with_one_of(&[&[CERT_ID], &[ISSUER, SERIAL]])
        .with_unknown(unknown);
    Box::new(ByLine::new(
        MOST_CSV_LINE_OCTETS,
        Text(Rows::new(table, from_row)),
    ))
}

pub(super) fn ndjson(unknown: Unknown) -> BoxDecode {
    let read = move |text: &str| from_json(text, unknown);
    Box::new(ByLine::new(MOST_JSON_OCTETS, Text(read)))
}

pub(super) fn json(unknown: Unknown) -> BoxDecode {
    let read = move |text: &str| from_json(text, unknown);
    Box::new(Whole::new(MOST_JSON_OCTETS, in_utf8(read)))
}

/// Decodes encoded certificates.
pub(super) fn encoded(inner: Box<dyn Decode<Encoded>>) -> BoxDecode {
    Box::new(Certificates {
        inner,
        found: Vec::new(),
        read: |encoded| {
            let facts = Facts::of(&encoded.der)?;
            match (facts.is_ca, encoded.company) {
                (true, PemContext::Others) => Ok(None),
                (true, PemContext::Alone) => Err(rejection(
                    "basicConstraints",
                    "this is the certificate of a CA; renewals are planned for those it issues",
                )),
                (false, _) => submission(facts).map(Some),
            }
        },
    })
}

/// A decoder of PEM or DER, detected by content, that returns every certificate's CertID.
#[must_use]
pub fn identified() -> Box<dyn Decode<CertId>> {
    Box::new(Certificates {
        inner: pem::der_or_pem(pem::Wanted::Every),
        found: Vec::new(),
        read: |encoded| Facts::of(&encoded.der)?.id.map(Some),
    })
}

/// A decoder of PEM or DER, detected by content, that returns the facts in every certificate.
pub(super) fn facts() -> Box<dyn Decode<Facts>> {
    Box::new(Certificates {
        inner: pem::der_or_pem(pem::Wanted::Every),
        found: Vec::new(),
        read: |encoded| Facts::of(&encoded.der).map(Some),
    })
}

/// A decoder of PEM or DER, detected by content, that returns the CA described by every
/// certificate.
#[must_use]
pub fn authorities() -> Box<dyn Decode<Authority>> {
    Box::new(Certificates {
        inner: pem::der_or_pem(pem::Wanted::Every),
        found: Vec::new(),
        read: |encoded| Authority::of(&encoded.der).map(Some),
    })
}

fn from_json(text: &str, unknown: Unknown) -> Result<Submission, Rejection> {
    let fields = json::object(text, &JSON_NAMES, unknown)?;
    if fields.has(PEM) {
        return from_pem(&fields);
    }
    let id = fields.required(CERT_ID, cert_id)?;
    Ok(Submission {
        replaces: fields.optional(REPLACES, cert_id)?,
        names: fields.optional(NAMES, names)?.unwrap_or_default(),
        ..dated(id, &fields, Scalar::time)?
    })
}

fn from_row(fields: &Fields<Cow<'_, str>, 6>) -> Result<Submission, Rejection> {
    let issuer = fields.optional(ISSUER, |text| hexadecimal::issuer(text))?;
    let serial = fields.optional(SERIAL, |text| hexadecimal::serial(text))?;
    let id = match (issuer, serial) {
        (None, None) => fields.required(CERT_ID, cert_id)?,
        _ if fields.has(CERT_ID) => {
            return Err(rejection(
                fields.names[CERT_ID],
                "it contains issuer and serial; give only one of the two",
            ));
        }
        (Some(key_identifier), Some(serial)) => CertId {
            key_identifier,
            serial,
        },
        (missing, _) => {
            let missing = if missing.is_none() { ISSUER } else { SERIAL };
            return Err(rejection(fields.names[missing], "it is missing"));
        }
    };
    dated(id, fields, |text| date(text))
}

fn dated<V: FieldValue, const N: usize>(
    id: CertId,
    fields: &Fields<V, N>,
    date: fn(&V) -> Result<Timestamp, String>,
) -> Result<Submission, Rejection> {
    let not_before = fields.required(NOT_BEFORE, date)?;
    let not_after = fields.required(NOT_AFTER, date)?;
    Ok(Submission {
        id,
        validity: x509::validity(not_before, not_after, fields.names[NOT_AFTER])?,
        issued_at: fields.optional(ISSUED_AT, V::time)?,
        replaces: None,
        names: Names::default(),
    })
}

/// A time, or a date for its midnight. `issued_at` does not accept a date, because its purpose is
/// the minute.
fn date(text: &str) -> Result<Timestamp, String> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if is_date {
        // The error quotes the date as it was given.
        parsed_time(&format!("{text}T00:00:00Z")).map_err(|_| format!("{text:?} is no date"))
    } else {
        parsed_time(text)
    }
}

/// The first certificate of the text. What clients call a full chain begins with it.
fn from_pem(fields: &Fields<Scalar<'_>, 7>) -> Result<Submission, Rejection> {
    if let Some(extra) = [CERT_ID, NOT_BEFORE, NOT_AFTER, NAMES]
        .into_iter()
        .find(|index| fields.has(*index))
    {
        return Err(rejection(
            fields.names[extra],
            "the certificate in pem contains it; give only one of the two",
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
        issued_at: fields.optional(ISSUED_AT, Scalar::time)?,
        replaces: fields.optional(REPLACES, cert_id)?,
        ..read
    })
}

fn cert_id<V: FieldValue>(value: &V) -> Result<CertId, String> {
    let text = value.text()?;
    text.parse()
        .map_err(|error| format!("{} is no CertID: {error}", quoted(text)))
}

/// The names of a certificate; none if the list is empty.
fn names(value: &Scalar<'_>) -> Result<Names, String> {
    let Scalar::Texts(texts) = value else {
        return Err(format!(
            "{value} is no list of at most {MOST_TEXTS} strings"
        ));
    };
    let fits = |text: &str| !text.is_empty() && text.len() <= MOST_NAME_OCTETS;
    match texts.iter().find(|text| !fits(text)) {
        Some(text) => Err(format!(
            "{} is no name of 1 to {MOST_NAME_OCTETS} octets",
            quoted(text)
        )),
        None => Ok(texts.iter().map(ToString::to_string).collect()),
    }
}

fn submission(facts: Facts) -> Result<Submission, Rejection> {
    Ok(Submission {
        id: facts.id?,
        validity: facts.validity?,
        issued_at: None,
        replaces: None,
        names: facts.names.into_iter().collect(),
    })
}

/// Converts encoded certificates to records.
struct Certificates<T> {
    inner: Box<dyn Decode<Encoded>>,
    found: Vec<Item<Encoded>>,
    /// `None` if the certificate is not wanted.
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
