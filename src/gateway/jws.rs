//! Verifying the signature of a request (RFC 7515 section 5.2).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

use crate::domain::acme::{Algorithm, Envelope, Jwk};

/// Whether an envelope was signed with this key and its algorithm.
pub(super) fn is_signed_with(envelope: &Envelope, key: &Jwk) -> bool {
    let Some(algorithm) = envelope.algorithm else {
        return false;
    };
    let verify = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        UnparsedPublicKey::new(algorithm, key)
            .verify(&envelope.signed, &envelope.signature)
            .is_ok()
    };
    match (algorithm, key) {
        (Algorithm::EdDsa, Jwk::Ed25519(key)) => verify(&ED25519, key),
        (
            named @ (Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512),
            Jwk::Ec { algorithm, point },
        ) if named == *algorithm => match algorithm {
            Algorithm::Es384 => verify(&ECDSA_P384_SHA384_FIXED, point),
            Algorithm::Es512 => verify(&ECDSA_P521_SHA512_FIXED, point),
            _ => verify(&ECDSA_P256_SHA256_FIXED, point),
        },
        (Algorithm::Rs256, Jwk::Rsa { modulus, exponent }) => {
            let leading = |octets: &[u8]| octets.iter().take_while(|octet| **octet == 0).count();
            let (n, e) = (&modulus[leading(modulus)..], &exponent[leading(exponent)..]);
            RsaPublicKeyComponents { n, e }
                .verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    &envelope.signed,
                    &envelope.signature,
                )
                .is_ok()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
        KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::acme::Signer;

    type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

    fn encoded(octets: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(octets)
    }

    fn ec(
        name: &str,
        curve: &str,
        algorithm: &'static EcdsaSigningAlgorithm,
    ) -> (String, Value, Sign) {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let point = pair.public_key().as_ref().to_vec();
        let half = point.len() / 2;
        let jwk = json!({
            "kty": "EC", "crv": curve,
            "x": encoded(&point[1..=half]), "y": encoded(&point[half + 1..]),
        });
        let sign = move |octets: &[u8]| {
            let signature = pair.sign(&SystemRandom::new(), octets).unwrap();
            signature.as_ref().to_vec()
        };
        (name.to_owned(), jwk, Box::new(sign))
    }

    fn keys() -> Vec<(String, Value, Sign)> {
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let x = encoded(ed25519.public_key().as_ref());
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let modulus = rsa
            .public_key()
            .modulus()
            .big_endian_without_leading_zero()
            .to_vec();
        let exponent = rsa
            .public_key()
            .exponent()
            .big_endian_without_leading_zero()
            .to_vec();
        vec![
            ec("ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ec("ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ec("ES512", "P-521", &ECDSA_P521_SHA512_FIXED_SIGNING),
            (
                "EdDSA".to_owned(),
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x }),
                Box::new(move |octets| ed25519.sign(octets).as_ref().to_vec()),
            ),
            (
                "RS256".to_owned(),
                json!({ "kty": "RSA", "n": encoded(&modulus), "e": encoded(&exponent) }),
                Box::new(move |octets| {
                    let mut signature = vec![0; rsa.public_modulus_len()];
                    rsa.sign(
                        &RSA_PKCS1_SHA256,
                        &SystemRandom::new(),
                        octets,
                        &mut signature,
                    )
                    .unwrap();
                    signature
                }),
            ),
        ]
    }

    fn envelope(algorithm: &str, jwk: &Value, sign: &Sign) -> (Envelope, Jwk) {
        let header = json!({ "alg": algorithm, "jwk": jwk, "nonce": "n", "url": "https://ca/x" });
        let signed = format!(
            "{}.{}",
            encoded(header.to_string().as_bytes()),
            encoded(b"{}")
        );
        let (protected, payload) = signed.split_once('.').unwrap();
        let body = json!({
            "protected": protected, "payload": payload,
            "signature": encoded(&sign(signed.as_bytes())),
        });
        let envelope = Envelope::read(body.to_string().as_bytes()).unwrap();
        let Signer::Key(Some(key)) = envelope.signer.clone() else {
            panic!("{algorithm}: a key");
        };
        (envelope, key)
    }

    #[test]
    fn each_algorithm_is_verified_with_its_own_key_alone() {
        let keys = keys();
        let made: Vec<_> = keys
            .iter()
            .map(|(name, jwk, sign)| envelope(name, jwk, sign))
            .collect();
        for (at, (envelope, _)) in made.iter().enumerate() {
            for (other, (_, key)) in made.iter().enumerate() {
                let want = at == other;
                assert_eq!(is_signed_with(envelope, key), want, "{at} {other}");
            }
        }
    }

    #[test]
    fn what_was_changed_is_not_verified() {
        for (name, jwk, sign) in keys() {
            let (envelope, key) = envelope(&name, &jwk, &sign);
            let mut payload = envelope.clone();
            payload.signed.push(b'A');
            assert!(!is_signed_with(&payload, &key), "{name}");
            let mut signature = envelope.clone();
            signature.signature[0] ^= 1;
            assert!(!is_signed_with(&signature, &key), "{name}");
            signature.signature.clear();
            assert!(!is_signed_with(&signature, &key), "{name}");
            let other = Envelope {
                algorithm: None,
                ..envelope
            };
            assert!(!is_signed_with(&other, &key), "{name}");
        }
    }
}
