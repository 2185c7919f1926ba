//! The bodies of the outbox: what a reader needs to know of a change. They are packed, because an
//! import adds thousands of certificates a second and each process reads all of them: about 90 bytes
//! per certificate, while its row takes 280.

use serde::{Deserialize, Serialize};

use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::{Basis, Cause, Certificate, Successor, Validity};
use crate::domain::time::{Span, Timestamp};
use crate::store::row::misfit;

/// The first byte of a body of certificates: the version of the format. A reader that does not know it
/// loads all rows again.
const FORM: u8 = 1;
/// The approximate size of a packed certificate in bytes, for reserving memory.
const CERTIFICATE_OCTETS: usize = 96;
/// A fingerprint of 16 bytes and a record of 8, both big-endian as PostgreSQL's `int8send` writes them.
const POLL_OCTETS: usize = 24;

/// Packs certificates.
///
/// # Errors
/// [`sqlx::Error::Encode`].
pub(in super::super) fn of_certificates(certificates: &[&Certificate]) -> sqlx::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(1 + certificates.len() * CERTIFICATE_OCTETS);
    body.push(FORM);
    for certificate in certificates {
        body = postcard::to_extend(&Packed::of(certificate), body)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
    }
    Ok(body)
}

/// Unpacks the certificates of a body; `None` if it has the format of a later version.
///
/// # Errors
/// [`sqlx::Error::ColumnDecode`].
pub(in super::super) fn certificates(body: &[u8]) -> sqlx::Result<Option<Vec<Certificate>>> {
    let Some((&FORM, mut rest)) = body.split_first() else {
        return Ok(None);
    };
    let mut certificates = Vec::with_capacity(rest.len() / CERTIFICATE_OCTETS + 1);
    while !rest.is_empty() {
        let (packed, left) =
            postcard::take_from_bytes::<Packed<'_>>(rest).map_err(|error| misfit("body", error))?;
        certificates.push(packed.certificate()?);
        rest = left;
    }
    Ok(Some(certificates))
}

/// Packs CertIDs: each half after its length in one byte, as the migration's `packed_cert_id` does.
pub(in super::super) fn of_ids(ids: &[CertId]) -> Vec<u8> {
    let mut body = Vec::new();
    for id in ids {
        for half in [id.key_identifier.octets(), id.serial.octets()] {
            // A key identifier has at most 64 bytes, a serial 32.
            body.push(u8::try_from(half.len()).unwrap_or(u8::MAX));
            body.extend_from_slice(half);
        }
    }
    body
}

/// Unpacks the CertIDs of a body.
///
/// # Errors
/// [`sqlx::Error::ColumnDecode`].
pub(in super::super) fn ids(mut body: &[u8]) -> sqlx::Result<Vec<CertId>> {
    let mut ids = Vec::new();
    while !body.is_empty() {
        let (key_identifier, rest) = half(body)?;
        let (serial, rest) = half(rest)?;
        ids.push(cert_id(key_identifier, serial)?);
        body = rest;
    }
    Ok(ids)
}

/// Packs records of polls by their fingerprints.
pub(in super::super) fn of_polls(records: &[(u128, u64)]) -> Vec<u8> {
    let mut body = Vec::with_capacity(records.len() * POLL_OCTETS);
    for (fingerprint, record) in records {
        body.extend_from_slice(&fingerprint.to_be_bytes());
        body.extend_from_slice(&record.to_be_bytes());
    }
    body
}

/// Unpacks the records of a body.
///
/// # Errors
/// [`sqlx::Error::ColumnDecode`].
pub(in super::super) fn polls(body: &[u8]) -> sqlx::Result<Vec<(u128, u64)>> {
    let (records, rest) = body.as_chunks::<POLL_OCTETS>();
    if !rest.is_empty() {
        return Err(misfit("body", "not whole records of polls"));
    }
    let record = |octets: &[u8; POLL_OCTETS]| {
        let number = octets
            .iter()
            .skip(16)
            .fold(0, |number: u64, &octet| (number << 8) | u64::from(octet));
        let fingerprint = octets
            .iter()
            .take(16)
            .fold(0, |number: u128, &octet| (number << 8) | u128::from(octet));
        (fingerprint, number)
    };
    Ok(records.iter().map(record).collect())
}

