//! `offpeak gateway`: a gateway in front of an ACME server, in one command.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use super::runtimes::block_on;
use super::serve::serve_as;
use super::usage::UsageError;
use crate::config::{GatewayConfig, TlsFiles, upstream_url};
use crate::domain::policy::ca::CaName;
use crate::store::Migrations;

mod check;
pub(super) mod front;

/// The default address.
const LISTEN: &str = "127.0.0.1:8443";

/// An ACME reverse proxy that gives the CA behind it ARI, `replaces`, and a place for its load
///
/// Clients are given the directory URL that it prints. It hands requests on octet for octet, registers
/// each certificate before its chain goes out, and answers renewalInfo itself. The public and the admin
/// listener run beside it, as with `serve`. With a configuration file the same is a [[gateway]], several
/// of them where wanted.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "Examples:
  offpeak gateway --upstream https://ca.internal:9000/acme/acme/directory \\
    --listen 0.0.0.0:8443 --tls-certificate acme.pem --tls-key acme.key --upstream-roots root.pem

docs/gateway.md says which setting each CA needs.")]
pub(super) struct GatewayArgs {
    /// The URL of the ACME directory of the CA behind it
    #[arg(long, value_name = "URL", value_parser = upstream_url, required = true)]
    upstream: Option<String>,
    /// Trusted roots for the upstream's certificate, in PEM; default: the system's
    #[arg(long, value_name = "FILE")]
    upstream_roots: Option<PathBuf>,
    /// The listener's certificate chain in PEM; without it: HTTP, for a proxy in front that speaks TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// The CA of the configuration for whose load it counts
    #[arg(long, value_name = "NAME", default_value = CaName::DEFAULT)]
    ca: CaName,
    /// The most new orders a second for the upstream
    #[arg(long, value_name = "NUMBER")]
    new_orders_per_second: Option<f64>,
    /// The address of the public listener, which serves the ranking and the demand map
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = crate::config::listen_address)]
    public_listen: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
}

impl GatewayArgs {
    pub(super) fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        if let Some(Command::Check(check)) = self.command {
            return block_on(check.run(global, output));
        }
        let upstream = self.upstream.unwrap_or_default();
        if self
            .new_orders_per_second
            .is_some_and(|rate| rate.is_nan() || rate <= 0.0)
        {
            return Err(UsageError("--new-orders-per-second: has to be above 0".to_owned()).into());
        }
        let gateway = GatewayConfig {
            ca: self.ca,
            base_url: global.base_url.clone(),
            upstream_roots: self.upstream_roots,
            new_orders_per_second: self.new_orders_per_second,
            tls: self
                .tls_certificate
                .zip(self.tls_key)
                .map(|(certificate, key)| TlsFiles { certificate, key }),
            ..GatewayConfig::to(&upstream, global.listen.as_deref().unwrap_or(LISTEN))
        };
        let public_listen = self.public_listen;
        // `--listen` and the base URL belong to the gateway here.
        let global = Global {
            listen: None,
            base_url: None,
            ..global.clone()
        };
        serve_as(
            &global,
            output,
            Migrations::RefusePending,
            move |mut config| {
                if config.ca_named(gateway.ca.as_str()).is_none() {
                    let name = gateway.ca.as_str();
                    return Err(UsageError(format!("--ca: no [[ca]] has the name {name:?}")).into());
                }
                config.listen.clone_from(&public_listen);
                config.gateways.push(gateway.clone());
                Ok(config)
            },
        )
    }
}
