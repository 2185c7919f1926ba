//! The ARI certificate identifier (RFC 9773 section 4.1).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::octets::Octets;

/// The `keyIdentifier` octets of an authority key identifier (1 to 64), which identify the issuer.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyIdentifier(Octets<{ Self::MOST_OCTETS }>);

/// The DER content octets of a serial number (1 to 32), including the sign octet.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Serial(Octets<{ Self::MOST_OCTETS }>);

/// `base64url(keyIdentifier) "." base64url(serial)`: the identifier of a certificate in ARI.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CertId {
    /// The issuer's part.
    pub key_identifier: KeyIdentifier,
    /// The certificate's part.
    pub serial: Serial,
}

/// Why a text or a pair of octet strings is not a CertID.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CertIdError {
    /// There is not exactly one dot.
    #[error("a CertID is two base64url parts with one dot between them")]
    Dots,
    /// A part is not strict, unpadded base64url.
    #[error("the {0} is not base64url without padding and spare bits")]
    Encoding(Half),
    /// A part is empty or too long.
    #[error("the {half} has {octets} octets; it takes 1 to {}", half.most_octets())]
    Length {
        /// Which part.
        half: Half,
        /// Its length after decoding, in octets.
        octets: usize,
    },
}

/// A part of a CertID.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Half {
    /// Before the dot.
    KeyIdentifier,
    /// After the dot.
    Serial,
}

impl Half {
    const fn most_octets(self) -> usize {
        match self {
            Self::KeyIdentifier => KeyIdentifier::MOST_OCTETS,
            Self::Serial => Serial::MOST_OCTETS,
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyIdentifier => "key identifier",
            Self::Serial => "serial",
        })
    }
}

impl KeyIdentifier {
    /// The longest in use is a SHA-512 hash of a public key.
    pub const MOST_OCTETS: usize = 64;

    /// # Errors
    /// [`CertIdError::Length`] unless there are 1 to 64 octets.
    pub fn new(octets: &[u8]) -> Result<Self, CertIdError> {
        checked(octets, Half::KeyIdentifier).map(Self)
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Serial {
    /// RFC 5280 allows 20; real certificates have had 21 and more, and 32 leaves a margin.
    pub const MOST_OCTETS: usize = 32;

    /// # Errors
    /// [`CertIdError::Length`] unless there are 1 to 32 octets.
    pub fn new(octets: &[u8]) -> Result<Self, CertIdError> {
        checked(octets, Half::Serial).map(Self)
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn checked<const N: usize>(octets: &[u8], half: Half) -> Result<Octets<N>, CertIdError> {
    Octets::new(octets)
        .filter(|held| !held.as_slice().is_empty())
        .ok_or(CertIdError::Length {
            half,
            octets: octets.len(),
        })
}

fn decoded<const N: usize>(text: &str, half: Half) -> Result<Octets<N>, CertIdError> {
    if let Some(octets) = Octets::from_base64url(text.as_bytes())
        && !octets.as_slice().is_empty()
    {
        return Ok(octets);
    }
    // The library reports what is wrong with it, and how long it would be.
    let octets = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| CertIdError::Encoding(half))?;
    checked(&octets, half)
}

impl CertId {
    /// The longest text, in characters: ⌈64 · 4/3⌉ + 1 + ⌈32 · 4/3⌉.
    pub const MOST_CHARACTERS: usize = 86 + 1 + 43;

    /// The CertID that a client meant if it dropped the serial's sign octet (`mod_md`, and `uacme`
    /// with OpenSSL): the same one with a leading `00`. `None` if the serial's first bit is not
    /// set, so that it cannot have lost one.
    #[must_use]
    pub fn with_sign_octet(&self) -> Option<Self> {
        let octets = self.serial.octets();
        if octets[0] < 0x80 || octets.len() == Serial::MOST_OCTETS {
            return None;
        }
        let mut restored = [0; Serial::MOST_OCTETS];
        let restored = &mut restored[..=octets.len()];
        restored[1..].copy_from_slice(octets);
        Some(Self {
            key_identifier: self.key_identifier.clone(),
            serial: Serial(Octets::new(restored)?),
        })
    }
}

impl FromStr for KeyIdentifier {
    type Err = CertIdError;
    fn from_str(text: &str) -> Result<Self, CertIdError> {
        decoded(text, Half::KeyIdentifier).map(Self)
    }
}

impl FromStr for CertId {
    type Err = CertIdError;

    /// Strict: one dot, no padding, no spare bits, so that a CertID has only one spelling.
    fn from_str(text: &str) -> Result<Self, CertIdError> {
        // Searching by characters would take as long as everything else here.
        let dot = text.bytes().position(|octet| octet == b'.');
        let (key_identifier, serial) = text.split_at(dot.ok_or(CertIdError::Dots)?);
        let serial = &serial[1..];
        let read = || {
            Ok(Self {
                key_identifier: key_identifier.parse()?,
                serial: Serial(decoded(serial, Half::Serial)?),
            })
        };
        read().map_err(|error| {
            let another_dot = serial.contains('.');
            if another_dot {
                CertIdError::Dots
            } else {
                error
            }
        })
    }
}

impl fmt::Display for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(self.octets(), &URL_SAFE_NO_PAD).fmt(f)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Base64Display::new(self.octets(), &URL_SAFE_NO_PAD).fmt(f)
    }
}

impl fmt::Display for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key_identifier, self.serial)
    }
}

