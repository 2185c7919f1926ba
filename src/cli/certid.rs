//! `offpeak certid FILE…`: the CertIDs of certificates.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::Exit;
use super::input::is_standard_input;
use super::output::Output;
use crate::engine::verdict::Rejection;
use crate::ingest::{Decode, Item, identified};

/// Prints one line a certificate, CA or not: its CertID, a tab, the file
///
/// Where a certificate has none: `-`, a tab, the file, a tab, the reason. The CertID of a CA's own
/// certificate names the CA above it; what belongs into `issuers` is printed by `offpeak ca`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  offpeak certid fullchain.pem
  openssl s_client -connect example.com:443 </dev/null | offpeak certid -")]
pub(super) struct CertidArgs {
    /// Certificates in PEM or DER; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prints a JSON object a line instead: certId or reason, and path
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    cert_id: Option<String>,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Runs the command. Done with rejections: at least one certificate or file has no CertID.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &CertidArgs, output: &mut Output) -> anyhow::Result<Exit> {
    Ok(print(args, io::BufWriter::new(output))?)
}

fn print(args: &CertidArgs, mut out: impl Write) -> io::Result<Exit> {
    let mut exit = Exit::Done;
    for file in &args.files {
        let name = file.display().to_string();
        let mut found = Vec::new();
        let read = decode(file, identified(), &mut found);
        let failed = read.err().map(|error| Err(error.to_string()));
        let results = found.into_iter().map(|Item { line, record, .. }| {
            record.map_err(|Rejection { field, detail }| format!("line {line}, {field}: {detail}"))
        });
        for results in results.chain(failed) {
            if results.is_err() {
                exit = Exit::DoneWithRejections;
            }
            let (cert_id, reason) = match results {
                Ok(id) => (Some(id.to_string()), None),
                Err(reason) => (None, Some(reason)),
            };
            if args.json {
                let path = &*name;
                let line = Line {
                    cert_id,
                    path,
                    reason,
                };
                serde_json::to_writer(&mut out, &line)?;
                writeln!(out)?;
            } else if let Some(reason) = reason {
                writeln!(out, "-\t{name}\t{reason}")?;
            } else {
                writeln!(out, "{}\t{name}", cert_id.unwrap_or_default())?;
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

/// Adds the records of a file, or of standard input, up to where it cannot be read.
///
/// # Errors
/// It cannot be read.
pub(super) fn decode<T>(
    path: &Path,
    mut decoder: Box<dyn Decode<T>>,
    found: &mut Vec<Item<T>>,
) -> io::Result<()> {
    let mut file: Box<dyn Read> = if is_standard_input(path) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => decoder.push(&buffer[..read], found),
        }
    }
    decoder.finish(found);
    Ok(())
}