fn half(body: &[u8]) -> sqlx::Result<(&[u8], &[u8])> {
    body.split_first()
        .and_then(|(&length, rest)| rest.split_at_checked(length.into()))
        .ok_or_else(|| misfit("body", "a CertID that ends early"))
}

fn cert_id(key_identifier: &[u8], serial: &[u8]) -> sqlx::Result<CertId> {
    let misfits = |error| misfit("body", error);
    Ok(CertId {
        key_identifier: KeyIdentifier::new(key_identifier).map_err(misfits)?,
        serial: Serial::new(serial).map_err(misfits)?,
    })
}

/// A certificate as it is packed. The fields must not change: processes of two versions read each
/// other's bodies.
#[derive(Deserialize, Serialize)]
struct Packed<'a> {
    key_identifier: &'a [u8],
    serial: &'a [u8],
    not_before: i64,
    not_after: i64,
    issued_at: i64,
    hour_known: bool,
    steered: bool,
    registered_at: i64,
    window: (i64, i64),
    basis: PackedBasis,
    cause: PackedCause,
    follows: Option<f64>,
    successor: Option<PackedSuccessor<'a>>,
}

#[derive(Deserialize, Serialize)]
enum PackedBasis {
    Plain(i64, i64),
    Span(i64, i64),
    Table(i64),
    Tick(i64),
}

#[derive(Deserialize, Serialize)]
enum PackedCause {
    Incident(i64),
    Rebalance(i64),
    Registration,
}

#[derive(Deserialize, Serialize)]
enum PackedSuccessor<'a> {
    By(&'a [u8], &'a [u8]),
    Order(&'a str),
}

impl<'a> Packed<'a> {
    fn of(certificate: &'a Certificate) -> Self {
        let ends = |span: Span| (span.from.unix(), span.to.unix());
        Self {
            key_identifier: certificate.id.key_identifier.octets(),
            serial: certificate.id.serial.octets(),
            not_before: certificate.validity.not_before.unix(),
            not_after: certificate.validity.not_after.unix(),
            issued_at: certificate.issued_at.unix(),
            hour_known: certificate.hour_known,
            steered: certificate.steered,
            registered_at: certificate.registered_at.unix(),
            window: ends(certificate.window),
            basis: match certificate.basis {
                Basis::Plain(span) => PackedBasis::Plain(span.from.unix(), span.to.unix()),
                Basis::Span(span) => PackedBasis::Span(span.from.unix(), span.to.unix()),
                Basis::Table(number) => PackedBasis::Table(number),
                Basis::Tick(tick) => PackedBasis::Tick(tick.unix()),
            },
            cause: match certificate.cause {
                Cause::Incident(number) => PackedCause::Incident(number),
                Cause::Rebalance(number) => PackedCause::Rebalance(number),
                Cause::Registration => PackedCause::Registration,
            },
            follows: certificate.follows,
            successor: certificate
                .successor
                .as_ref()
                .map(|successor| match successor {
                    Successor::By(id) => {
                        PackedSuccessor::By(id.key_identifier.octets(), id.serial.octets())
                    }
                    Successor::Order(order) => PackedSuccessor::Order(order),
                }),
        }
    }

