//! `offpeak incident create|load|open|close|list|show`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;

use super::exit::Exit;
use super::output::Output;
use super::usage::UsageError;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::moves::amendment::Amendment;
use crate::domain::moves::incident::State;
use crate::domain::policy::ca::CaName;
use crate::engine::{Engine, Intent, Progress};
use crate::http::incident_document;

mod create;
mod flags;
mod load;
mod show;

use flags::{by_flags, intent};

/// Moves windows for a reason that has a name: a revocation, a drill, an outage, a maintenance
#[derive(clap::Args, Debug)]
#[command(after_help = "Example, from a draft to the windows moved:
  offpeak incident create --kind revocation --ca example --name \"weak keys\" \\
      --renew-by 2026-12-05T00:00:00Z --budget-per-hour 50000
  offpeak incident load 1 serials.txt --issuer aYhba4dGQEHhs3uEe6CuLN4ByNQ
  offpeak incident open 1 --dry-run
  offpeak incident open 1")]
pub(super) struct Incidents {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Closes an incident
    ///
    /// An outage ends now, where its end was not known, and the windows missed in it are spread
    /// over the time after it.
    #[command(after_help = "Example:\n  offpeak incident close 1")]
    Close(Change),
    /// Drafts an incident and prints its number. It moves nothing until it is opened
    Create(Box<create::Create>),
    /// Lists the incidents, the newest first
    #[command(after_help = "Example:\n  offpeak incident list --ca example")]
    List {
        /// Only those of this CA
        #[arg(long, value_name = "NAME")]
        ca: Option<CaName>,
        /// Prints a JSON object with them, as GET /v1/incidents does
        #[arg(long)]
        json: bool,
    },
    /// Names the certificates that a revocation or a drill concerns
    #[command(after_help = "Examples:
  offpeak incident load 1 serials.txt --issuer aYhba4dGQEHhs3uEe6CuLN4ByNQ
  cut -f1 affected.tsv | offpeak incident load 1 -

Formats, recognised by the beginning of the input:
  a line each   a CertID, or with --issuer a serial in hexadecimal
  NDJSON        certId, or serial and issuer (a key identifier as in a CertID)
  CSV           cert_id, or serial and issuer")]
    Load(Load),
    /// Opens an incident: moves the windows. Opening it again resumes an interrupted opening
    #[command(after_help = "Examples:
  offpeak incident open 1 --dry-run
  offpeak incident open 1")]
    Open(Open),
    /// Shows an incident and how far it has come
    #[command(after_help = "Example:\n  offpeak incident show 1")]
    Show {
        #[command(flatten)]
        which: Which,
        /// Prints it as JSON, as GET /v1/incidents/{id} does
        #[arg(long)]
        json: bool,
    },
}

/// Which incident.
#[derive(clap::Args, Debug)]
struct Which {
    /// The incident's number
    incident: i64,
    /// The CA that it has to belong to; otherwise nothing is done
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
}

#[derive(clap::Args, Debug)]
struct Change {
    #[command(flatten)]
    which: Which,
    /// Only says what would move, and the load that it makes
    #[arg(long)]
    dry_run: bool,
    /// Prints the incident as JSON, as PATCH /v1/incidents/{id} does
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct Open {
    #[command(flatten)]
    change: Change,
    /// From now on keep the deadline, even above the budget
    #[arg(long)]
    over_budget: bool,
}

#[derive(clap::Args, Debug)]
struct Load {
    #[command(flatten)]
    which: Which,
    /// Files, `-` for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The issuer of serials without one: a key identifier as in a CertID
    #[arg(long, value_name = "KEY_IDENTIFIER")]
    issuer: Option<KeyIdentifier>,
    /// Prints a JSON object with the result for each file
    #[arg(long)]
    json: bool,
}

impl Incidents {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        match self.what {
            What::Close(change) => {
                let amendment = Amendment::to_state(State::Closed);
                change.run(&amendment, engine, output).await
            }
            What::Create(create) => create.run(engine, output).await,
            What::List { ca, json } => list(ca.as_ref(), json, engine, output).await,
            What::Load(load) => load.run(engine, output).await,
            What::Open(Open {
                change,
                over_budget,
            }) => {
                let amendment = Amendment {
                    over_budget: over_budget.then_some(true),
                    ..Amendment::to_state(State::Open)
                };
                change.run(&amendment, engine, output).await
            }
            What::Show { which, json } => {
                let progress = which.progress(engine).await?;
                if json {
                    let document = incident_document(&progress, None, Intent::InEarnest)?;
                    writeln!(output, "{document}")?;
                } else {
                    write!(output, "{}", show::page(&progress))?;
                }
                Ok(Exit::Done)
            }
        }
    }
}

async fn list(
    ca: Option<&CaName>,
    json: bool,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let standings = engine.incidents().await?;
    let listed = standings
        .iter()
        .filter(|progress| ca.is_none_or(|ca| progress.incident.ca == *ca));
    if json {
        let documents = listed
            .map(|progress| incident_document(progress, None, Intent::InEarnest))
            .collect::<Result<Vec<_>, _>>()?;
        writeln!(output, "{}", serde_json::json!({ "incidents": documents }))?;
    } else {
        for progress in listed {
            writeln!(output, "{}", show::line(progress))?;
        }
    }
    Ok(Exit::Done)
}

impl Which {
    /// The progress of the incident, if it belongs to the given CA.
    async fn progress(&self, engine: &Engine) -> anyhow::Result<Progress> {
        let progress = engine.incident(self.incident).await?;
        if let Some(ca) = &self.ca
            && *ca != progress.incident.ca
        {
            let of = &progress.incident.ca;
            bail!(UsageError(format!(
                "incident {} is of the CA {of}, and not of {ca}",
                self.incident
            )));
        }
        Ok(progress)
    }
}

impl Change {
    async fn run(
        self,
        amendment: &Amendment,
        engine: &Engine,
        output: &mut Output,
    ) -> anyhow::Result<Exit> {
        self.which.progress(engine).await?;
        let intent = intent(self.dry_run);
        let amended = engine
            .amend_incident(self.which.incident, amendment, intent)
            .await
            .map_err(by_flags)?;
        let progress = engine.progress(amended.incident).await?;
        let foreseen = amended.foreseen.as_ref();
        if self.json {
            let document = incident_document(&progress, foreseen, intent)?;
            writeln!(output, "{document}")?;
            return Ok(Exit::Done);
        }
        if intent == Intent::DryRun {
            writeln!(output, "a dry run: nothing has changed")?;
        }
        writeln!(output, "{}", show::line(&progress))?;
        if let Some(foreseen) = foreseen {
            write!(output, "{}", show::plan(foreseen, intent))?;
        }
        Ok(Exit::Done)
    }
}
