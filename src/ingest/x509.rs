//! X.509 certificates (RFC 5280), as far as ARI needs them. The only file that uses `x509-parser`.
//!
//! The certificate is walked element by element with that crate's DER layer. Its certificate type
//! rejects certificates because of names, keys and algorithms that do not matter here, and it
//! stores serials as unsigned numbers, which loses the octets needed for a CertID.

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};
use x509_parser::time::ASN1Time;

use super::rejected::rejection;
use crate::domain::certificate::Validity;
use crate::domain::certificate::certid::{CertId, CertIdError, Half, KeyIdentifier, Serial};
use crate::domain::time::Timestamp;
use crate::engine::verdict::Rejection;

pub mod crl;
mod der;
mod names;
pub mod signer;

use der::{element, first_is_context, nothing_after, take};

/// The facts in a certificate. Each part can fail on its own: a root has no CertID but is still
/// recognised as a CA certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Facts {
    /// The CertID: authorityKeyIdentifier, and the serial's content octets exactly as encoded.
    pub id: Result<CertId, Rejection>,
    /// The dates.
    pub validity: Result<Validity, Rejection>,
    /// Whether basicConstraints marks a CA (RFC 5280 section 4.2.1.9).
    pub is_ca: bool,
    /// Whether it contains timestamps of Certificate Transparency logs (RFC 6962 section 3.3),
    /// which means that its precertificate is in those logs.
    pub has_timestamps: bool,
    /// The DNS names and addresses of subjectAltName; empty if it is missing or cannot be read.
    pub names: Vec<String>,
}

/// The facts about a CA in its certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authority {
    /// subjectKeyIdentifier, by which issued certificates refer to their issuer.
    pub key_identifier: KeyIdentifier,
    /// The subject's name, as encoded.
    pub subject: Vec<u8>,
    /// Its common name, else its organizational unit or organization.
    pub name: Option<String>,
}

/// The content octets of 2.5.29.14, subjectKeyIdentifier.
const SUBJECT_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x0e];
/// Those of 2.5.4.3, .11 and .10: the subject names that people use, in order of preference.
const NAMES: [[u8; 3]; 3] = [[0x55, 0x04, 0x03], [0x55, 0x04, 0x0b], [0x55, 0x04, 0x0a]];
/// The content octets of 2.5.29.35, authorityKeyIdentifier.
const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = [0x55, 0x1d, 0x23];
/// Those of 1.3.6.1.4.1.11129.2.4.2, the list of timestamps.
const TIMESTAMPS: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
/// The content octets of 2.5.29.19, basicConstraints.
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];

impl Facts {
    /// Reads the certificate in `der`.
    ///
    /// # Errors
    /// `der` is not exactly one certificate (RFC 5280 section 4.1), or its extensions do not tell
    /// whether it belongs to a CA.
    pub fn of(der: &[u8]) -> Result<Self, Rejection> {
        Ok(Self::stated_in(&Tbs::of(der)?))
    }

    /// Reads the `TBSCertificate` of a precertificate, as stored in logs.
    ///
    /// # Errors
    /// As [`Facts::of`].
    pub fn of_precertificate(der: &[u8]) -> Result<Self, Rejection> {
        let mut rest = der;
        let tbs = take(&mut rest, "tbsCertificate", Tag::Sequence)?;
        nothing_after(rest, "tbsCertificate")?;
        Ok(Self::stated_in(&Tbs::within(tbs)?))
    }

    fn stated_in(tbs: &Tbs<'_>) -> Self {
        Self {
            id: cert_id(tbs.extensions.authority_key_identifier, tbs.serial),
            validity: dates(tbs.validity),
            is_ca: tbs.extensions.is_ca,
            has_timestamps: tbs.extensions.has_timestamps,
            names: names::of(tbs.extensions.subject_alternative_name),
        }
    }
}

impl Authority {
    /// Reads the certificate in `der`.
    ///
    /// # Errors
    /// It is not a CA certificate, or does not identify the CA's key.
    pub fn of(der: &[u8]) -> Result<Self, Rejection> {
        let tbs = Tbs::of(der)?;
        if !tbs.extensions.is_ca {
            let id = cert_id(tbs.extensions.authority_key_identifier, tbs.serial);
            let issuer = id.map_or_else(
                |_| String::new(),
                |id| {
                    format!(
                        ", whose key identifier is {:?}",
                        id.key_identifier.to_string()
                    )
                },
            );
            return Err(rejection(
                "basicConstraints",
                format_args!(
                    "this is not the certificate of a CA; give that of its issuer{issuer}"
                ),
            ));
        }
        Ok(Self {
            key_identifier: own_key_identifier(&tbs.extensions.subject_key_identifiers)?,
            subject: tbs.subject.to_vec(),
            name: known_name(tbs.subject)?,
        })
    }
}

