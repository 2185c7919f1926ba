//! The signer of a revocation list: its issuer's certificate, and the check of the signature.

use x509_parser::asn1_rs::{BitString, FromDer, Tag};
use x509_parser::error::X509Error;
use x509_parser::oid_registry::{OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA};
use x509_parser::verify::verify_signature;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::super::pem::{Wanted, der_or_pem};
use super::super::rejected::rejection;
use super::der::extension;
use super::{Authority, Tbs, take};
use crate::domain::certificate::certid::KeyIdentifier;
use crate::engine::verdict::Rejection;

/// The content octets of 2.5.29.15, keyUsage, which limits the use of a key.
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
/// `cRLSign` is the seventh bit, counted from the highest one.
const CRL_SIGN: u8 = 0b0000_0010;

/// The issuer of revocation lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signer {
    key_identifier: KeyIdentifier,
    /// Its subjectPublicKeyInfo, in DER.
    key: Vec<u8>,
}

/// The parts of a list needed to verify its signature, each in DER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    /// The signed part.
    pub(super) tbs: &'a [u8],
    /// The algorithm named in the signed part: the content of a SEQUENCE.
    pub(super) inner_algorithm: &'a [u8],
    /// The algorithm named next to the signature.
    pub(super) algorithm: &'a [u8],
    /// The content octets of a BIT STRING.
    pub(super) signature: &'a [u8],
}

impl Signer {
    /// Reads the first certificate in these octets, in DER or PEM.
    ///
    /// # Errors
    /// There is none, or it is not a CA certificate, has no subjectKeyIdentifier, or may not sign
    /// revocation lists (RFC 5280 section 4.2.1.3).
    pub fn read(octets: &[u8]) -> Result<Self, Rejection> {
        let mut decoder = der_or_pem(Wanted::First);
        let mut found = Vec::new();
        decoder.push(octets, &mut found);
        decoder.finish(&mut found);
        let first = found
            .into_iter()
            .next()
            .ok_or_else(|| rejection("issuer", "there is no certificate"))?;
        let der = first.record?.der;
        let authority = Authority::of(&der)?;
        let tbs = Tbs::of(&der)?;
        let usage = extension(tbs.extensions.all, KEY_USAGE)?;
        if usage.is_some_and(|usage| !may_sign_lists(usage)) {
            let detail = "the issuer's certificate is not for signing revocation lists";
            return Err(rejection("keyUsage", detail));
        }
        Ok(Self {
            key_identifier: authority.key_identifier,
            key: tbs.key.to_vec(),
        })
    }

    /// Verifies that a list of the issuer with this key identifier was signed by this signer.
    ///
    /// # Errors
    /// It was not.
    pub(super) fn verify(&self, of: &KeyIdentifier, signed: Signed<'_>) -> Result<(), Rejection> {
        if *of != self.key_identifier {
            let detail = format_args!(
                "the list is of the issuer {of}, and the certificate is of {}",
                self.key_identifier
            );
            return Err(rejection("authorityKeyIdentifier", detail));
        }
        let refused = |error: X509Error| {
            rejection(
                "signatureValue",
                match error {
                    X509Error::SignatureUnsupportedAlgorithm => {
                        "it is of an algorithm that is not known here"
                    }
                    _ => "the issuer's key has not signed this list",
                },
            )
        };
        // RFC 5280 section 5.1.1.2.
        if without_header(signed.algorithm) != Some(signed.inner_algorithm) {
            let detail = "it is another algorithm than in what is signed";
            return Err(rejection("signatureAlgorithm", detail));
        }
        let read = |error: x509_parser::nom::Err<X509Error>| match error {
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
                refused(error)
            }
            x509_parser::nom::Err::Incomplete(_) => refused(X509Error::Generic),
        };
        let (_, key) = SubjectPublicKeyInfo::from_der(&self.key).map_err(read)?;
        let (_, algorithm) = AlgorithmIdentifier::from_der(signed.algorithm).map_err(read)?;
        if [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA].contains(&algorithm.algorithm) {
            let detail =
                "it is by SHA-1, for which a signature of something else can be made to fit";
            return Err(rejection("signatureAlgorithm", detail));
        }
        let [0, signature @ ..] = signed.signature else {
            return Err(rejection(
                "signatureValue",
                "it is no whole number of octets",
            ));
        };
        let signature = BitString::new(0, signature);
        verify_signature(&key, &algorithm, &signature, signed.tbs).map_err(refused)
    }
}

