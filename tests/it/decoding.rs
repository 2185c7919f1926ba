//! Certificates in every format, and every way to be wrong.

use offpeak::domain::certificate::Submission;
use offpeak::domain::certificate::names::Names;
use offpeak::domain::demand::observation::Observation;
use offpeak::engine::verdict::Rejection;
use offpeak::ingest::{CertificateFormat, Decode, Item, ObservationFormat};

use crate::der::{Parts, authority, ca_constraints, pem};

pub(crate) const ID: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

pub(crate) fn decode<T>(mut decoder: Box<dyn Decode<T>>, body: &[u8]) -> Vec<Item<T>> {
    let mut items = Vec::new();
    decoder.push(body, &mut items);
    decoder.finish(&mut items);
    items
}

pub(crate) fn certificates(
    format: CertificateFormat,
    body: impl AsRef<[u8]>,
) -> Vec<Item<Submission>> {
    decode(format.decoder(), body.as_ref())
}

pub(crate) fn observations(format: ObservationFormat, body: &str) -> Vec<Item<Observation>> {
    decode(format.decoder(), body.as_bytes())
}

/// The items' lines and what they are: `ok`, or the field at fault.
pub(crate) fn outline<T>(items: &[Item<T>]) -> Vec<(u64, &str)> {
    items
        .iter()
        .map(|item| match &item.record {
            Ok(_) => (item.line, "ok"),
            Err(rejection) => (item.line, rejection.field.as_str()),
        })
        .collect()
}

pub(crate) fn only_rejection<T: std::fmt::Debug>(items: Vec<Item<T>>) -> Rejection {
    assert_eq!(items.len(), 1, "{items:?}");
    items.into_iter().next().unwrap().record.unwrap_err()
}

#[test]
fn csv_takes_columns_in_any_order_quotes_crlf_and_a_byte_order_mark() {
    let body = format!(
        "\u{feff}not_after,\"cert_id\",issued_at,not_before\r\n\
         2026-04-01T00:00:00Z,{ID},,2026-01-01T00:00:00Z\r\n\
         \r\n\
         \"1775001600\",\"{ID}\",\"2026-01-01T01:00:00+01:00\",1767225600"
    );
    let items = certificates(CertificateFormat::Csv, body);
    assert_eq!(outline(&items), [(2, "ok"), (4, "ok")]);
    let [first, second] = [0, 1].map(|at| items[at].record.clone().unwrap());
    assert_eq!(first.id.to_string(), ID);
    assert_eq!(first.validity, second.validity);
    assert_eq!(first.issued_at, None);
    assert_eq!(second.issued_at, Some(second.validity.not_before));
}

#[test]
fn a_csv_header_that_cannot_be_used_is_refused_by_name_and_nothing_below_it_read() {
    let row = format!("{ID},0,1,x\n");
    for (header, field, detail) in [
        (
            "cert_id,not_before,not_after,colour",
            "colour",
            "unknown column",
        ),
        (
            "cert_id,not_before,Not_After",
            "Not_After",
            "unknown column",
        ),
        ("cert_id,not_before", "not_after", "lacks this column"),
        ("cert_id,not_before,not_after,cert_id", "cert_id", "twice"),
        ("cert_id,not_before,\"not_after", "record", "not closed"),
    ] {
        let items = certificates(CertificateFormat::Csv, format!("{header}\n{row}{row}"));
        assert_eq!(items[0].line, 1);
        let rejection = only_rejection(items);
        assert_eq!(rejection.field, field);
        assert!(rejection.detail.contains(detail), "{rejection:?}");
    }
    for empty in ["", "\n\n"] {
        let rejection = only_rejection(certificates(CertificateFormat::Csv, empty));
        assert!(rejection.detail.contains("no header"), "{rejection:?}");
    }
}

#[test]
fn a_bad_line_names_its_field_and_the_others_go_on() {
    let long = "x".repeat(70_000);
    let mut body = format!(
        "cert_id,not_before,not_after,issued_at\n\
         {ID},0,9,\n\
         aYhb=.AQ,0,9,\n\
         {ID},soon,9,\n\
         {ID},0,,\n\
         {ID},9,0,\n\
         {ID},0,9,never\n\
         {ID},0\n\
         {ID},0,9,,\n\
         \"{ID},0,9,\n\
         \"{ID}\"x,0,9,\n\
         {long},0,9,\n"
    )
    .into_bytes();
    body.extend(b"\xff,0,9,\n");
    body.extend(format!("{ID},0,9,0\n").bytes());
    let items = certificates(CertificateFormat::Csv, body);
    assert_eq!(
        outline(&items),
        [
            (2, "ok"),
            (3, "cert_id"),
            (4, "not_before"),
            (5, "not_after"),
            (6, "not_after"),
            (7, "issued_at"),
            (8, "not_after"),
            (9, "record"),
            (10, "cert_id"),
            (11, "cert_id"),
            (12, "record"),
            (13, "record"),
            (14, "ok"),
        ]
    );
    let detail = |at: usize| items[at].record.as_ref().unwrap_err().detail.as_str();
    assert!(detail(1).contains("base64url"), "{}", detail(1));
    assert!(
        detail(10).contains("longer than 65536 octets"),
        "{}",
        detail(10)
    );
    assert!(
        detail(11).contains("no UTF-8 from octet 1"),
        "{}",
        detail(11)
    );
}