/// The parts of a certificate that are needed.
struct Tbs<'a> {
    serial: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    /// subjectPublicKeyInfo, in DER.
    key: &'a [u8],
    extensions: Extensions<'a>,
}

impl<'a> Tbs<'a> {
    fn of(der: &'a [u8]) -> Result<Self, Rejection> {
        let mut rest = der;
        let certificate = take(&mut rest, "certificate", Tag::Sequence)?;
        if !rest.is_empty() {
            return Err(rejection(
                "certificate",
                format_args!("{} octets follow the certificate", rest.len()),
            ));
        }
        let mut rest = certificate;
        let tbs = take(&mut rest, "tbsCertificate", Tag::Sequence)?;
        take(&mut rest, "signatureAlgorithm", Tag::Sequence)?;
        take(&mut rest, "signatureValue", Tag::BitString)?;
        nothing_after(rest, "certificate")?;
        Self::within(tbs)
    }

    fn within(mut tbs: &'a [u8]) -> Result<Self, Rejection> {
        if first_is_context(tbs, 0) {
            element(&mut tbs, "version")?;
        }
        let serial = take(&mut tbs, "serialNumber", Tag::Integer)?;
        take(&mut tbs, "signature", Tag::Sequence)?;
        take(&mut tbs, "issuer", Tag::Sequence)?;
        let validity = take(&mut tbs, "validity", Tag::Sequence)?;
        let subject = take(&mut tbs, "subject", Tag::Sequence)?;
        let from_key = tbs;
        take(&mut tbs, "subjectPublicKeyInfo", Tag::Sequence)?;
        let key = &from_key[..from_key.len() - tbs.len()];
        Ok(Self {
            serial,
            validity,
            subject,
            key,
            extensions: Extensions::after_key(tbs)?,
        })
    }
}

/// The dates of a certificate.
///
/// # Errors
/// A rejection of `field` if they are in the wrong order.
pub(super) fn validity(
    not_before: Timestamp,
    not_after: Timestamp,
    field: &str,
) -> Result<Validity, Rejection> {
    if not_after < not_before {
        return Err(rejection(
            field,
            format_args!("the end {not_after} is before the beginning {not_before}"),
        ));
    }
    Ok(Validity {
        not_before,
        not_after,
    })
}

#[derive(Default)]
struct Extensions<'a> {
    /// All extensions, one after the other.
    all: &'a [u8],
    authority_key_identifier: Option<&'a [u8]>,
    /// All occurrences; they matter only in a CA certificate.
    subject_key_identifiers: Vec<&'a [u8]>,
    subject_alternative_name: Option<&'a [u8]>,
    has_timestamps: bool,
    is_ca: bool,
}

impl<'a> Extensions<'a> {
    /// Reads what follows the public key: unique identifiers and extensions.
    fn after_key(mut rest: &'a [u8]) -> Result<Self, Rejection> {
        let mut read = Self::default();
        while !rest.is_empty() {
            let is_extensions = first_is_context(rest, 3);
            let any = element(&mut rest, "extensions")?;
            if is_extensions {
                read = Self::of(any.data)?;
                nothing_after(rest, "extensions")?;
            }
        }
        Ok(read)
    }

    fn of(mut rest: &'a [u8]) -> Result<Self, Rejection> {
        let mut list = take(&mut rest, "extensions", Tag::Sequence)?;
        nothing_after(rest, "extensions")?;
        let mut read = Self {
            all: list,
            ..Self::default()
        };
        let mut constraints = None;
        while !list.is_empty() {
            let mut extension = take(&mut list, "extensions", Tag::Sequence)?;
            let oid = take(&mut extension, "extensions", Tag::Oid)?;
            let mut value = element(&mut extension, "extensions")?;
            if value.tag() == Tag::Boolean {
                value = element(&mut extension, "extensions")?;
            }
            nothing_after(extension, "extensions")?;
            if oid == SUBJECT_KEY_IDENTIFIER {
                read.subject_key_identifiers.push(value.data);
                continue;
            }
            if oid == TIMESTAMPS {
                read.has_timestamps = true;
                continue;
            }
            if oid == names::SUBJECT_ALTERNATIVE_NAME {
                read.subject_alternative_name = Some(value.data);
                continue;
            }
            let (slot, name) = if oid == AUTHORITY_KEY_IDENTIFIER {
                (&mut read.authority_key_identifier, "authorityKeyIdentifier")
            } else if oid == BASIC_CONSTRAINTS {
                (&mut constraints, "basicConstraints")
            } else {
                continue;
            };
            if value.tag() != Tag::OctetString {
                return Err(rejection(name, "it is not wrapped in an OCTET STRING"));
            }
            // RFC 5280 section 4.2: at most one of a kind. There is no way to choose between
            // several.
            if slot.replace(value.data).is_some() {
                return Err(rejection(name, "the certificate has more than one"));
            }
        }
        read.is_ca = constraints.map_or(Ok(false), says_ca)?;
        Ok(read)
    }
}

