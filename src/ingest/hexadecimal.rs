//! Serial numbers and key identifiers in hexadecimal, as `openssl`, revocation lists and databases
//! print them.

use super::rejected::quoted;
use crate::domain::certificate::certid::{KeyIdentifier, Serial};

/// Parses a positive serial number; leading zeros, colons and `0x` are allowed.
///
/// # Errors
/// The reason, to follow the field's name.
pub(super) fn serial(text: &str) -> Result<Serial, String> {
    let digits = digits(text)?;
    let digits = digits.trim_start_matches('0');
    let padded = format!("{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" });
    let mut octets = octets(&padded);
    // The shortest two's complement, as in DER for zero and positive numbers.
    if octets.first().is_none_or(|first| *first >= 0x80) {
        octets.insert(0, 0);
    }
    Serial::new(&octets).map_err(|error| error.to_string())
}

/// Parses a key identifier. Its leading zeros count; colons are allowed.
///
/// # Errors
/// The reason, to follow the field's name.
pub(super) fn key_identifier(text: &str) -> Result<KeyIdentifier, String> {
    let digits = digits(text)?;
    if digits.len() % 2 == 1 {
        return Err(format!(
            "{} has an odd number of digits: each octet has two",
            quoted(text)
        ));
    }
    KeyIdentifier::new(&octets(&digits)).map_err(|error| error.to_string())
}

/// Parses the issuer's key identifier, in hexadecimal or as in a CertID. The two cannot be
/// confused: at the usual lengths of 20 and 32 octets, the form in a CertID has an odd number of
/// characters.
///
/// # Errors
/// The reason, to follow the field's name.
pub(super) fn issuer(text: &str) -> Result<KeyIdentifier, String> {
    key_identifier(text).or_else(|reason| {
        text.parse()
            .map_err(|_| format!("{reason}, and no key identifier as in a CertID either"))
    })
}

fn digits(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text).replace(':', "");
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Err(format!("{} is no number in hexadecimal", quoted(text)));
    }
    Ok(digits)
}

fn octets(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_a_number_and_a_key_identifier_is_octets() {
        assert_eq!(serial("0").unwrap().octets(), [0]);
        assert_eq!(serial("80").unwrap().octets(), [0, 0x80]);
        assert_eq!(serial("7").unwrap().octets(), [7]);
        assert!(serial(&"1".repeat(70)).is_err());
        assert_eq!(key_identifier("00:80").unwrap().octets(), [0, 0x80]);
        for (text, want) in [
            ("", "no number"),
            ("069", "odd number"),
            ("6g", "no number"),
            (&"11".repeat(70), "octets"),
        ] {
            let error = key_identifier(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
