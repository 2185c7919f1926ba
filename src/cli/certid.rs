//! `offpeak certid FILE…`: the CertIDs of certificates.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use super::{Exit, Output};
use crate::domain::report::Rejection;
use crate::ingest::{Identified, identified};

/// Prints one line a certificate, CA or not: its CertID, a tab, the file. Where a certificate has
/// none: `-`, a tab, the file, a tab, the reason.
#[derive(clap::Args, Debug)]
pub(super) struct CertidArgs {
    /// Certificates in PEM or DER.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs it. Done with rejections: at least one certificate or file has no CertID.
///
/// # Errors
/// Where standard output cannot be written to.
pub(super) fn run(args: &CertidArgs, output: &mut Output) -> anyhow::Result<Exit> {
    Ok(print(&args.files, io::BufWriter::new(output))?)
}

fn print(files: &[PathBuf], mut out: impl Write) -> io::Result<Exit> {
    let mut exit = Exit::Done;
    for file in files {
        let mut found = Vec::new();
        let read = read(file, &mut found);
        for Identified { line, record, .. } in found {
            match record {
                Ok(id) => writeln!(out, "{id}\t{}", file.display())?,
                Err(Rejection { field, detail }) => {
                    exit = Exit::DoneWithRejections;
                    writeln!(out, "-\t{}\tline {line}, {field}: {detail}", file.display())?;
                }
            }
        }
        if let Err(error) = read {
            exit = Exit::DoneWithRejections;
            writeln!(out, "-\t{}\t{error}", file.display())?;
        }
    }
    out.flush()?;
    Ok(exit)
}

fn read(path: &Path, found: &mut Vec<Identified>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut decoder = identified();
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
