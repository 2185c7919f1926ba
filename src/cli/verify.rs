//! `offpeak verify URL`: verifies that a published tree is complete, signed and current.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::exit::Exit;
use super::fetch::{client, fetch, is_url};
use super::output::Output;
use crate::engine::clock::{Clock as _, SystemClock};
use crate::publish::sign::Verifier;
use crate::publish::verify::{Finding, MOST_OCTETS, Tree, verify};

/// Say whether a published tree is whole: its sums, its signatures, its age
///
/// Every file of SHA256SUMS is read; a line each is printed, `ok` or what is wrong. Without --key nothing is
/// said of signatures. Done with rejections (3): something is wrong.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak verify https://ari.example.com --key RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3
  offpeak verify /var/www/ari --key minisign.pub")]
pub(super) struct VerifyArgs {
    /// The URL of the published tree, or a folder
    #[arg(value_name = "URL|DIR")]
    tree: String,
    /// The minisign public key, or its file: each file has to be signed by it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Prints a JSON object a line: path, ok and fault
    #[arg(long)]
    json: bool,
}

enum Source {
    Folder(PathBuf),
    Web(reqwest::Client, String),
}

impl VerifyArgs {
    pub(super) async fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        let key = self
            .key
            .as_deref()
            .map(Verifier::of)
            .transpose()
            .context("--key")?;
        let source = if is_url(&self.tree) {
            Source::Web(client()?, self.tree.trim_end_matches('/').to_owned())
        } else {
            Source::Folder(PathBuf::from(&self.tree))
        };
        let now = SystemClock.now();
        let mut found = verify(&source, key.as_ref(), now).await;
        if found.iter().any(|finding| finding.fault.is_some()) {
            // A publication may have been in progress, so try again.
            found = verify(&source, key.as_ref(), now).await;
        }
        let mut exit = Exit::Done;
        for Finding { path, fault } in found {
            if fault.is_some() {
                exit = Exit::DoneWithRejections;
            }
            if self.json {
                let line = serde_json::json!({"path": path, "ok": fault.is_none(), "fault": fault});
                writeln!(output, "{line}")?;
            } else {
                let text = fault.unwrap_or_else(|| "ok".to_owned());
                writeln!(output, "{path}\t{text}")?;
            }
        }
        if key.is_none() {
            let text = "signatures are not checked: no --key is given";
            let _ = writeln!(std::io::stderr(), "{text}");
        }
        Ok(exit)
    }
}

impl Tree for Source {
    async fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        match self {
            Self::Folder(root) => {
                let file = File::open(root.join(path));
                let read = file.and_then(|file| file.take(MOST_OCTETS + 1).read_to_end(&mut bytes));
                read.map_err(|error| format!("it cannot be read: {error}"))?;
            }
            Self::Web(client, base) => {
                let fetched = fetch(client, &format!("{base}/{path}"), MOST_OCTETS).await;
                bytes = fetched.map_err(|error| format!("it cannot be fetched: {error:#}"))?;
            }
        }
        if bytes.len() as u64 > MOST_OCTETS {
            return Err(format!("it has more than {MOST_OCTETS} octets"));
        }
        Ok(bytes)
    }
}