    fn certificate(self) -> sqlx::Result<Certificate> {
        let instant = Timestamp::from_unix;
        let span = |from, to| Span {
            from: instant(from),
            to: instant(to),
        };
        Ok(Certificate {
            id: cert_id(self.key_identifier, self.serial)?,
            validity: Validity {
                not_before: instant(self.not_before),
                not_after: instant(self.not_after),
            },
            issued_at: instant(self.issued_at),
            hour_known: self.hour_known,
            steered: self.steered,
            registered_at: instant(self.registered_at),
            window: span(self.window.0, self.window.1),
            basis: match self.basis {
                PackedBasis::Plain(from, to) => Basis::Plain(span(from, to)),
                PackedBasis::Span(from, to) => Basis::Span(span(from, to)),
                PackedBasis::Table(number) => Basis::Table(number),
                PackedBasis::Tick(tick) => Basis::Tick(instant(tick)),
            },
            cause: match self.cause {
                PackedCause::Incident(number) => Cause::Incident(number),
                PackedCause::Rebalance(number) => Cause::Rebalance(number),
                PackedCause::Registration => Cause::Registration,
            },
            follows: self.follows,
            successor: match self.successor {
                None => None,
                Some(PackedSuccessor::By(key_identifier, serial)) => {
                    Some(Successor::By(cert_id(key_identifier, serial)?))
                }
                Some(PackedSuccessor::Order(order)) => Some(Successor::Order(order.to_owned())),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(serial: u8) -> Certificate {
        let at = |seconds| Timestamp::from_unix(1_794_787_200 + seconds);
        let span = Span {
            from: at(59 * 86_400),
            to: at(59 * 86_400 + 900),
        };
        let id = |serial| CertId {
            key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
            serial: Serial::new(&[0, serial, 0xff]).unwrap(),
        };
        let number = i64::from(serial);
        Certificate {
            id: id(serial),
            validity: Validity {
                not_before: at(0),
                not_after: at(90 * 86_400),
            },
            issued_at: at(3_600),
            hour_known: serial.is_multiple_of(2),
            steered: serial.is_multiple_of(3),
            registered_at: at(-5),
            window: span,
            basis: match serial % 4 {
                0 => Basis::Plain(span),
                1 => Basis::Span(span),
                2 => Basis::Table(i64::MIN + number),
                _ => Basis::Tick(at(number)),
            },
            cause: match serial % 3 {
                0 => Cause::Incident(number),
                1 => Cause::Rebalance(number),
                _ => Cause::Registration,
            },
            follows: (!serial.is_multiple_of(5)).then_some(0.1 + f64::from(serial)),
            successor: match serial % 3 {
                0 => None,
                1 => Some(Successor::By(id(serial + 1))),
                _ => Some(Successor::Order("https://ca.example/order/ä".to_owned())),
            },
        }
    }

    #[test]
    fn certificates_come_back_as_they_were() {
        let given: Vec<Certificate> = (0..60).map(certificate).collect();
        let body = of_certificates(&given.iter().collect::<Vec<_>>()).unwrap();
        assert!(body.len() < given.len() * 110, "{}", body.len());
        assert_eq!(certificates(&body).unwrap(), Some(given));
        // Cut within a certificate, it is refused; cut between two, it is shorter.
        for length in 2..body.len() {
            if let Ok(Some(read)) = certificates(&body[..length]) {
                assert!(read.len() < 60);
            }
        }
        assert!(certificates(&body[..body.len() - 1]).is_err());
        let mut later = body;
        later[0] = FORM + 1;
        assert_eq!(certificates(&later).unwrap(), None);
        assert_eq!(certificates(&[]).unwrap(), None);
    }

    /// As written by this version; later versions have to read it.
    #[test]
    fn the_form_stays_as_it_is() {
        let body = of_certificates(&[&certificate(1)]).unwrap();
        let written = concat!(
            "01140707070707070707070707070707070707070707030001ff809ed2af0d80ba87b70da0d6d2af",
            "0d0000f69dd2af0d80c0c0b40d88cec0b40d0180c0c0b40d88cec0b40d0102019a9999999999f13f",
            "0100140707070707070707070707070707070707070707030002ff",
        );
        assert_eq!(crate::store::row::hexadecimal(&body), written);
    }

    #[test]
    fn ids_and_polls_come_back_as_they_were() {
        let given: Vec<CertId> = (0..9).map(|serial| certificate(serial).id).collect();
        let body = of_ids(&given);
        assert_eq!(ids(&body).unwrap(), given);
        assert!(ids(&body[..body.len() - 1]).is_err());
        assert_eq!(ids(&[]).unwrap(), []);
        let given = [(u128::MAX - 1, 7), (1, u64::MAX), (0, 0)];
        let body = of_polls(&given);
        assert_eq!(polls(&body).unwrap(), given);
        assert!(polls(&body[1..]).is_err());
    }
}
