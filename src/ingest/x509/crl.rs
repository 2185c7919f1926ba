//! Certificate revocation lists (RFC 5280 section 5): the CertIDs in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::asn1_rs::Tag;

use super::super::pem::is_der;
use super::super::rejected::rejection;
use super::der::extension;
use super::signer::{Signed, Signer};
use super::{
    AUTHORITY_KEY_IDENTIFIER, date, element, first_is_context, key_identifier, nothing_after, take,
};
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::time::Timestamp;
use crate::engine::verdict::Rejection;

const NAME: &str = "crl";
/// The content octets of 2.5.29.21, reasonCode.
const REASON_CODE: [u8; 3] = [0x55, 0x1d, 0x15];
/// Those of 2.5.29.29, certificateIssuer: this entry and the following belong to another issuer.
const CERTIFICATE_ISSUER: [u8; 3] = [0x55, 0x1d, 0x1d];
/// `removeFromCRL` as an ENUMERATED: the certificate is valid again.
const REMOVED: [u8; 3] = [0x0a, 0x01, 0x08];

/// The facts about a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// The issuer of the listed certificates: the authorityKeyIdentifier.
    pub key_identifier: KeyIdentifier,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When the next one is due, if stated.
    pub next_update: Option<Timestamp>,
    /// Entries skipped: of another issuer, or with a serial that no CertID can have.
    pub passed_over: usize,
}

/// Reads the list in these octets, in DER or PEM, and passes on each CertID. Without a signer the
/// signature is not checked, and whoever configured the list vouches for it.
///
/// # Errors
/// Before any CertID is passed on: it is not a list, has no authorityKeyIdentifier, or was not
/// signed by the signer. If an entry cannot be read, the entries before it have been passed on.
pub fn revoked(
    octets: &[u8],
    signer: Option<&Signer>,
    each: &mut dyn FnMut(CertId),
) -> Result<Listed, Rejection> {
    let decoded;
    let der = if is_der(octets) {
        octets
    } else {
        decoded = from_pem(octets)?;
        &decoded
    };
    let mut list = List::of(der)?;
    let key_identifier = KeyIdentifier::new(list.issuer)
        .map_err(|error| rejection("authorityKeyIdentifier", error))?;
    if let Some(signer) = signer {
        signer.verify(&key_identifier, list.signed)?;
    }
    let mut listed = Listed {
        key_identifier,
        this_update: list.this_update,
        next_update: list.next_update,
        passed_over: 0,
    };
    let mut of_another = false;
    while !list.entries.is_empty() {
        let entry = Entry::next(&mut list.entries)?;
        of_another |= entry.names_its_issuer;
        match Serial::new(entry.serial) {
            Ok(serial) if !of_another => {
                if !entry.is_removed {
                    each(CertId {
                        key_identifier: listed.key_identifier.clone(),
                        serial,
                    });
                }
            }
            _ => listed.passed_over += 1,
        }
    }
    Ok(listed)
}

/// The parts of a list that are needed.
struct List<'a> {
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    entries: &'a [u8],
    issuer: &'a [u8],
    signed: Signed<'a>,
}

impl<'a> List<'a> {
    fn of(der: &'a [u8]) -> Result<Self, Rejection> {
        let mut rest = der;
        let mut all = take(&mut rest, NAME, Tag::Sequence)?;
        nothing_after(rest, NAME)?;
        let from_tbs = all;
        let mut tbs = take(&mut all, "tbsCertList", Tag::Sequence)?;
        let from_algorithm = all;
        take(&mut all, "signatureAlgorithm", Tag::Sequence)?;
        let from_signature = all;
        let signature = take(&mut all, "signatureValue", Tag::BitString)?;
        nothing_after(all, NAME)?;
        if begins(tbs, Tag::Integer) {
            take(&mut tbs, "version", Tag::Integer)?;
        }
        let inner_algorithm = take(&mut tbs, "signature", Tag::Sequence)?;
        take(&mut tbs, "issuer", Tag::Sequence)?;
        let this_update = date(&mut tbs, "thisUpdate")?;
        let has_next = begins(tbs, Tag::UtcTime) || begins(tbs, Tag::GeneralizedTime);
        let next_update = has_next.then(|| date(&mut tbs, "nextUpdate")).transpose()?;
        let entries = if begins_with_sequence(tbs) {
            take(&mut tbs, "revokedCertificates", Tag::Sequence)?
        } else {
            &[]
        };
        let mut issuer = None;
        if first_is_context(tbs, 0) {
            let mut wrapped = element(&mut tbs, "crlExtensions")?.data;
            let extensions = take(&mut wrapped, "crlExtensions", Tag::Sequence)?;
            issuer = extension(extensions, AUTHORITY_KEY_IDENTIFIER)?;
        }
        nothing_after(tbs, "tbsCertList")?;
        let issuer =
            issuer.ok_or_else(|| rejection("authorityKeyIdentifier", "the list has none"))?;
        Ok(Self {
            this_update,
            next_update,
            entries,
            issuer: key_identifier(issuer)?,
            signed: Signed {
                tbs: &from_tbs[..from_tbs.len() - from_algorithm.len()],
                inner_algorithm,
                algorithm: &from_algorithm[..from_algorithm.len() - from_signature.len()],
                signature,
            },
        })
    }
}

