//! What sources read, from memory to counts, on one core: lines of access logs, and entries of logs of
//! Certificate Transparency; beside `wc -l` and ripgrep on the same lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use offpeak::domain::accesslog::Format;
use offpeak::domain::accesslog::tally::Tally;
use offpeak::domain::math::number::{real, real_len};
use offpeak::domain::time::MINUTE;
use offpeak::domain::transparency::leaf::Leaf;
use offpeak::source::ct::Logged;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SerialNumber};

use super::figures::Figures;
use super::process::thread_seconds;
use super::setup::Setup;

/// A log of a tenth of a second and more.
const LINES: usize = 500_000;
/// Entries of a tile that is full.
const ENTRIES: u8 = 255;
/// How often the tile is read: a second's work and more.
const TILES: usize = 1_000;

pub(super) fn reading(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let other = lines("GET /acme/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    let orders = lines("POST /acme/new-order");
    let megabytes = real_len(other.len()) / 1e6;
    let (mut ours, mut counted) = (Vec::new(), Vec::new());
    for _ in 0..setup.size.rounds {
        let (requests, seconds) = count(other.as_bytes())?;
        if requests != 0 {
            bail!("{requests} requests were counted where there is none");
        }
        ours.push(megabytes / seconds);
        let (requests, seconds) = count(orders.as_bytes())?;
        if requests != LINES as u64 {
            bail!("{requests} requests of {LINES} were counted");
        }
        counted.push(real_len(LINES) / seconds);
    }
    figures.put("log_lines_other", &ours)?;
    figures.put("log_lines_acme", &counted)?;
    beside(setup, figures, &other, megabytes)?;
    figures.put("ct_entries", &entries(setup)?)
}

/// Lines of a day, some hundred in each minute.
fn lines(request: &str) -> String {
    let mut text = String::new();
    for number in 0..LINES {
        let (hour, minute) = (number / 21_000 % 24, number / 350 % 60);
        let line = format!(
            "192.0.2.{} - - [28/Nov/2026:{hour:02}:{minute:02}:13 +0000] \"{request} HTTP/2.0\" 200 345 \
             \"-\" \"client/1.0\" 0.012\n",
            number % 250
        );
        text.push_str(&line);
    }
    text
}

/// Counts lines as a source does; how many requests they were, and the processor's seconds.
fn count(text: &[u8]) -> anyhow::Result<(u64, f64)> {
    let before = thread_seconds()?;
    let mut tally = Tally::default();
    let mut from = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        if let Ok(Some(request)) = Format::Combined.read(&text[from..end]) {
            tally.add(&request);
        }
        from = end + 1;
    }
    Ok((tally.requests, thread_seconds()? - before))
}

fn beside(setup: &Setup, figures: &mut Figures, text: &str, megabytes: f64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("access.log");
    fs::write(&path, text)?;
    for (row, program, arguments) in [
        ("log_lines_wc", "wc", &["-l"][..]),
        ("log_lines_ripgrep", "rg", &["--count", "rder|inalize"][..]),
    ] {
        let mut rates = Vec::new();
        for _ in 0..setup.size.rounds {
            match seconds_of(program, arguments, &path)? {
                Some(seconds) => rates.push(megabytes / seconds),
                // It is not installed: the row says that it was not measured.
                None => break,
            }
        }
        if !rates.is_empty() {
            figures.put(row, &rates)?;
        }
    }
    Ok(())
}

fn seconds_of(program: &str, arguments: &[&str], path: &Path) -> anyhow::Result<Option<f64>> {
    let begun = Instant::now();
    let ended = Command::new(program)
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match ended {
        // ripgrep ends with 1 where nothing was found.
        Ok(status) if status.code().is_some_and(|code| code < 2) => {
            Ok(Some(begun.elapsed().as_secs_f64()))
        }
        Ok(status) => bail!("{program} ended with {status}"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{program} does not start")),
    }
}

/// Entries a second of a tile of certificates that differ.
fn entries(setup: &Setup) -> anyhow::Result<Vec<f64>> {
    let tile = tile()?;
    let mut rates = Vec::new();
    for _ in 0..setup.size.rounds {
        let before = thread_seconds()?;
        let mut counts: BTreeMap<(Vec<u8>, i64), u64> = BTreeMap::new();
        for _ in 0..TILES {
            for leaf in Leaf::of_tile(&tile)? {
                if let Some(logged) = Logged::of(&leaf) {
                    let issuer = logged.id.key_identifier.octets().to_vec();
                    *counts.entry((issuer, logged.at.slot(MINUTE))).or_default() += 1;
                }
            }
        }
        let seconds = thread_seconds()? - before;
        let counted: u64 = counts.values().sum();
        if counted != u64::from(ENTRIES) * TILES as u64 {
            bail!("{counted} entries were counted");
        }
        rates.push(real(i64::try_from(counted)?) / seconds);
    }
    Ok(rates)
}

/// A data tile as a static log has it, of certificates without timestamps of logs.
fn tile() -> anyhow::Result<Vec<u8>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, KeyPair::generate()?);
    let key = KeyPair::generate()?;
    let mut tile = Vec::new();
    for number in 0..ENTRIES {
        let mut params = CertificateParams::new([format!("{number}.example.com")])?;
        let mut serial = [number; 18];
        serial[0] = 4;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        let der = certificate.der();
        // Timestamp in milliseconds, the type of entry, the certificate, no extensions, no issuers.
        tile.extend(1_795_867_200_000_u64.to_be_bytes());
        tile.extend([0, 0]);
        tile.extend(&u32::try_from(der.len())?.to_be_bytes()[1..]);
        tile.extend(der.iter());
        tile.extend([0, 0, 0, 0]);
    }
    Ok(tile)
}
