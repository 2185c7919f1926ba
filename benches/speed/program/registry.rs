//! A registry of certificates that nobody issued: which CertIDs there are can be computed from a
//! row's number, so that a generator of load needs no list of ten million.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// RFC 9773's example issuer.
const ISSUER: &[u8; 28] = b"aYhba4dGQEHhs3uEe6CuLN4ByNQ.";
/// As long as Let's Encrypt's: 18 octets, of which 17 are random.
const SERIAL_OCTETS: usize = 18;
/// Characters of a CertID of this registry: 28 and 18 · 4/3.
pub(super) const CERT_ID_CHARACTERS: usize = ISSUER.len() + SERIAL_OCTETS / 3 * 4;
/// A 90-day certificate's last second.
const LIFE_SECONDS: u64 = 7_775_999;
/// Issued within 80 days: a registry that is kept for a week has nothing expired in it.
const ISSUED_WITHIN_SECONDS: u64 = 80 * 86_400;
/// Rows from here on are in no registry: the first 2^40 are more than there are certificates.
const UNKNOWN_FROM: u64 = 1 << 40;

/// Which CertIDs are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice {
    /// Uniformly from the first so many rows.
    Registered(u64),
    /// Uniformly from as many CertIDs of the same issuer as there are, none of them registered.
    Unknown,
}

/// In which order a CSV has its columns: the same rows in another order are another file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Columns {
    /// The dates first.
    DatesFirst,
    /// The CertID first.
    IdFirst,
}

/// The text of a row's CertID.
pub(super) fn cert_id(row: u64) -> [u8; CERT_ID_CHARACTERS] {
    let mut serial = [0; SERIAL_OCTETS + 6];
    for (part, octets) in (0..).zip(serial.chunks_exact_mut(8)) {
        octets.copy_from_slice(&mixed(row.wrapping_mul(3).wrapping_add(part)).to_le_bytes());
    }
    // Positive, and without a sign octet to lose.
    serial[0] = 4;
    let mut text = [0; CERT_ID_CHARACTERS];
    text[..ISSUER.len()].copy_from_slice(ISSUER);
    // 18 octets are 24 characters, which is the room that is left.
    let _ = URL_SAFE_NO_PAD.encode_slice(&serial[..SERIAL_OCTETS], &mut text[ISSUER.len()..]);
    text
}

/// The `draw`th of a random sequence of rows.
pub(super) fn drawn_row(choice: Choice, seed: u64, draw: u64) -> u64 {
    let random = mixed(seed.wrapping_add(mixed(draw)));
    match choice {
        // The upper half of the product: as even as a remainder, without a division.
        Choice::Registered(rows) => {
            u64::try_from((u128::from(random) * u128::from(rows)) >> 64).unwrap_or(0)
        }
        Choice::Unknown => UNKNOWN_FROM + (random >> 24),
    }
}

/// Writes the first `rows` certificates as CSV, issued over the last 80 days, in no order.
pub(super) fn write_csv(
    out: &mut impl Write,
    rows: u64,
    columns: Columns,
    now: u64,
) -> io::Result<()> {
    writeln!(out, "{}", header(columns))?;
    for row in 0..rows {
        let line = line(row, columns, now);
        out.write_all(line.as_bytes())?;
    }
    out.flush()
}

/// The CSV's first line, without its end.
pub(super) const fn header(columns: Columns) -> &'static str {
    match columns {
        Columns::DatesFirst => "not_before,not_after,cert_id",
        Columns::IdFirst => "cert_id,not_before,not_after",
    }
}

/// One row's line, with its end.
pub(super) fn line(row: u64, columns: Columns, now: u64) -> String {
    let id = cert_id(row);
    let id = String::from_utf8_lossy(&id);
    let not_before = now - mixed(!row) % ISSUED_WITHIN_SECONDS;
    let not_after = not_before + LIFE_SECONDS;
    match columns {
        Columns::DatesFirst => format!("{not_before},{not_after},{id}\n"),
        Columns::IdFirst => format!("{id},{not_before},{not_after}\n"),
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): a bijection, so rows never meet.
const fn mixed(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use offpeak::domain::certificate::certid::CertId;
    use offpeak::ingest::CertificateFormat;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn every_row_has_a_certid_of_its_own() {
        let ids: HashSet<CertId> = (0..10_000)
            .chain(UNKNOWN_FROM..UNKNOWN_FROM + 10_000)
            .map(|row| String::from_utf8(cert_id(row).to_vec()).unwrap())
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(ids.len(), 20_000);
        assert!(ids.iter().all(|id| id.with_sign_octet().is_none()));
    }

    #[test]
    fn both_orders_of_columns_are_the_same_certificates() {
        let read = |columns| {
            let mut csv = Vec::new();
            write_csv(&mut csv, 100, columns, NOW).unwrap();
            let mut decoder = CertificateFormat::Csv.decoder();
            let mut items = Vec::new();
            decoder.push(&csv, &mut items);
            decoder.finish(&mut items);
            items
                .into_iter()
                .map(|item| item.record.unwrap())
                .collect::<Vec<_>>()
        };
        let submissions = read(Columns::IdFirst);
        assert_eq!(submissions, read(Columns::DatesFirst));
        assert_eq!(submissions.len(), 100);
        for (row, submission) in (0..).zip(&submissions) {
            assert_eq!(submission.id.to_string().as_bytes(), cert_id(row));
            let age = i64::try_from(NOW).unwrap() - submission.validity.not_before.unix();
            assert!((0..80 * 86_400).contains(&age), "{age}");
            assert_eq!(submission.validity.life_seconds(), 90 * 86_400);
        }
    }

    #[test]
    fn draws_are_even_over_the_registry_and_never_from_it_when_unknown() {
        let mut seen = [0_u32; 10];
        for draw in 0..10_000 {
            let row = drawn_row(Choice::Registered(10), 7, draw);
            seen[usize::try_from(row).unwrap()] += 1;
        }
        // 1,000 each with a deviation of 30: six of them.
        assert!(seen.iter().all(|n| (820..1_180).contains(n)), "{seen:?}");
        let unknown: HashSet<u64> = (0..10_000)
            .map(|draw| drawn_row(Choice::Unknown, 7, draw))
            .collect();
        assert!(unknown.iter().all(|row| *row >= UNKNOWN_FROM));
        assert!(unknown.len() > 9_990);
    }
}
