//! `offpeak publish`: writes the static tree, makes a new publication, or both.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::exit::Exit;
use super::output::Output;
use crate::engine::Engine;
use crate::publish::place::Place;
use crate::publish::plan::plan;
use crate::publish::sign::Signer;

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
    /// Stores objects in gzip, with their Content-Encoding: for a bucket that is read without a CDN
    #[arg(long, requires = "out")]
    gzip: bool,
    /// Has a new publication made first.
    #[arg(long)]
    now: bool,
    /// Prints a JSON object: number, madeAt, and with --out written and unchanged, in files.
    #[arg(long)]
    json: bool,
}

impl PublishArgs {
    /// Makes a publication if requested or if there is none, and writes it if a place is given.
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
            let place = Place::open(folder, std::env::vars())?;
            anyhow::ensure!(
                !(self.gzip && place.is_of_this_machine()),
                "--gzip is for object stores: a folder's files are compressed by what serves them"
            );
            let place = place.in_gzip(self.gzip);
            let made_at = publication.made_at;
            let applied = place.bring(files, signer.as_ref(), made_at).await?;
            if self.json {
                let document = serde_json::json!({
                    "number": number, "madeAt": publication.made_at,
                    "written": applied.written, "unchanged": applied.unchanged,
                });
                writeln!(out, "{document}")?;
                return Ok(Exit::Done);
            }
            writeln!(
                out,
                "publication {number} of {}: {} files written, {} unchanged",
                publication.made_at, applied.written, applied.unchanged
            )?;
            if applied.unsigned > 0 {
                let count = applied.unsigned;
                writeln!(
                    out,
                    "{count} signatures removed: without --sign-with they would be of other bytes"
                )?;
            }
        } else if self.json {
            let document = serde_json::json!({ "number": number, "madeAt": publication.made_at });
            writeln!(out, "{document}")?;
        } else {
            writeln!(out, "publication {number} of {}", publication.made_at)?;
        }
        Ok(Exit::Done)
    }
}
