//! Converts certificates in log lines to submissions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::accesslog::{Certificate, Shown};
use crate::domain::certificate::Submission;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::ingest::CertificateFormat;

/// The submission for a certificate in a line, if it can be registered; CA certificates cannot.
/// `issuer` is used if the line contains only dates.
pub(super) fn submission(shown: &Shown, issuer: Option<&KeyIdentifier>) -> Option<Submission> {
    let (format, octets) = match &shown.certificate {
        Certificate::Base64(text) => (CertificateFormat::Der, STANDARD.decode(text).ok()?),
        Certificate::Dates {
            serial,
            not_before,
            not_after,
        } => {
            let row = format!("{},{serial},{not_before},{not_after}\n", issuer?);
            let text = format!("issuer,serial,not_before,not_after\n{row}");
            (CertificateFormat::Csv, text.into_bytes())
        }
        Certificate::Hexadecimal(text) => (CertificateFormat::Der, octets_of(text)?),
        Certificate::Pem(text) => (CertificateFormat::Pem, text.clone().into_bytes()),
    };
    let mut decoder = format.decoder();
    let mut found = Vec::new();
    decoder.push(&octets, &mut found);
    decoder.finish(&mut found);
    let submission = found.into_iter().find_map(|item| item.record.ok())?;
    Some(Submission {
        issued_at: shown.issued_at.or(submission.issued_at),
        ..submission
    })
}

fn octets_of(hexadecimal: &str) -> Option<Vec<u8>> {
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    hexadecimal.as_bytes().chunks(2).map(octet).collect()
}
