//! PEM through parsing, as an import does it, without the engine and the store.

use anyhow::bail;
use offpeak::domain::math::number::real_len;
use offpeak::ingest::CertificateFormat;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};

use super::figures::Figures;
use super::process::thread_seconds;
use super::setup::Setup;

/// Certificates that differ; making one costs as much as parsing a hundred.
const DIFFERENT: u8 = 100;
/// How often each comes: a second's work and more.
const TIMES: usize = 1_000;
/// As files are read.
const PIECE_OCTETS: usize = 64 << 10;

pub(super) fn parsing(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let text = certificates()?.repeat(TIMES);
    let mut rates = Vec::new();
    for _ in 0..setup.size.rounds {
        let mut decoder = CertificateFormat::Pem.decoder();
        let mut items = Vec::new();
        let mut parsed = 0;
        let before = thread_seconds()?;
        for piece in text.as_bytes().chunks(PIECE_OCTETS) {
            decoder.push(piece, &mut items);
            parsed += items.drain(..).filter(|item| item.record.is_ok()).count();
        }
        decoder.finish(&mut items);
        parsed += items.drain(..).filter(|item| item.record.is_ok()).count();
        let seconds = thread_seconds()? - before;
        if parsed != usize::from(DIFFERENT) * TIMES {
            bail!("{parsed} certificates were parsed");
        }
        rates.push(real_len(parsed) / seconds);
    }
    figures.put("pem_parsed", &rates)
}

/// Server certificates of one CA with P-256 keys, in PEM, one after the other.
fn certificates() -> anyhow::Result<String> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    let name = "offpeak speed CA";
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, key);
    let leaf = KeyPair::generate()?;
    let mut text = String::new();
    for number in 0..DIFFERENT {
        let names = [
            format!("{number}.example.com"),
            format!("www.{number}.example.com"),
        ];
        let mut params = CertificateParams::new(names)?;
        let mut serial = [number; 18];
        serial[0] = 4;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = true;
        text.push_str(&params.signed_by(&leaf, &issuer)?.pem());
    }
    Ok(text)
}
