//! Certificates listed for an incident: by CertID, or by serial number and issuer.

use super::csv::{Rows, Table};
use super::decode::{ByLine, Decode, Text};
use super::error::UnknownMediaType;
use super::fields::{FieldValue, Fields, Unknown};
use super::rejected::{WHOLE_RECORD, quoted, rejection};
use super::{hexadecimal, json};
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::engine::verdict::Rejection;

/// A CertID has at most 130 characters, a serial in hexadecimal with colons 95.
const MOST_LINE_OCTETS: usize = 4 << 10;

const CSV_NAMES: [&str; 3] = ["cert_id", "serial", "issuer"];
const JSON_NAMES: [&str; 3] = ["certId", "serial", "issuer"];
const CERT_ID: usize = 0;
const SERIAL: usize = 1;
const ISSUER: usize = 2;

/// The formats of the list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NamedFormat {
    /// With a header: `cert_id`, or `serial` and `issuer`.
    Csv,
    /// One CertID or serial in hexadecimal per line.
    Lines,
    /// One JSON object per line.
    Ndjson,
}

impl NamedFormat {
    /// The supported media types, for error messages.
    pub const MEDIA_TYPES: &'static str = "application/x-ndjson, text/csv, text/plain";

    /// The format of a `Content-Type`; parameters are ignored.
    ///
    /// # Errors
    /// [`UnknownMediaType`] if it is none of [`Self::MEDIA_TYPES`].
    pub fn of_media_type(content_type: &str) -> Result<Self, UnknownMediaType> {
        match super::format::essence(content_type).as_str() {
            "application/x-ndjson" => Ok(Self::Ndjson),
            "text/csv" => Ok(Self::Csv),
            "text/plain" => Ok(Self::Lines),
            _ => Err(UnknownMediaType::new(content_type, Self::MEDIA_TYPES)),
        }
    }

    /// The format of a text, detected by its beginning.
    #[must_use]
    pub fn of_text(head: &[u8]) -> Self {
        let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let text = text.trim_ascii_start();
        let first = text.split(|octet| *octet == b'\n').next();
        let mut cells = first.unwrap_or_default().split(|octet| *octet == b',');
        if text.starts_with(b"{") {
            Self::Ndjson
        } else if cells.any(|cell| matches!(cell.trim_ascii(), b"cert_id" | b"serial")) {
            Self::Csv
        } else {
            Self::Lines
        }
    }

    /// A decoder for one body; `issuer` applies to serials without one.
    #[must_use]
    pub fn decoder(self, issuer: Option<KeyIdentifier>) -> Box<dyn Decode<CertId>> {
        match self {
            Self::Csv => {
                let table = Table::new(&CSV_NAMES, 0);
                let rows = Rows::new(table, move |fields| named(fields, issuer.as_ref()));
                Box::new(ByLine::new(MOST_LINE_OCTETS, Text(rows)))
            }
            Self::Lines => {
                let read = move |text: &str| plain(text, issuer.as_ref());
                Box::new(ByLine::new(MOST_LINE_OCTETS, Text(read)))
            }
            Self::Ndjson => {
                let read = move |text: &str| {
                    let fields = json::object(text, &JSON_NAMES, Unknown::Refused)?;
                    named(&fields, issuer.as_ref())
                };
                Box::new(ByLine::new(MOST_LINE_OCTETS, Text(read)))
            }
        }
    }
}

fn plain(text: &str, issuer: Option<&KeyIdentifier>) -> Result<CertId, Rejection> {
    let text = text.trim_ascii();
    if text.contains('.') {
        text.parse().map_err(|error| {
            rejection(
                "certId",
                format_args!("{} is no CertID: {error}", quoted(text)),
            )
        })
    } else {
        of_serial(text, issuer)
    }
}

