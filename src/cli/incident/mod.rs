//! `offpeak incident create|load|open|close|list|show`.

use std::io::Write as _;
use std::path::PathBuf;

use super::{Exit, Output};
use crate::domain::amendment::Amendment;
use crate::domain::certid::KeyIdentifier;
use crate::domain::incident::State;
use crate::engine::{Engine, Intent};

mod create;
mod load;
mod show;

/// Moves windows for a reason that has a name: a revocation, a drill, an outage, a maintenance.
#[derive(clap::Args, Debug)]
pub(super) struct Incidents {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Closes an incident. An outage ends now, where its end was not known, and the windows missed
    /// in it are spread over the time after it.
    Close(Change),
    /// Drafts an incident and prints its number. It moves nothing until it is opened.
    Create(Box<create::Create>),
    /// Lists the incidents, the newest first.
    List,
    /// Names the certificates that a revocation or a drill concerns: CertIDs or serials in
    /// hexadecimal, one a line, or NDJSON or CSV.
    Load {
        /// The incident's number.
        incident: i64,
        /// Files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Whose serials they are that come without an issuer: a key identifier as in a CertID.
        #[arg(long, value_name = "KEY_IDENTIFIER")]
        issuer: Option<KeyIdentifier>,
    },
    /// Opens an incident: moves the windows. Opening one again goes on where that was broken off.
    Open(Change),
    /// Shows an incident and how far it has come.
    Show {
        /// The incident's number.
        incident: i64,
    },
}

#[derive(clap::Args, Debug)]
struct Change {
    /// The incident's number.
    incident: i64,
    /// Only says what would move, and the load that it makes.
    #[arg(long)]
    dry_run: bool,
}

impl Incidents {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        match self.what {
            What::Close(change) => change.run(State::Closed, engine, output).await,
            What::Create(create) => create.run(engine, output).await,
            What::List => {
                for standing in engine.incidents().await? {
                    writeln!(output, "{}", show::line(&standing))?;
                }
                Ok(Exit::Done)
            }
            What::Load {
                incident,
                paths,
                issuer,
            } => load::run(incident, &paths, issuer.as_ref(), engine, output).await,
            What::Open(change) => change.run(State::Open, engine, output).await,
            What::Show { incident } => {
                let standing = engine.incident(incident).await?;
                write!(output, "{}", show::page(&standing))?;
                Ok(Exit::Done)
            }
        }
    }
}

impl Change {
    async fn run(self, state: State, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let intent = intent(self.dry_run);
        let amendment = Amendment::to_state(state);
        let amended = engine
            .amend_incident(self.incident, &amendment, intent)
            .await?;
        let standing = engine.standing(amended.incident).await?;
        if intent == Intent::DryRun {
            writeln!(output, "a dry run: nothing has changed")?;
        }
        writeln!(output, "{}", show::line(&standing))?;
        if let Some(foreseen) = &amended.foreseen {
            write!(output, "{}", show::plan(foreseen, intent))?;
        }
        Ok(Exit::Done)
    }
}

const fn intent(dry_run: bool) -> Intent {
    if dry_run {
        Intent::DryRun
    } else {
        Intent::InEarnest
    }
}
