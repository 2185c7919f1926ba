//! The signed envelope of an ACME request: a flattened JWS (RFC 7515 section 7.2.2, RFC 8555
//! section 6.2). It is parsed here and verified elsewhere.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The parsed body of a request. Nothing in it is trusted before the signature is verified.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// The signed octets: both base64url texts with a dot between them.
    pub signed: Vec<u8>,
    /// The signature's octets.
    pub signature: Vec<u8>,
    /// The algorithm; `None` if it is not supported.
    pub algorithm: Option<Algorithm>,
    /// The key that signed it.
    pub signer: Signer,
    /// The nonce, as text.
    pub nonce: Option<String>,
    /// The URL that the client signed.
    pub url: Option<String>,
    /// The payload; empty for a POST-as-GET (RFC 8555 section 6.3).
    pub payload: Vec<u8>,
}

/// A signature algorithm of RFC 7518 section 3.1 or RFC 8037 section 3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// ECDSA with P-521 and SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

/// The signer named in the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Signer {
    /// The account at this URL.
    Account(String),
    /// The holder of this key; `None` if the key type is not supported.
    Key(Option<Jwk>),
}

/// A public key (RFC 7517), with its numbers as octets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Jwk {
    /// Of an elliptic curve of RFC 7518 section 6.2.
    Ec {
        /// The algorithm for the curve.
        algorithm: Algorithm,
        /// The uncompressed point: 4, x, y.
        point: Vec<u8>,
    },
    /// Of Ed25519 (RFC 8037 section 2).
    Ed25519(Vec<u8>),
    /// Of RSA (RFC 7518 section 6.3).
    Rsa {
        /// The modulus, big-endian.
        modulus: Vec<u8>,
        /// The exponent, big-endian.
        exponent: Vec<u8>,
    },
}

#[derive(Deserialize)]
struct Flattened<'a> {
    // Borrowed, except if the JSON text contains escapes.
    #[serde(borrow)]
    protected: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    jwk: Option<WireJwk>,
    nonce: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct WireJwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Envelope {
    /// Parses a body; `None` if it is not a flattened JWS with a JSON header.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let Flattened {
            protected,
            payload,
            signature,
        } = serde_json::from_slice(body).ok()?;
        let header: Header = serde_json::from_slice(&octets(&protected)?).ok()?;
        let signer = match (header.kid, header.jwk) {
            (Some(account), None) => Signer::Account(account),
            (None, Some(key)) => Signer::Key(key.read()),
            // RFC 8555 section 6.2: exactly one of them.
            _ => return None,
        };
        Some(Self {
            signed: [&*protected, ".", &*payload].concat().into_bytes(),
            signature: octets(&signature)?,
            algorithm: Algorithm::named(&header.alg),
            signer,
            nonce: header.nonce,
            url: header.url,
            payload: octets(&payload)?,
        })
    }

    /// The path and query of [`Envelope::url`].
    #[must_use]
    pub fn url_path(&self) -> Option<&str> {
        path_of(self.url.as_deref()?)
    }
}

/// The part of an absolute http or https URL after the authority, including the first slash.
pub(super) fn path_of(url: &str) -> Option<&str> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    Some(rest.find('/').map_or("/", |slash| &rest[slash..]))
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "ES384" => Some(Self::Es384),
            "ES512" => Some(Self::Es512),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

impl Jwk {
    /// The key as octets, for storage: its type and its numbers, each preceded by its length.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        let (kind, parts): (u8, [&[u8]; 2]) = match self {
            Self::Ec { algorithm, point } => (
                match algorithm {
                    Algorithm::Es384 => 2,
                    Algorithm::Es512 => 3,
                    _ => 1,
                },
                [point, &[]],
            ),
            Self::Ed25519(key) => (4, [key, &[]]),
            Self::Rsa { modulus, exponent } => (5, [modulus, exponent]),
        };
        let mut octets = vec![kind];
        for part in parts {
            // Bodies are limited to far less than 4 GiB.
            octets.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            octets.extend(part);
        }
        octets
    }

    /// The key from the octets of [`Jwk::to_octets`].
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let (kind, rest) = octets.split_first()?;
        let (first, rest) = part(rest)?;
        let (second, rest) = part(rest)?;
        if !rest.is_empty() {
            return None;
        }
        let ec = |algorithm| Self::Ec {
            algorithm,
            point: first.to_vec(),
        };
        match kind {
            1 => Some(ec(Algorithm::Es256)),
            2 => Some(ec(Algorithm::Es384)),
            3 => Some(ec(Algorithm::Es512)),
            4 => Some(Self::Ed25519(first.to_vec())),
            5 => Some(Self::Rsa {
                modulus: first.to_vec(),
                exponent: second.to_vec(),
            }),
            _ => None,
        }
    }
}