fn named<V: FieldValue>(
    fields: &Fields<V, 3>,
    issuer: Option<&KeyIdentifier>,
) -> Result<CertId, Rejection> {
    let id = fields.optional(CERT_ID, |value| {
        let text = value.text()?;
        text.parse::<CertId>()
            .map_err(|error| format!("{} is no CertID: {error}", quoted(text)))
    })?;
    let serial = fields.optional(SERIAL, |value| value.text().map(str::to_owned))?;
    let own = fields.optional(ISSUER, |value| hexadecimal::issuer(value.text()?))?;
    match (id, serial) {
        (Some(id), None) if own.is_none() => Ok(id),
        (Some(_), _) => Err(rejection(
            fields.names[CERT_ID],
            "it contains serial and issuer; give only one of the two",
        )),
        (None, Some(serial)) => of_serial(&serial, own.as_ref().or(issuer)),
        (None, None) => Err(rejection(
            WHOLE_RECORD,
            format_args!(
                "it names no certificate: give {}, or {} and {}",
                fields.names[CERT_ID], fields.names[SERIAL], fields.names[ISSUER]
            ),
        )),
    }
}

/// The certificate with a serial in hexadecimal, as printed by `openssl` and revocation lists: a
/// positive number; leading zeros, colons and `0x` are allowed.
fn of_serial(text: &str, issuer: Option<&KeyIdentifier>) -> Result<CertId, Rejection> {
    let Some(issuer) = issuer else {
        return Err(rejection(
            "issuer",
            "it is missing, and a serial alone names no certificate",
        ));
    };
    let serial = hexadecimal::serial(text).map_err(|reason| rejection("serial", reason))?;
    Ok(CertId {
        key_identifier: issuer.clone(),
        serial,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RFC: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    const ISSUER: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ";

    /// The same octets.
    const HEXADECIMAL: &str = "69885b6b87464041e1b37b847ba0ae2cde01c8d4";

    fn read(text: &str, issuer: Option<&str>) -> Vec<Result<String, String>> {
        let issuer = issuer.map(|issuer| issuer.parse().unwrap());
        let mut decoder = NamedFormat::of_text(text.as_bytes()).decoder(issuer);
        let mut items = Vec::new();
        decoder.push(text.as_bytes(), &mut items);
        decoder.finish(&mut items);
        items
            .into_iter()
            .map(|item| match item.record {
                Ok(id) => Ok(id.to_string()),
                Err(Rejection { field, detail }) => Err(format!("{field}: {detail}")),
            })
            .collect()
    }

    #[test]
    fn a_certificate_has_many_names() {
        for text in [
            RFC.to_owned(),
            "87654321".to_owned(),
            "0087654321\n".to_owned(),
            "0x87654321".to_owned(),
            "00:87:65:43:21".to_owned(),
            format!("cert_id\n{RFC}\n"),
            "serial\n87654321\n".to_owned(),
            format!("issuer,serial\n{ISSUER},87654321\n"),
            format!("issuer,serial\n{HEXADECIMAL},87654321\n"),
            format!("{{\"certId\":\"{RFC}\"}}\n"),
            format!("{{\"serial\":\"87654321\",\"issuer\":\"{ISSUER}\"}}"),
            "{\"serial\":\"87654321\"}".to_owned(),
        ] {
            assert_eq!(read(&text, Some(ISSUER)), [Ok(RFC.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_names_none_is_refused_by_field() {
        for (text, want) in [
            ("87654321", "issuer: it is missing"),
            ("xyz", "issuer: it is missing"),
            ("{\"certId\":\"x\"}", "certId: \"x\" is no CertID"),
            (
                "{\"serial\":\"12\",\"issuer\":\"?\"}",
                "issuer: \"?\" is no number in hexadecimal, and no key identifier",
            ),
            (
                "{\"serial\":\"1g\",\"issuer\":\"aYhb\"}",
                "serial: \"1g\" is no number",
            ),
            (
                "{\"serial\":12,\"issuer\":\"aYhb\"}",
                "serial: 12 is no string",
            ),
            ("{}", "record: it names no certificate"),
            (
                "{\"certId\":\"aYhb.AIdl\",\"serial\":\"1\"}",
                "certId: it contains serial",
            ),
            ("{\"id\":1}", "id: it is unknown"),
            ("cert_id,name\n", "name: the header names an unknown column"),
        ] {
            let found = read(text, None);
            let [Err(error)] = &found[..] else {
                panic!("{text}: {found:?}");
            };
            assert!(error.starts_with(want), "{text}: {error}");
        }
    }
}