/// One entry.
struct Entry<'a> {
    serial: &'a [u8],
    is_removed: bool,
    names_its_issuer: bool,
}

impl<'a> Entry<'a> {
    fn next(entries: &mut &'a [u8]) -> Result<Self, Rejection> {
        const NAME: &str = "revokedCertificates";
        let mut entry = take(entries, NAME, Tag::Sequence)?;
        let serial = take(&mut entry, NAME, Tag::Integer)?;
        date(&mut entry, "revocationDate")?;
        let (mut is_removed, mut names_its_issuer) = (false, false);
        if !entry.is_empty() {
            let extensions = take(&mut entry, NAME, Tag::Sequence)?;
            is_removed =
                extension(extensions, REASON_CODE)?.is_some_and(|reason| reason == REMOVED);
            names_its_issuer = extension(extensions, CERTIFICATE_ISSUER)?.is_some();
        }
        nothing_after(entry, NAME)?;
        Ok(Self {
            serial,
            is_removed,
            names_its_issuer,
        })
    }
}

fn begins(rest: &[u8], tag: Tag) -> bool {
    rest.first().is_some_and(|first| u32::from(*first) == tag.0)
}

/// A SEQUENCE is constructed: `0b001_10000`.
fn begins_with_sequence(rest: &[u8]) -> bool {
    rest.first() == Some(&0x30)
}

/// The first block of a PEM text (RFC 7468 section 7).
fn from_pem(octets: &[u8]) -> Result<Vec<u8>, Rejection> {
    const BEGIN: &str = "-----BEGIN X509 CRL-----";
    const END: &str = "-----END X509 CRL-----";
    let wrong = |reason: &str| rejection(NAME, reason);
    let text = str::from_utf8(octets).map_err(|_| wrong("it is neither DER nor PEM"))?;
    let body = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .ok_or_else(|| wrong("it is neither DER nor PEM with a block \"X509 CRL\""))?;
    let base64: String = body
        .0
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .collect();
    STANDARD
        .decode(base64)
        .map_err(|_| wrong("what stands between its PEM markers is no base64"))
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair,
        KeyUsagePurpose, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
    };

    use super::*;

    fn list(reasons: &[(u64, Option<RevocationReason>)]) -> (Vec<u8>, String) {
        let mut ca = CertificateParams::default();
        ca.key_usages = vec![KeyUsagePurpose::CrlSign];
        let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
        let revoked_certs = reasons
            .iter()
            .map(|(serial, reason)| RevokedCertParams {
                serial_number: SerialNumber::from(*serial),
                revocation_time: date_time_ymd(2026, 11, 1),
                reason_code: *reason,
                invalidity_date: None,
            })
            .collect();
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 11, 20),
            next_update: date_time_ymd(2026, 11, 27),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let crl = params.signed_by(&issuer).unwrap();
        (crl.der().to_vec(), crl.pem().unwrap())
    }

    fn read(octets: &[u8]) -> (Result<Listed, Rejection>, Vec<String>) {
        let mut found = Vec::new();
        let listed = revoked(octets, None, &mut |id| found.push(id.serial.to_string()));
        (listed, found)
    }

    #[test]
    fn each_serial_of_a_list_is_read_from_der_and_pem() {
        let (der, pem) = list(&[
            (0x1234, None),
            (0x80, Some(RevocationReason::KeyCompromise)),
            (7, Some(RevocationReason::RemoveFromCrl)),
        ]);
        for octets in [&der[..], pem.as_bytes()] {
            let (listed, found) = read(octets);
            let listed = listed.unwrap();
            assert_eq!(listed.this_update.to_string(), "2026-11-20T00:00:00Z");
            assert_eq!(
                listed.next_update.unwrap().to_string(),
                "2026-11-27T00:00:00Z"
            );
            assert_eq!(listed.passed_over, 0);
            // 1234, and 80 with its sign octet, as in a CertID; 7 is valid again.
            assert_eq!(found, ["EjQ", "AIA"]);
        }
        assert_eq!(read(&list(&[]).0).1, [""; 0]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let (der, _) = list(&[(1, None)]);
        for cut in 0..der.len() {
            assert!(read(&der[..cut]).0.is_err(), "{cut}");
        }
        for text in [
            "",
            "no list",
            "-----BEGIN X509 CRL-----\n?\n-----END X509 CRL-----\n",
        ] {
            assert!(read(text.as_bytes()).0.is_err(), "{text}");
        }
    }
}
