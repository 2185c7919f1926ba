//! `offpeak gateway check`: checks whether clients come back through the gateway.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::super::exit::Exit;
use super::super::global::Global;
use super::super::output::Output;
use super::super::usage::UsageError;
use crate::config::{GatewayConfig, upstream_url};
use crate::gateway::{Checked, check, directory_url};

/// Asks the directory through the gateway and says of each URL in it whether clients come back
///
/// A CA that takes its own name for that of its URLs sends clients past the gateway: they get
/// certificates that nobody registers. Exits with 1 where any URL leads past, or no nonce comes, and says
/// which setting of the CA makes it so.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak gateway check https://acme.example.com/acme/acme/directory
  offpeak gateway check --config /etc/offpeak/offpeak.toml")]
pub(in crate::cli) struct CheckArgs {
    /// The URL for clients; default: those of all gateways of the configuration
    #[arg(value_name = "URL", value_parser = upstream_url)]
    directory: Option<String>,
    /// Trusted roots for the gateway's certificate, in PEM; default: the system's
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Prints a JSON array instead: directory, urls, nonce and remedy of each
    #[arg(long)]
    json: bool,
}

impl CheckArgs {
    pub(in crate::cli) async fn run(
        self,
        global: &Global,
        output: &mut Output,
    ) -> anyhow::Result<Exit> {
        let directories = match self.directory {
            Some(directory) => vec![directory],
            None => configured(global)?,
        };
        let mut all = Vec::new();
        for directory in &directories {
            all.push(check(directory, self.roots.clone()).await?);
        }
        if self.json {
            serde_json::to_writer_pretty(&mut *output, &all)?;
            writeln!(output)?;
        } else {
            for checked in &all {
                print(checked, output)?;
            }
        }
        if all
            .iter()
            .flat_map(|checked| &checked.urls)
            .any(|url| !url.through)
        {
            bail!("clients are sent past the gateway");
        }
        if all.iter().any(|checked| checked.remedy.is_some()) {
            bail!("clients get no nonce, and can order nothing");
        }
        Ok(Exit::Done)
    }
}

fn print(checked: &Checked, output: &mut Output) -> anyhow::Result<()> {
    writeln!(output, "{}", checked.directory)?;
    for url in &checked.urls {
        let word = if url.through { "through" } else { "PAST   " };
        writeln!(output, "  {word}  {:<12} {}", url.name, url.url)?;
    }
    if checked.nonce == Some(false) {
        writeln!(output, "  NO NONCE comes from newNonce")?;
    }
    if let Some(remedy) = &checked.remedy {
        writeln!(output, "  {remedy}")?;
    }
    Ok(())
}

fn configured(global: &Global) -> anyhow::Result<Vec<String>> {
    let config = global.config()?;
    if config.gateways.is_empty() {
        let detail = "no gateway is configured: name the URL, or a file with --config";
        return Err(UsageError(detail.to_owned()).into());
    }
    Ok(config.gateways.iter().map(of_gateway).collect())
}

fn of_gateway(gateway: &GatewayConfig) -> String {
    let scheme = if gateway.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let bound = format!(
        "{scheme}://{}",
        gateway.listen.replace("0.0.0.0", "127.0.0.1")
    );
    let base = gateway.base_url.as_deref().unwrap_or(&bound);
    directory_url(base, &gateway.upstream)
}
