//! `offpeak status`: whether each CA is well, the sources of its load, and its incidents.

use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use super::status_server::ask;
use crate::domain::policy::ca::CaName;
use crate::domain::status::{PublicIncident, ReportingSource};
use crate::domain::time::Timestamp;
use crate::engine::SilentSource;

/// Say whether each CA is well, since when and why, with its sources and incidents
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example, for a script:
  offpeak status --ca example --json | jq -r .cas[0].status
  offpeak status --server https://ari.example.com")]
pub(super) struct StatusArgs {
    /// The CA; default: all
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Asks the service at this URL of a public listener; default: from the database
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Prints a JSON object: cas with their sources, silentSources, and incidents
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        if let Some(server) = &self.server {
            let answer = ask(server, self.ca.as_ref()).await?;
            if self.json {
                output.write_all(&answer.document)?;
                return Ok(Exit::Done);
            }
            for line in answer.lines {
                writeln!(output, "{line}")?;
            }
            return Ok(Exit::Done);
        }
        let engine = global.engine().await?;
        let found = engine.how_cas_are(self.ca.as_ref().map(CaName::as_str));
        if let (Some(ca), []) = (&self.ca, &found[..]) {
            anyhow::bail!("--ca: no CA is named {ca}");
        }
        let incidents = engine.public_incidents(self.ca.as_ref());
        let silent = engine.silent_sources(self.ca.as_ref()).await?;
        if self.json {
            let cas: Vec<serde_json::Value> = found
                .iter()
                .map(|one| {
                    json!({
                        "ca": one.ca, "environment": one.environment,
                        "status": one.standing.status, "since": one.standing.since,
                        "reason": one.standing.reason, "dataThrough": one.standing.data_through,
                        "sources": one.sources.iter().map(source).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let silent: Vec<serde_json::Value> = silent.iter().map(silent_source).collect();
            let incident = json!({"cas": cas, "silentSources": silent, "incidents": incidents});
            writeln!(output, "{incident}")?;
            return Ok(Exit::Done);
        }
        for one in found {
            let standing = one.standing;
            let since = standing
                .since
                .map_or_else(String::new, |since| format!(" since {since}"));
            let reporting = standing.data_through.map_or_else(
                || "no report for a week".to_owned(),
                |through| format!("last report {through}"),
            );
            let (ca, environment) = (one.ca, one.environment);
            writeln!(
                output,
                "{ca} ({environment}): {}{since}; {}; {reporting}",
                standing.status, standing.reason
            )?;
            for reporting in &one.sources {
                let vantage = reporting
                    .vantage
                    .as_deref()
                    .map_or_else(String::new, |of| format!(" of {of}"));
                writeln!(
                    output,
                    "  source {}{vantage}: until {}",
                    reporting.source, reporting.through
                )?;
            }
        }
        for silent in silent {
            let of = silent.ca.map_or_else(String::new, |ca| format!(" of {ca}"));
            let (name, kind) = (silent.name, silent.kind);
            writeln!(
                output,
                "source {name} ({kind}){of}: configured, no report yet"
            )?;
        }
        for incident in incidents {
            writeln!(output, "{}", line(&incident, engine.now()))?;
        }
        Ok(Exit::Done)
    }
}

fn source(reporting: &ReportingSource) -> serde_json::Value {
    json!({"source": reporting.source, "vantage": reporting.vantage, "dataThrough": reporting.through})
}

fn silent_source(silent: &SilentSource) -> serde_json::Value {
    json!({"name": silent.name, "kind": silent.kind, "ca": silent.ca})
}

fn line(incident: &PublicIncident, now: Timestamp) -> String {
    let note = incident
        .note
        .as_ref()
        .map_or_else(String::new, |note| format!(": {note}"));
    format!(
        "incident {} of {}: {} ({}, {}), updated {}{note}",
        incident.id,
        incident.ca,
        incident.name,
        incident.kind_words(),
        incident.at(now).state_words(),
        incident.updated_at
    )
}
