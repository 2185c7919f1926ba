//! `offpeak publish`: writes the static tree, has a new publication made, or both.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{Exit, Output};
use crate::domain::time::Timestamp;
use crate::engine::Engine;
use crate::publish::apply::{Applied, apply};
use crate::publish::plan::{File, plan};
use crate::publish::remote::Remote;
use crate::publish::sign::{SIGNATURE, SUMS, Signer, with_sums};

/// Write the static tree, have a new publication made, or both
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples, for a web server or a CDN to serve:
  offpeak publish --now --out /var/www/ari --sign-with /etc/offpeak/minisign.key
  AWS_REGION=eu-central-1 offpeak publish --out s3://bucket/ari")]
pub(super) struct PublishArgs {
    /// Writes the newest publication below this folder or s3://, gs://, az:// URL, as it is served
    #[arg(long, value_name = "DIR|URL", required_unless_present = "now")]
    out: Option<String>,
    /// Signs each file with this minisign key, made without a password (`minisign -G -W`)
    #[arg(long, value_name = "FILE", requires = "out")]
    sign_with: Option<PathBuf>,
    /// Has a new publication made first.
    #[arg(long)]
    now: bool,
    /// Prints a JSON object: number, madeAt, and with --out written and unchanged, in files.
    #[arg(long)]
    json: bool,
}

impl PublishArgs {
    /// Makes a publication where one is asked for or there is none, and writes it where a folder
    /// is named.
    ///
    /// # Errors
    /// The store's, or those of writing the files.
    pub(super) async fn run(self, engine: &Engine, out: &mut Output) -> anyhow::Result<Exit> {
        let signer = self.sign_with.as_deref().map(Signer::read).transpose()?;
        let known = if self.now { None } else { engine.publication() };
        let publication = match known {
            Some(publication) => publication,
            None => engine
                .publish()
                .await
                .context("cannot make a publication")?,
        };
        let number = publication.number;
        if let Some(folder) = &self.out {
            let files = plan(&publication.documents);
            let applied = write(files, folder, signer.as_ref(), publication.made_at).await?;
            if self.json {
                let told = serde_json::json!({
                    "number": number, "madeAt": publication.made_at,
                    "written": applied.written, "unchanged": applied.unchanged,
                });
                writeln!(out, "{told}")?;
                return Ok(Exit::Done);
            }
            writeln!(
                out,
                "publication {number} of {}: {} files written, {} unchanged",
                publication.made_at, applied.written, applied.unchanged
            )?;
        } else if self.json {
            let told = serde_json::json!({ "number": number, "madeAt": publication.made_at });
            writeln!(out, "{told}")?;
        } else {
            writeln!(out, "publication {number} of {}", publication.made_at)?;
        }
        Ok(Exit::Done)
    }
}

/// Brings a folder, or a place in an object store, to hold the files with their sums and signatures.
async fn write(
    files: Vec<File>,
    out: &str,
    signer: Option<&Signer>,
    made_at: Timestamp,
) -> anyhow::Result<Applied> {
    if !Remote::is_url(out) {
        let folder = Path::new(out);
        let there = |path: &str| std::fs::read(folder.join(path)).ok();
        let files = with_sums(files, signer, made_at, &there)?;
        return Ok(apply(&files, folder)?);
    }
    let remote = Remote::open(out, std::env::vars())?;
    let mut signatures = HashMap::new();
    if signer.is_some() {
        for file in &files {
            let path = format!("{}{SIGNATURE}", file.path);
            if let Some(bytes) = remote.read(&path).await? {
                signatures.insert(path, bytes);
            }
        }
        let sums = format!("{SUMS}{SIGNATURE}");
        if let Some(bytes) = remote.read(&sums).await? {
            signatures.insert(sums, bytes);
        }
    }
    let there = |path: &str| signatures.get(path).cloned();
    let files = with_sums(files, signer, made_at, &there)?;
    Ok(remote.apply(&files).await?)
}