/// Whether a keyUsage, a BIT STRING in DER, contains `cRLSign`.
fn may_sign_lists(mut usage: &[u8]) -> bool {
    take(&mut usage, "keyUsage", Tag::BitString)
        .is_ok_and(|bits| bits.get(1).is_some_and(|octet| octet & CRL_SIGN != 0))
}

fn without_header(mut sequence: &[u8]) -> Option<&[u8]> {
    take(&mut sequence, "signatureAlgorithm", Tag::Sequence).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
        KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, SignatureAlgorithm,
        date_time_ymd,
    };

    use super::super::crl::revoked;
    use super::*;

    /// The PEM certificate of a list issuer, and a list that it signed.
    fn issuer(algorithm: &'static SignatureAlgorithm, seed: u8) -> (String, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.key_identifier_method = KeyIdMethod::PreSpecified(vec![seed; 20]);
        let certificate = params.self_signed(&key).unwrap().pem();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 11, 20),
            next_update: date_time_ymd(2026, 11, 27),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(7),
                revocation_time: date_time_ymd(2026, 11, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::PreSpecified(vec![seed; 20]),
        };
        let list = list.signed_by(&Issuer::new(params, key)).unwrap();
        (certificate, list.der().to_vec())
    }

    /// The number of entries passed on, or the error.
    fn read(list: &[u8], certificate: &str) -> Result<usize, String> {
        let text = |rejection: Rejection| format!("{}: {}", rejection.field, rejection.detail);
        let signer = Signer::read(certificate.as_bytes()).map_err(text)?;
        let mut entries = 0;
        let listed = revoked(list, Some(&signer), &mut |_| entries += 1);
        listed.map(|_| entries).map_err(|rejection| {
            assert_eq!(entries, 0, "nothing is handed on before the signature");
            text(rejection)
        })
    }

    #[test]
    fn a_list_counts_where_its_issuer_signed_it() {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let (certificate, list) = issuer(algorithm, 1);
            assert_eq!(read(&list, &certificate), Ok(1), "{algorithm:?}");
        }
    }

    #[test]
    fn a_list_that_was_changed_or_that_another_key_signed_is_refused() {
        let (certificate, list) = issuer(&rcgen::PKCS_ECDSA_P256_SHA256, 1);
        let (_, same_name) = issuer(&rcgen::PKCS_ECDSA_P256_SHA256, 1);
        let refused = read(&same_name, &certificate).unwrap_err();
        assert_eq!(
            refused,
            "signatureValue: the issuer's key has not signed this list"
        );
        let (_, other) = issuer(&rcgen::PKCS_ECDSA_P256_SHA256, 2);
        let refused = read(&other, &certificate).unwrap_err();
        assert!(
            refused.starts_with("authorityKeyIdentifier: the list is of the issuer AgICAg"),
            "{refused}"
        );
        // The serial 7 becomes 8, and nothing else changes.
        let entry = [0x02, 0x01, 0x07, 0x17];
        let at = list.windows(4).position(|four| four == entry).unwrap();
        let mut changed = list;
        changed[at + 2] = 8;
        assert!(read(&changed, &certificate).is_err());
    }

    #[test]
    fn who_may_not_sign_lists_is_no_issuer_of_them() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let server = params.self_signed(&key).unwrap().pem();
        assert!(
            read(&[], &server)
                .unwrap_err()
                .starts_with("basicConstraints")
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let no_lists = params.self_signed(&key).unwrap().pem();
        assert!(read(&[], &no_lists).unwrap_err().starts_with("keyUsage"));
        assert!(read(&[], "no certificate").is_err());
    }
}
