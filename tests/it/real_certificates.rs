//! Certificates that real CAs issued, from Certificate Transparency logs.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::ingest::x509::Facts;

use crate::tools::real_data;

/// A certificate of a log, and what another program read of it.
pub(crate) struct Logged {
    pub(crate) der: Vec<u8>,
    key_identifier: String,
    serial: String,
    dates: (i64, i64),
}

/// The 40 entries of `rfc6962-get-entries.json`.
pub(crate) fn logged() -> Option<Vec<Logged>> {
    let text = std::fs::read(real_data("ct/rfc6962-get-entries.json")?).unwrap();
    let entries: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let logged = entries
        .iter()
        .map(|entry| {
            let octets = |name: &str| STANDARD.decode(entry[name].as_str().unwrap()).unwrap();
            let leaf = &serde_json::from_str::<serde_json::Value>(
                entry["expected_full"].as_str().unwrap(),
            )
            .unwrap()["data"]["leaf_cert"];
            Logged {
                der: certificate(&octets("leaf_input"), &octets("extra_data")),
                key_identifier: leaf["extensions"]["authorityKeyIdentifier"]
                    .as_str()
                    .unwrap()
                    .to_owned(),
                serial: leaf["serial_number"].as_str().unwrap().to_owned(),
                dates: (
                    leaf["not_before"].as_i64().unwrap(),
                    leaf["not_after"].as_i64().unwrap(),
                ),
            }
        })
        .collect();
    Some(logged)
}

/// RFC 6962 section 3.4: the certificate is in the leaf, a precertificate in the extra data.
fn certificate(leaf: &[u8], extra: &[u8]) -> Vec<u8> {
    // version 1, leaf type 1, timestamp 8, entry type 2.
    match leaf[10..12] {
        [0, 0] => Reader(&leaf[12..]).long_string().to_vec(),
        _ => Reader(extra).long_string().to_vec(),
    }
}

/// The entries of the log's four data tiles (c2sp.org/static-ct-api, `TileLeaf`).
pub(crate) fn tiled() -> Option<Vec<Vec<u8>>> {
    let folder = real_data("ct/navigli2025h2/tile/data")?;
    let mut certificates = Vec::new();
    for name in ["000", "001", "002", "003"] {
        let tile = std::fs::read(folder.join(name)).unwrap();
        let mut rest = Reader(&tile);
        while !rest.0.is_empty() {
            rest.take(8);
            let is_precertificate = rest.take(2) == [0, 1];
            let mut der = if is_precertificate {
                rest.take(32);
                rest.long_string()
            } else {
                rest.long_string()
            };
            rest.string();
            if is_precertificate {
                der = rest.long_string();
            }
            rest.string();
            certificates.push(der.to_vec());
        }
    }
    Some(certificates)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(octets);
        self.0 = rest;
        taken
    }

    fn string(&mut self) -> &'a [u8] {
        let length = self
            .take(2)
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        self.take(length)
    }

    fn long_string(&mut self) -> &'a [u8] {
        let length = self
            .take(3)
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        self.take(length)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02X}");
        text
    })
}

#[test]
fn another_programs_key_identifiers_and_serials_agree() {
    let Some(logged) = logged() else { return };
    assert_eq!(logged.len(), 40);
    let mut with_sign_octet = 0;
    for entry in &logged {
        let facts = Facts::of(&entry.der).unwrap();
        let validity = facts.validity.unwrap();
        let dates = (validity.not_before.unix(), validity.not_after.unix());
        assert_eq!(dates, entry.dates);
        let id = facts.id.unwrap();
        let digits = |text: &str| -> String {
            let digits = text.trim_start_matches("keyid:").chars();
            digits
                .filter(char::is_ascii_hexdigit)
                .collect::<String>()
                .to_uppercase()
        };
        assert_eq!(
            hex(id.key_identifier.octets()),
            digits(&entry.key_identifier)
        );
        // It writes serials as numbers: without the sign octet.
        let serial = id.serial.octets();
        let number = match serial {
            [0, rest @ ..] => {
                with_sign_octet += 1;
                rest
            }
            all => all,
        };
        assert_eq!(
            hex(number).trim_start_matches('0'),
            digits(&entry.serial).trim_start_matches('0')
        );
    }
    assert_eq!(with_sign_octet, 8);
}

#[test]
fn all_entries_of_a_static_log_are_read() {
    let Some(tiled) = tiled() else { return };
    assert_eq!(tiled.len(), 1_024);
    for der in &tiled {
        let facts = Facts::of(der).unwrap();
        let id = facts.id.unwrap();
        assert_eq!(id.key_identifier.octets().len(), 20);
        assert!(facts.validity.unwrap().life_seconds() > 0);
        assert!(!facts.is_ca);
    }
}
