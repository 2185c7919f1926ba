//! Certificates as RFC 5280 forbids them and the world has them.

use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::engine::verdict::Rejection;
use offpeak::ingest::x509::Facts;
use proptest::prelude::*;

use crate::der::{Parts, authority, ca_constraints, extension, generalized, tlv, utc};

fn id(parts: &Parts) -> Result<CertId, Rejection> {
    Facts::of(&parts.der()).unwrap().id
}

fn with_serial(serial: &[u8]) -> Parts {
    Parts {
        serial: serial.to_vec(),
        ..Parts::default()
    }
}

fn with_extensions(extensions: Vec<Vec<u8>>) -> Parts {
    Parts {
        extensions,
        ..Parts::default()
    }
}

fn with_dates(not_before: Vec<u8>, not_after: Vec<u8>) -> Parts {
    Parts {
        not_before,
        not_after,
        ..Parts::default()
    }
}

#[test]
fn serials_keep_the_octets_they_are_encoded_with() {
    for serial in [
        &[0x00][..],
        &[0x01],
        &[0x7f],
        &[0x00, 0x80],
        // Negative: -1, -128, and 20 octets with the first bit set.
        &[0xff],
        &[0x80],
        &[0x9c; 20],
        // 21 octets: 20 and the sign octet; and 32, the most.
        &[&[0x00][..], &[0xab; 20]].concat(),
        &[0x11; 32],
        // Not minimal: BER, not DER, and what the client will ask for.
        &[0x00, 0x01],
        &[0xff, 0xff],
    ] {
        let id = id(&with_serial(serial)).unwrap();
        assert_eq!(id.serial.octets(), serial);
    }
}

#[test]
fn serials_without_octets_or_with_too_many_are_rejected() {
    for (serial, octets) in [(vec![], 0), (vec![0x11; 33], 33)] {
        let rejection = id(&with_serial(&serial)).unwrap_err();
        assert_eq!(rejection.field, "serialNumber");
        assert!(
            rejection.detail.contains(&format!("has {octets} octets")),
            "{rejection:?}"
        );
    }
}

#[test]
fn key_identifiers_of_1_to_64_octets_are_taken() {
    for octets in [1, 3, 8, 20, 32, 63, 64] {
        let key = vec![0x5a; octets];
        let id = id(&with_extensions(vec![authority(&key)])).unwrap();
        assert_eq!(id.key_identifier, KeyIdentifier::new(&key).unwrap());
    }
    for octets in [0, 65] {
        let rejection = id(&with_extensions(vec![authority(&vec![1; octets])])).unwrap_err();
        assert_eq!(rejection.field, "authorityKeyIdentifier");
        assert!(
            rejection.detail.contains(&format!("has {octets} octets")),
            "{rejection:?}"
        );
    }
}

#[test]
fn certificates_without_a_key_identifier_say_which_part_is_missing() {
    let subject_key = extension(0x0e, &tlv(0x04, &[1, 2, 3]));
    let issuer_and_serial = [tlv(0xa1, &[]), tlv(0x82, &[5])].concat();
    for (extensions, detail) in [
        (vec![], "has none"),
        (vec![subject_key], "has none"),
        (vec![extension(0x23, &tlv(0x30, &[]))], "no keyIdentifier"),
        (
            vec![extension(0x23, &tlv(0x30, &issuer_and_serial))],
            "no keyIdentifier",
        ),
        (
            vec![extension(0x23, &tlv(0x30, &tlv(0xa0, &tlv(0x04, &[1]))))],
            "no octet string",
        ),
        (
            vec![extension(0x23, &[0x30, 0x22, 0x80])],
            "no complete DER element",
        ),
    ] {
        let rejection = id(&with_extensions(extensions)).unwrap_err();
        assert_eq!(rejection.field, "authorityKeyIdentifier");
        assert!(rejection.detail.contains(detail), "{rejection:?}");
    }
}

#[test]
fn two_authority_key_identifiers_are_refused_since_none_can_be_believed() {
    let parts = with_extensions(vec![authority(&[1]), authority(&[2])]);
    let rejection = Facts::of(&parts.der()).unwrap_err();
    assert_eq!(rejection.field, "authorityKeyIdentifier");
    assert!(rejection.detail.contains("more than one"), "{rejection:?}");
}

