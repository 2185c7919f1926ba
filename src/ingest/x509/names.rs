//! The names of a certificate (RFC 5280 section 4.2.1.6).

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::asn1_rs::{Any, Class, FromDer, Tag};

/// The content octets of 2.5.29.17, subjectAltName.
pub(super) const SUBJECT_ALTERNATIVE_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// The most names read: Let's Encrypt allows 100, others some hundreds.
const MOST_NAMES: usize = 2_000;

/// `GeneralNames ::= SEQUENCE OF CHOICE { …, dNSName [2] IA5String, …, iPAddress [7] OCTET STRING
/// }`. Other kinds are skipped; reading stops at the first malformed element.
pub(super) fn of(extension: Option<&[u8]>) -> Vec<String> {
    let list = extension.and_then(|octets| Any::from_der(octets).ok());
    let Some((_, list)) = list.filter(|(_, list)| list.tag() == Tag::Sequence) else {
        return Vec::new();
    };
    let mut rest = list.data;
    let mut names = Vec::new();
    while names.len() < MOST_NAMES
        && let Ok((after, name)) = Any::from_der(rest)
    {
        rest = after;
        if name.class() != Class::ContextSpecific {
            continue;
        }
        match name.tag().0 {
            2 => names.extend(str::from_utf8(name.data).ok().map(str::to_ascii_lowercase)),
            7 => names.extend(address(name.data)),
            _ => {}
        }
    }
    names
}

fn address(octets: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    Some(Ipv6Addr::from(octets).to_string())
}
