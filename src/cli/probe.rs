//! `offpeak probe`: requests from a CA once, from outside.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::exit::Exit;
use super::output::Output;
use super::usage::UsageError;
use crate::config::{OrderConfig, ProbeConfig};
use crate::domain::acme::Endpoint;
use crate::source::probe::fetcher;
use crate::source::probe::order::{Measured, Step as Request, order};

/// The largest answer: a directory has some hundred octets, an error page some thousand.
const MOST_OCTETS: usize = 256 << 10;

/// Ask a CA once from outside, and say how each of its endpoints answers
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak probe https://acme.example.com/directory --contact mailto:ops@example.org
  offpeak probe https://acme.example.com/directory --contact mailto:ops@example.org \\
    --domain probe.example.org --http01 0.0.0.0:80

Without --domain it asks for the directory alone. With it, it makes an account (or uses --account), orders a
certificate, answers the http-01 challenge itself and fetches the certificate: 30 requests at most.
Exit code 3: something was not answered as it should be.")]
pub(super) struct ProbeArgs {
    /// The CA's directory
    url: String,
    /// Your address for its operator, in the User-Agent and the account
    #[arg(long, value_name = "URL")]
    contact: String,
    /// Orders a certificate for this domain or IP address
    #[arg(long, requires = "http01")]
    domain: Option<String>,
    /// The address that answers its http-01 challenge; port 80 of the domain has to lead here
    #[arg(long, value_name = "ADDRESS:PORT", requires = "domain")]
    http01: Option<SocketAddr>,
    /// The file of the account, made where it is not there; default: an account for this order alone
    #[arg(long, value_name = "FILE", requires = "domain")]
    account: Option<PathBuf>,
    /// Stops after the authorisation: no certificate is issued
    #[arg(long, requires = "domain")]
    no_finalize: bool,
    /// Trusted roots for the CA's server, in PEM; default: the system's
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Prints a JSON object: steps, and why it failed
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    url: String,
    steps: Vec<Step>,
    failed: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    endpoint: &'static str,
    status: Option<u16>,
    error_type: Option<String>,
    milliseconds: f64,
}

impl ProbeArgs {
    pub(super) async fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        if !self.contact.starts_with("mailto:") && !self.contact.starts_with("https://") {
            let reason = "--contact: write it as mailto:… or https://…";
            return Err(UsageError(reason.to_owned()).into());
        }
        let config = ProbeConfig {
            url: self.url.clone(),
            vantage: None,
            every_seconds: 0,
            contact: self.contact.clone(),
            outage_quorum: None,
            roots: self.roots.clone(),
            order: self.order(),
        };
        let measured = measure(&config).await?;
        let document = Document {
            url: self.url,
            failed: measured.failed,
            steps: measured.steps.iter().map(Step::from).collect(),
        };
        if self.json {
            writeln!(output, "{}", serde_json::to_string(&document)?)?;
        } else {
            for step in &document.steps {
                let status = step
                    .status
                    .map_or_else(|| "none".to_owned(), |of| of.to_string());
                let error = step.error_type.as_deref().unwrap_or_default();
                writeln!(
                    output,
                    "{:<14} {status:>5} {:>9.1} ms  {error}",
                    step.endpoint, step.milliseconds
                )?;
            }
            if let Some(reason) = &document.failed {
                writeln!(output, "failed: {reason}")?;
            }
        }
        let well = measured.steps.iter().all(Request::is_well);
        Ok(if document.failed.is_none() && well {
            Exit::Done
        } else {
            Exit::DoneWithRejections
        })
    }

    fn order(&self) -> Option<OrderConfig> {
        Some(OrderConfig {
            domain: self.domain.clone()?,
            http01: self.http01?,
            account_file: self.account.clone(),
            every_seconds: 0,
            finalize: !self.no_finalize,
        })
    }
}

/// The requests of an order, or only for the directory and a nonce.
async fn measure(config: &ProbeConfig) -> anyhow::Result<Measured> {
    let fetcher = fetcher(config)?;
    if let Some(order_config) = &config.order {
        return Ok(order(fetcher.client(), &config.url, &config.contact, order_config).await);
    }
    let begun = Instant::now();
    let answer = fetcher.get("the CA", &config.url, MOST_OCTETS).await;
    let took: Duration = begun.elapsed();
    Ok(Measured {
        steps: vec![Request {
            endpoint: Endpoint::Directory,
            status: match &answer {
                Ok(_) => Some(200),
                Err(error) => error.status(),
            },
            error_type: None,
            took,
        }],
        failed: answer.err().map(|error| error.to_string()),
    })
}

impl From<&Request> for Step {
    fn from(of: &Request) -> Self {
        Self {
            endpoint: of.endpoint.name(),
            status: of.status,
            error_type: of.error_type.clone(),
            milliseconds: (of.took.as_secs_f64() * 10_000.0).round() / 10.0,
        }
    }
}