impl WireJwk {
    fn read(self) -> Option<Jwk> {
        let number = |text: Option<String>| octets(&text?);
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some(curve)) => {
                let (algorithm, length) = match curve {
                    "P-256" => (Algorithm::Es256, 32),
                    "P-384" => (Algorithm::Es384, 48),
                    "P-521" => (Algorithm::Es512, 66),
                    _ => return None,
                };
                let (x, y) = (number(self.x)?, number(self.y)?);
                // RFC 7518 section 6.2.1.2: a coordinate always has its full length.
                if x.len() != length || y.len() != length {
                    return None;
                }
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                Some(Jwk::Ec { algorithm, point })
            }
            ("OKP", Some("Ed25519")) => Some(Jwk::Ed25519(number(self.x)?)),
            ("RSA", _) => Some(Jwk::Rsa {
                modulus: number(self.n)?,
                exponent: number(self.e)?,
            }),
            _ => None,
        }
    }
}

fn part(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

fn octets(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn body(header: &str, payload: &str) -> Vec<u8> {
        serde_json::json!({
            "protected": encoded(header), "payload": encoded(payload), "signature": encoded("s"),
        })
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_request_is_taken_apart() {
        let header =
            r#"{"alg":"ES256","kid":"https://ca/a/1","nonce":"n","url":"https://ca/o?x=1"}"#;
        let envelope = Envelope::read(&body(header, "{}")).unwrap();
        assert_eq!(envelope.algorithm, Some(Algorithm::Es256));
        assert_eq!(
            envelope.signer,
            Signer::Account("https://ca/a/1".to_owned())
        );
        assert_eq!(envelope.nonce.as_deref(), Some("n"));
        assert_eq!(envelope.url_path(), Some("/o?x=1"));
        assert_eq!(envelope.payload, b"{}");
        assert_eq!(
            envelope.signed,
            format!("{}.{}", encoded(header), encoded("{}")).into_bytes()
        );
    }

    #[test]
    fn what_is_no_envelope_is_none() {
        for header in [
            "",
            "{}",
            r#"{"alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":"a","jwk":{"kty":"RSA","n":"AQ","e":"AQAB"}}"#,
        ] {
            assert_eq!(Envelope::read(&body(header, "")), None, "{header}");
        }
        assert_eq!(Envelope::read(b"{}"), None);
        assert_eq!(Envelope::read(b"<html>"), None);
    }

    proptest::proptest! {
        /// Whatever a client sends, parsing it never panics.
        #[test]
        fn nothing_that_comes_breaks_the_reader(
            octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            header in ".{0,80}", payload in ".{0,80}",
        ) {
            let _ = Envelope::read(&octets);
            let _ = Jwk::from_octets(&octets);
            let _ = Envelope::read(&body(&header, &payload));
            let _ = crate::acme::Intent::of(payload.as_bytes());
            let _ = crate::acme::Object::of(header.as_bytes());
            let _ = crate::acme::with_member(header.as_bytes(), "a", &payload);
        }
    }

    #[test]
    fn keys_come_back_from_their_octets() {
        let coordinate = URL_SAFE_NO_PAD.encode([7; 32]);
        for (jwk, known) in [
            (
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{coordinate}","y":"{coordinate}"}}"#),
                true,
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}"#.to_owned(),
                false,
            ),
            (r#"{"kty":"RSA","n":"AQID","e":"AQAB"}"#.to_owned(), true),
            (
                format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{coordinate}"}}"#),
                true,
            ),
            (r#"{"kty":"oct","k":"AQ"}"#.to_owned(), false),
        ] {
            let header = format!(r#"{{"alg":"none","jwk":{jwk}}}"#);
            let envelope = Envelope::read(&body(&header, "")).unwrap();
            let Signer::Key(key) = envelope.signer else {
                panic!("{jwk}");
            };
            assert_eq!(key.is_some(), known, "{jwk}");
            if let Some(key) = key {
                let octets = key.to_octets();
                assert_eq!(Jwk::from_octets(&octets), Some(key));
                assert_eq!(Jwk::from_octets(&octets[..octets.len() - 1]), None);
            }
        }
    }
}