#[test]
fn dates_at_the_edges_are_read_as_rfc_5280_says() {
    for (not_before, not_after, want) in [
        (
            utc("500101000000Z"),
            utc("491231235959Z"),
            ("1950-01-01T00:00:00Z", "2049-12-31T23:59:59Z"),
        ),
        (
            utc("000229000000Z"),
            generalized("20500101000000Z"),
            ("2000-02-29T00:00:00Z", "2050-01-01T00:00:00Z"),
        ),
        (
            utc("700101000000Z"),
            generalized("99991231235959Z"),
            ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        ),
        // A year before 2050 as GeneralizedTime; an offset; no seconds.
        (
            generalized("20260101000000Z"),
            utc("260401020000+0200"),
            ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"),
        ),
        (
            utc("2601010000Z"),
            utc("260101000000Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ),
    ] {
        let validity = Facts::of(&with_dates(not_before, not_after).der())
            .unwrap()
            .validity
            .unwrap();
        let read = (
            validity.not_before.to_string(),
            validity.not_after.to_string(),
        );
        assert_eq!((read.0.as_str(), read.1.as_str()), want);
    }
}

#[test]
fn impossible_dates_reject_the_dates_and_leave_the_certid() {
    for (not_before, not_after, field) in [
        (utc("260331000000Z"), utc("260330235959Z"), "notAfter"),
        (utc("261301000000Z"), utc("270101000000Z"), "notBefore"),
        (utc("260101000000Z"), utc("270229000000Z"), "notAfter"),
        (utc("260101000000Z"), utc("270101000060Z"), "notAfter"),
        (utc("260101000000Z"), generalized("yesterday"), "notAfter"),
        (utc("260101000000Z"), tlv(0x02, &[1]), "notAfter"),
        (utc("260101000000Z"), vec![], "notAfter"),
    ] {
        let facts = Facts::of(&with_dates(not_before, not_after).der()).unwrap();
        assert!(facts.id.is_ok());
        assert_eq!(facts.validity.unwrap_err().field, field);
    }
}

#[test]
fn basic_constraints_identify_a_ca() {
    let not_ca = extension(0x13, &tlv(0x30, &[]));
    let false_spelled_out = extension(0x13, &tlv(0x30, &tlv(0x01, &[0])));
    for (constraints, is_ca) in [
        (ca_constraints(), true),
        (not_ca, false),
        (false_spelled_out, false),
    ] {
        let facts = Facts::of(&with_extensions(vec![constraints]).der()).unwrap();
        assert_eq!(facts.is_ca, is_ca);
    }
}

#[test]
fn garbage_behind_a_certificate_or_in_place_of_one_is_refused() {
    let der = Parts::default().der();
    let trailing = [&der[..], &[0, 0, 0]].concat();
    let rejection = Facts::of(&trailing).unwrap_err();
    assert_eq!(
        rejection,
        Rejection::new("certificate", "3 octets follow the certificate")
    );
    for octets in [&[][..], b"hello", &der[..der.len() - 1], &[0x30, 0x00]] {
        assert!(Facts::of(octets).is_err());
    }
}

#[test]
fn a_certificate_made_by_a_library_is_read() {
    let mut params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2050, 1, 1);
    params.use_authority_key_identifier_extension = true;
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(vec![7; 20]);
    let issuer = rcgen::Issuer::new(ca, rcgen::KeyPair::generate().unwrap());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let facts = Facts::of(certificate.der()).unwrap();
    let want = CertId {
        key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
        serial: Serial::new(&[0x00, 0x87, 0x65, 0x43, 0x21]).unwrap(),
    };
    assert_eq!(facts.id, Ok(want));
    assert_eq!(
        facts.validity.unwrap().not_after.to_string(),
        "2050-01-01T00:00:00Z"
    );
    assert!(!facts.is_ca);
}

proptest! {
    #[test]
    fn octets_changed_anywhere_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut der = Parts::default().der();
        for (at, octet) in changes {
            let at = at.index(der.len());
            der[at] = octet;
        }
        let _ = Facts::of(&der);
        let _ = Facts::of(&der[..cut.index(der.len())]);
    }
}
