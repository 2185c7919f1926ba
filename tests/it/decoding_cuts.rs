//! Bodies cut anywhere, gone on with anywhere, and of any bytes.

use offpeak::ingest::{CertificateFormat, ObservationFormat, Position};
use proptest::prelude::*;

use crate::decoding::{ID, certificates, decode, leaf, only_rejection};

/// A body with good and bad lines of every format in it.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let csv = "cert_id,not_before,not_after\n".to_owned();
    let line = prop_oneof![
        Just(csv.clone()),
        Just(format!("{ID},0,9\n")),
        Just(format!("\"{ID}\",0,9\r\n")),
        Just(format!(
            "{{\"certId\":\"{ID}\",\"notBefore\":0,\"notAfter\":9}}\n"
        )),
        Just(leaf(7)),
        Just("-----BEGIN CERTIFICATE-----\n".to_owned()),
        Just("-----END CERTIFICATE-----\n".to_owned()),
        Just("\n".to_owned()),
        Just("\u{feff}".to_owned()),
        "[ -~]{0,20}\r?\n?",
    ];
    prop::collection::vec(line, 0..12)
        .prop_map(move |lines| [csv.clone(), lines.concat()].concat().into_bytes())
}

const FORMATS: [CertificateFormat; 7] = [
    CertificateFormat::Csv,
    CertificateFormat::Der,
    CertificateFormat::DerOrPem,
    CertificateFormat::Json,
    CertificateFormat::Ndjson,
    CertificateFormat::Pem,
    CertificateFormat::PemChain,
];

proptest! {
    #[test]
    fn however_a_body_is_cut_the_items_are_the_same(
        body in bodies(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        for format in FORMATS {
            let mut items = Vec::new();
            let mut decoder = format.decoder();
            for cut in cuts.windows(2) {
                decoder.push(&body[cut[0]..cut[1]], &mut items);
            }
            let end = decoder.finish(&mut items);
            prop_assert_eq!(end.offset, body.len() as u64);
            prop_assert_eq!(items, certificates(format, &body));
        }
    }

    #[test]
    fn decoding_goes_on_behind_any_item(body in bodies(), at in any::<prop::sample::Index>()) {
        for format in [CertificateFormat::Csv, CertificateFormat::Ndjson, CertificateFormat::Pem] {
            let whole = certificates(format, &body);
            if whole.is_empty() {
                continue;
            }
            let at = at.index(whole.len());
            let Position { offset, line } = whole[at].next;
            if offset == 0 {
                continue;
            }
            let mut rest = Vec::new();
            let mut decoder = format.decoder();
            if format == CertificateFormat::Csv {
                let header = body.iter().position(|octet| *octet == b'\n').unwrap() + 1;
                decoder.push(&body[..header], &mut rest);
                rest.clear();
            }
            decoder.resume(Position { offset, line });
            decoder.push(&body[usize::try_from(offset).unwrap()..], &mut rest);
            decoder.finish(&mut rest);
            prop_assert_eq!(&rest[..], &whole[at + 1..]);
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        for format in FORMATS {
            certificates(format, &body);
        }
        for format in [ObservationFormat::Csv, ObservationFormat::Json, ObservationFormat::Ndjson] {
            decode(format.decoder(), &body);
        }
    }

    #[test]
    fn csv_is_read_as_the_csv_crate_reads_it(
        cells in prop::collection::vec("[a-z,\" ]{0,6}", 3),
    ) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["cert_id", "not_before", "not_after"]).unwrap();
        writer.write_record(&cells).unwrap();
        let body = writer.into_inner().unwrap();
        let rejection = only_rejection(certificates(CertificateFormat::Csv, body));
        // The first cell is no CertID: the rejection cites it as it was read.
        let expected = match cells[0].as_str() {
            "" => "it is missing".to_owned(),
            cell => format!("{cell:?} is no CertID"),
        };
        prop_assert!(rejection.detail.starts_with(&expected), "{rejection:?}");
    }
}