#[test]
fn what_a_rejection_cites_is_bounded() {
    let long = "x".repeat(60_000);
    for body in [
        format!("cert_id,not_before,not_after\n{long},0,0\n"),
        format!("cert_id,not_before,not_after\n{ID},{long},0\n"),
        format!("{long}\n"),
    ] {
        let rejection = only_rejection(certificates(CertificateFormat::Csv, body));
        assert!(rejection.detail.len() <= 310 && rejection.field.len() <= 70);
    }
}

#[test]
fn ndjson_takes_its_keys_and_refuses_others_by_name() {
    let other = "AQ.Ag";
    let many = vec!["\"a.example\""; 2_001].join(",");
    let body = format!(
        r#"{{"certId":"{ID}","notBefore":"2026-01-01T00:00:00Z","notAfter":1775001600}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"issuedAt":3,"replaces":"{other}"}}

{{"certId":"{ID}","notBefore":0,"notAfter":9,"issuedAt":null}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"colour":"red"}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"notAfter":8}}
{{"certId":7,"notBefore":0,"notAfter":9}}
{{"notBefore":0,"notAfter":9}}
{{"certId":"{ID}","notBefore":0.5,"notAfter":9}}
["{ID}",0,9]
{{"certId":"{ID}"
{{"certId":"{ID}","notBefore":0,"notAfter":9}} trailing
{{"certId":"{ID}","notBefore":0,"notAfter":9,"replaces":"AR.AQ"}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":["b.example","A.example."]}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":[]}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":"a.example"}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":["a.example",1]}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":["a.example",""]}}
{{"certId":"{ID}","notBefore":0,"notAfter":9,"names":[{many}]}}
"#
    );
    let items = certificates(CertificateFormat::Ndjson, body);
    assert_eq!(
        outline(&items),
        [
            (1, "ok"),
            (2, "ok"),
            (4, "ok"),
            (5, "colour"),
            (6, "notAfter"),
            (7, "certId"),
            (8, "certId"),
            (9, "notBefore"),
            (10, "record"),
            (11, "record"),
            (12, "record"),
            (13, "replaces"),
            (14, "ok"),
            (15, "ok"),
            (16, "names"),
            (17, "names"),
            (18, "names"),
            (19, "names"),
        ]
    );
    let second = items[1].record.as_ref().unwrap();
    assert_eq!(second.issued_at.unwrap().unix(), 3);
    assert_eq!(second.replaces.as_ref().unwrap().to_string(), other);
    let names = &items[12].record.as_ref().unwrap().names;
    let same: Names = ["a.example", "b.example"]
        .map(str::to_owned)
        .into_iter()
        .collect();
    assert_eq!(*names, same);
    assert!(items[13].record.as_ref().unwrap().names.is_empty());
    let refused = items[14].record.as_ref().unwrap_err();
    assert_eq!(
        refused.detail,
        "\"a.example\" is no list of at most 2000 strings"
    );
}

#[test]
fn ndjson_takes_the_first_certificate_of_a_pem_text() {
    let leaf = pem("CERTIFICATE", &Parts::default().der());
    let ca = pem("CERTIFICATE", &ca().der());
    let line = |value: serde_json::Value| format!("{value}\n");
    let body = [
        line(serde_json::json!({"pem": format!("{leaf}{ca}"), "issuedAt": 5})),
        line(serde_json::json!({"pem": ca})),
        line(serde_json::json!({"pem": "hello"})),
        line(serde_json::json!({"pem": leaf, "certId": ID})),
        line(serde_json::json!({"pem": leaf.replacen("\nMI", "\n?!", 1).replacen("\nMH", "\n?!", 1)})),
        line(serde_json::json!({"pem": 5})),
    ]
    .concat();
    let items = certificates(CertificateFormat::Ndjson, body);
    assert_eq!(
        outline(&items),
        [
            (1, "ok"),
            (2, "pem"),
            (3, "pem"),
            (4, "certId"),
            (5, "pem"),
            (6, "pem")
        ]
    );
    let first = items[0].record.as_ref().unwrap();
    assert_eq!(first.id.to_string(), "QkJCQkJCQkJCQkJCQkJCQkJCQkI.AIdlQyE");
    assert_eq!(first.issued_at.unwrap().unix(), 5);
}

fn ca() -> Parts {
    Parts {
        serial: vec![1],
        extensions: vec![authority(&[1; 20]), ca_constraints()],
        ..Parts::default()
    }
}

pub(crate) fn leaf(serial: u8) -> String {
    let parts = Parts {
        serial: vec![serial],
        ..Parts::default()
    };
    pem("CERTIFICATE", &parts.der())
}

