//! `offpeak explain`: explains a certificate's window.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::exit::Exit;
use super::given::{is_stdin, name_of, octets_of};
use super::output::Output;
use super::usage::UsageError;
use crate::domain::certificate::certid::CertId;
use crate::engine::Engine;
use crate::ingest::identified;

mod prose;

/// Say why a certificate has its window: derived again from what is stored
///
/// Prints a paragraph: which window, why on that day and at that hour, what was expected there and
/// what was promised, the chance that it had, and the draw.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak explain aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE
  offpeak explain /etc/letsencrypt/live/www.example.org/cert.pem
  openssl s_client -connect www.example.org:443 </dev/null | offpeak explain - --json

Reads a CertID (RFC 9773 section 4.1), or a certificate in PEM or DER.")]
pub(super) struct Explain {
    /// The certificate's CertID, as `offpeak certid` prints it, or a file whose first certificate it
    /// is, `-` for standard input
    #[arg(value_name = "CERTID|FILE", allow_hyphen_values = true)]
    certificate: PathBuf,
    /// Prints all that is known as JSON, as GET /v1/certificates/{certid} does
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let id = certid(&self.certificate)?;
        let Some(explanation) = engine.explain(&id).await? else {
            bail!("no certificate with the CertID {id} is registered");
        };
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&explanation)?)?;
        } else {
            writeln!(output, "{}", prose::paragraph(&explanation))?;
        }
        Ok(Exit::Done)
    }
}

/// An existing file takes precedence over a CertID with the same spelling.
fn certid(given: &Path) -> anyhow::Result<CertId> {
    if is_stdin(given) || given.exists() {
        return of_file(given);
    }
    let text = given.to_string_lossy();
    text.parse()
        .map_err(|error| UsageError(format!("{text} is no file, and no CertID: {error}")).into())
}

fn of_file(file: &Path) -> anyhow::Result<CertId> {
    let name = name_of(file);
    let octets = octets_of(file).with_context(|| format!("cannot read {name}"))?;
    let mut decoder = identified();
    let mut found = Vec::new();
    decoder.push(&octets, &mut found);
    decoder.finish(&mut found);
    match found.into_iter().next() {
        None => bail!("{name} holds no certificate in PEM or DER"),
        Some(first) => first.record.map_err(|rejection| {
            anyhow::anyhow!("{name}: {}: {}", rejection.field, rejection.detail)
        }),
    }
}