impl fmt::Debug for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyIdentifier({self})")
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl fmt::Debug for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertId({self})")
    }
}

impl Serialize for CertId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CertId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// RFC 9773 section 4.1.
    const EXAMPLE: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

    fn cert_ids() -> impl Strategy<Value = CertId> {
        (vec(any::<u8>(), 1..=64), vec(any::<u8>(), 1..=32)).prop_map(|(issuer, serial)| CertId {
            key_identifier: KeyIdentifier::new(&issuer).unwrap(),
            serial: Serial::new(&serial).unwrap(),
        })
    }

    #[test]
    fn the_rfcs_example_is_read_and_printed() {
        let id: CertId = EXAMPLE.parse().unwrap();
        assert_eq!(id.serial.octets(), [0x00, 0x87, 0x65, 0x43, 0x21]);
        assert_eq!(id.key_identifier.octets().len(), 20);
        assert_eq!(id.to_string(), EXAMPLE);
    }

    #[test]
    fn an_invalid_certid_is_refused_with_the_reason() {
        let long = |octets: usize| URL_SAFE_NO_PAD.encode(vec![1; octets]);
        let octets = |half, octets| CertIdError::Length { half, octets };
        for (text, error) in [
            (String::new(), CertIdError::Dots),
            ("AQ".into(), CertIdError::Dots),
            ("AQ.AQ.AQ".into(), CertIdError::Dots),
            ("AQ.AQ.".into(), CertIdError::Dots),
            (".AQ".into(), octets(Half::KeyIdentifier, 0)),
            ("AQ.".into(), octets(Half::Serial, 0)),
            ("AQ==.AQ".into(), CertIdError::Encoding(Half::KeyIdentifier)),
            ("AQ.AQ==".into(), CertIdError::Encoding(Half::Serial)),
            // The spare bits of the second character are set.
            ("AR.AQ".into(), CertIdError::Encoding(Half::KeyIdentifier)),
            ("AQ.AR".into(), CertIdError::Encoding(Half::Serial)),
            ("a+/b.AQ".into(), CertIdError::Encoding(Half::KeyIdentifier)),
            ("AQ.A%51".into(), CertIdError::Encoding(Half::Serial)),
            (" AQ.AQ".into(), CertIdError::Encoding(Half::KeyIdentifier)),
            ("AQ.AQ\n".into(), CertIdError::Encoding(Half::Serial)),
            ("A.AQ".into(), CertIdError::Encoding(Half::KeyIdentifier)),
            (format!("{}.AQ", long(65)), octets(Half::KeyIdentifier, 65)),
            (format!("AQ.{}", long(33)), octets(Half::Serial, 33)),
        ] {
            assert_eq!(text.parse::<CertId>(), Err(error), "{text}");
        }
        let longest = format!("{}.{}", long(64), long(32));
        assert_eq!(longest.len(), CertId::MOST_CHARACTERS);
        assert!(longest.parse::<CertId>().is_ok());
    }

    #[test]
    fn a_serial_that_cannot_have_lost_its_sign_octet_has_one_spelling() {
        let with_serial = |octets: &[u8]| CertId {
            key_identifier: KeyIdentifier::new(&[1]).unwrap(),
            serial: Serial::new(octets).unwrap(),
        };
        assert_eq!(with_serial(&[0x7f, 0xff]).with_sign_octet(), None);
        assert_eq!(with_serial(&[0x00, 0x87]).with_sign_octet(), None);
        assert_eq!(with_serial(&[0xff; 32]).with_sign_octet(), None);
        assert_eq!(
            with_serial(&[0x87]).with_sign_octet(),
            Some(with_serial(&[0x00, 0x87]))
        );
    }

    proptest! {
        #[test]
        fn every_certid_is_read_back_as_itself(id in cert_ids()) {
            let text = id.to_string();
            prop_assert!(text.len() <= CertId::MOST_CHARACTERS);
            prop_assert_eq!(text.parse::<CertId>(), Ok(id));
        }

        #[test]
        fn every_text_that_is_taken_prints_as_itself(
            text in "[A-Za-z0-9_=+/-]{0,8}\\.?[A-Za-z0-9_=+/-]{0,8}[.]?",
        ) {
            if let Ok(id) = text.parse::<CertId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn a_change_of_one_character_is_another_certid_or_none(
            id in cert_ids(),
            at in any::<prop::sample::Index>(),
            other in "[A-Za-z0-9_.=-]",
        ) {
            let text = id.to_string();
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &other);
            if changed != text {
                prop_assert_ne!(changed.parse::<CertId>(), Ok(id));
            }
        }

        #[test]
        fn the_restored_spelling_differs_by_one_zero_octet(id in cert_ids()) {
            if let Some(restored) = id.with_sign_octet() {
                prop_assert_eq!(&restored.serial.octets()[1..], id.serial.octets());
                prop_assert_eq!(restored.serial.octets()[0], 0);
                prop_assert!(id.serial.octets()[0] >= 0x80);
                prop_assert_eq!(restored.with_sign_octet(), None);
            }
        }
    }
}