#[test]
fn a_pem_file_gives_every_certificate_that_is_no_cas_and_names_broken_blocks() {
    let body = [
        "subject=/CN=one\n".to_owned(),
        leaf(1),
        pem("CERTIFICATE", &ca().der()),
        "-----BEGIN EC PRIVATE KEY-----\nnot ours\n-----END EC PRIVATE KEY-----\n".to_owned(),
        "-----BEGIN CERTIFICATE-----\nMIIB\n".to_owned(),
        leaf(2).replace('\n', "\r\n"),
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".to_owned(),
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END X509 CRL-----\n".to_owned(),
        "-----END CERTIFICATE-----\n".to_owned(),
        leaf(3).replace("CERTIFICATE", "X509 CERTIFICATE"),
        "-----BEGIN CERTIFICATE-----\nMIIB".to_owned(),
    ];
    let line_of = |part: usize| 1 + body[..part].concat().matches('\n').count() as u64;
    let items = certificates(CertificateFormat::Pem, body.concat());
    assert_eq!(
        outline(&items),
        [
            (line_of(1), "ok"),
            (line_of(4), "pem"),
            (line_of(5), "ok"),
            (line_of(6), "pem"),
            (line_of(7), "pem"),
            (line_of(8), "pem"),
            (line_of(9), "ok"),
            (line_of(10), "pem"),
        ]
    );
}

#[test]
fn a_chain_gives_its_first_certificate_alone() {
    let issuer = pem("CERTIFICATE", &ca().der());
    let chain = CertificateFormat::PemChain;
    let items = certificates(chain, format!("{}{issuer}{}", leaf(1), leaf(2)));
    assert_eq!(outline(&items), [(1, "ok")]);
    // Where the first is broken, the next is its issuer's or somebody else's.
    let broken = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
    let items = certificates(chain, format!("{broken}{}", leaf(2)));
    assert_eq!(outline(&items), [(1, "pem")]);
    assert_eq!(
        only_rejection(certificates(chain, &issuer)).field,
        "basicConstraints"
    );
    assert_eq!(only_rejection(certificates(chain, "")).field, "certificate");
    let der = Parts::default().der();
    assert_eq!(outline(&certificates(chain, der)), [(1, "ok")]);
}

#[test]
fn der_and_pem_are_recognised_by_content() {
    let either = CertificateFormat::DerOrPem;
    let der = Parts::default().der();
    assert_eq!(outline(&certificates(either, &der)), [(1, "ok")]);
    assert_eq!(outline(&certificates(either, leaf(1) + &leaf(2))).len(), 2);
    let trailing = [&der[..], b"\0"].concat();
    assert_eq!(
        outline(&certificates(either, trailing)),
        [(1, "certificate")]
    );
    let big = [&[0x30, 0x84, 0, 0x20, 0, 0][..], &vec![0; 2 << 20]].concat();
    assert_eq!(outline(&certificates(either, big)), [(1, "record")]);
    for nothing in ["", "0", "hello\n"] {
        assert_eq!(
            outline(&certificates(either, nothing)),
            [(1, "certificate")]
        );
    }
}

#[test]
fn media_types_name_formats_whatever_their_parameters() {
    for (content_type, format) in [
        (
            "text/csv; charset=utf-8; header=present",
            CertificateFormat::Csv,
        ),
        ("Application/X-NDJSON", CertificateFormat::Ndjson),
        (
            "application/pem-certificate-chain",
            CertificateFormat::PemChain,
        ),
        ("application/pkix-cert", CertificateFormat::DerOrPem),
        ("application/x-pem-file", CertificateFormat::DerOrPem),
        ("application/json", CertificateFormat::Json),
    ] {
        assert_eq!(CertificateFormat::of_media_type(content_type), Ok(format));
    }
    let unknown = CertificateFormat::of_media_type("text/html")
        .unwrap_err()
        .to_string();
    assert!(
        unknown.contains("text/html") && unknown.contains("text/csv"),
        "{unknown}"
    );
    assert!(ObservationFormat::of_media_type("application/pkix-cert").is_err());
    assert!(ObservationFormat::of_media_type("").is_err());
}

#[test]
fn files_are_recognised_by_content_before_name() {
    let of = |name: &str, head: &[u8]| CertificateFormat::of_file(name.as_ref(), head);
    let der = Parts::default().der();
    assert_eq!(of("a.pem", &der), Some(CertificateFormat::Der));
    assert_eq!(
        of("a.csv", leaf(1).as_bytes()),
        Some(CertificateFormat::Pem)
    );
    assert_eq!(
        of("a", b"\xef\xbb\xbf {\"certId\""),
        Some(CertificateFormat::Ndjson)
    );
    assert_eq!(of("a", b"cert_id,not_before"), Some(CertificateFormat::Csv));
    assert_eq!(of("a.csv", b"wrong,header"), Some(CertificateFormat::Csv));
    assert_eq!(of("a.crt", b""), Some(CertificateFormat::DerOrPem));
    assert_eq!(of("a", b"hello"), None);
}