/// `SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }`.
fn says_ca(mut value: &[u8]) -> Result<bool, Rejection> {
    const NAME: &str = "basicConstraints";
    let mut content = take(&mut value, NAME, Tag::Sequence)?;
    nothing_after(value, NAME)?;
    if content.is_empty() {
        return Ok(false);
    }
    let first = element(&mut content, NAME)?;
    Ok(first.tag() == Tag::Boolean && first.data.iter().any(|octet| *octet != 0))
}

fn cert_id(authority: Option<&[u8]>, serial: &[u8]) -> Result<CertId, Rejection> {
    let authority =
        authority.ok_or_else(|| rejection("authorityKeyIdentifier", "the certificate has none"))?;
    let key_identifier = key_identifier(authority)?;
    Ok(CertId {
        key_identifier: KeyIdentifier::new(key_identifier).map_err(half_error)?,
        serial: Serial::new(serial).map_err(half_error)?,
    })
}

/// `SEQUENCE { keyIdentifier [0] IMPLICIT OCTET STRING OPTIONAL, … }` (RFC 5280 section 4.2.1.1).
fn key_identifier(mut value: &[u8]) -> Result<&[u8], Rejection> {
    const NAME: &str = "authorityKeyIdentifier";
    let mut content = take(&mut value, NAME, Tag::Sequence)?;
    nothing_after(value, NAME)?;
    while !content.is_empty() {
        let any = element(&mut content, NAME)?;
        if any.class() == Class::ContextSpecific && any.tag().0 == 0 {
            if any.header.is_constructed() {
                return Err(rejection(NAME, "its keyIdentifier is no octet string"));
            }
            return Ok(any.data);
        }
    }
    Err(rejection(NAME, "it has no keyIdentifier"))
}

/// `OCTET STRING` (RFC 5280 section 4.2.1.2).
fn own_key_identifier(values: &[&[u8]]) -> Result<KeyIdentifier, Rejection> {
    const NAME: &str = "subjectKeyIdentifier";
    let mut value = match values {
        [] => {
            return Err(rejection(
                NAME,
                "the certificate has none; `offpeak certid` of a certificate that the CA issued \
                 prints the key identifier before the dot",
            ));
        }
        [value] => *value,
        _ => return Err(rejection(NAME, "the certificate has more than one")),
    };
    let octets = take(&mut value, NAME, Tag::OctetString)?;
    nothing_after(value, NAME)?;
    KeyIdentifier::new(octets).map_err(|error| rejection(NAME, error))
}

/// `SEQUENCE OF SET OF SEQUENCE { OID, text }` (RFC 5280 section 4.1.2.4).
fn known_name(mut subject: &[u8]) -> Result<Option<String>, Rejection> {
    const NAME: &str = "subject";
    let mut found: [Option<String>; NAMES.len()] = [const { None }; NAMES.len()];
    while !subject.is_empty() {
        let mut set = take(&mut subject, NAME, Tag::Set)?;
        while !set.is_empty() {
            let mut attribute = take(&mut set, NAME, Tag::Sequence)?;
            let oid = take(&mut attribute, NAME, Tag::Oid)?;
            let value = element(&mut attribute, NAME)?;
            if let Some(at) = NAMES.iter().position(|name| *name == oid) {
                found[at] = Some(text(&value));
            }
        }
    }
    Ok(found.into_iter().flatten().next())
}

/// The readable part of a text; a `BMPString` has two octets a character.
fn text(value: &Any<'_>) -> String {
    if value.tag() == Tag::BmpString {
        let units = value.data.chunks(2);
        let units: Vec<u16> = units
            .map(|unit| {
                unit.iter()
                    .fold(0, |all, octet| all << 8 | u16::from(*octet))
            })
            .collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(value.data).into_owned()
    }
}

fn half_error(error: CertIdError) -> Rejection {
    let field = match error {
        CertIdError::Length {
            half: Half::Serial, ..
        } => "serialNumber",
        _ => "authorityKeyIdentifier",
    };
    rejection(field, error)
}

fn dates(mut rest: &[u8]) -> Result<Validity, Rejection> {
    let not_before = date(&mut rest, "notBefore")?;
    let not_after = date(&mut rest, "notAfter")?;
    nothing_after(rest, "validity")?;
    validity(not_before, not_after, "notAfter")
}

fn date(rest: &mut &[u8], name: &str) -> Result<Timestamp, Rejection> {
    let (after, time) = ASN1Time::from_der(rest)
        .map_err(|_| rejection(name, "it is no UTCTime or GeneralizedTime that exists"))?;
    *rest = after;
    Ok(Timestamp::from_unix(time.timestamp()))
}
