//! `offpeak forget PATH…`: reverts an import.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use super::exit::Exit;
use super::input::Inputs;
use super::output::{Output, printed};
use crate::engine::Engine;
use crate::ingest::{self, Forgotten, KnownFile};
use crate::store::PEER;

/// Takes back what the import of these files brought in, or what was taken from a peer
///
/// A file is known by its content. Certificates that were registered before the import, or with
/// other dates than the file's, stay. What a peer has now is taken anew. Broken off, it can be run again.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  offpeak forget certificates-2026-11.csv
  offpeak forget --json load.ndjson
  offpeak forget --peer south")]
pub(super) struct ForgetArgs {
    /// Files and directories as they were imported; `-` is standard input
    #[arg(required_unless_present = "peer", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// All that was taken from the peer of this `[[source]]`: what it has now is taken anew, as with the first start
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    peer: Option<String>,
    /// Prints a JSON array at the end instead of a line a file
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Outcome<'a> {
    path: &'a str,
    /// `certificates`, `observations`, or `nothing` if the file was never imported.
    forgotten: &'static str,
    removed: u64,
    left: u64,
    absent: u64,
}

/// Runs the command. Done with rejections: at least one file was never imported.
///
/// # Errors
/// A file cannot be read or the database fails; another run continues.
pub(super) async fn run(
    args: ForgetArgs,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    if let Some(peer) = &args.peer {
        return forget_peer(peer, args.json, engine, output).await;
    }
    let inputs = Inputs::of(&args.paths)?;
    let mut all = Vec::new();
    for input in inputs.files() {
        let name = &input.name;
        let opened = KnownFile::open(&input.path).await;
        let file = opened.with_context(|| format!("cannot read {name}"))?;
        let forgotten = ingest::forget(engine, &file, file.certificate_format())
            .await
            .with_context(|| format!("cannot forget all of {name}; run it again to go on"))?;
        let outcome = Outcome::of(name, forgotten);
        if !args.json {
            printed(writeln!(output, "{name}: {}", outcome.prose()))?;
        }
        all.push(outcome);
    }
    if args.json {
        let json = serde_json::to_string_pretty(&all)?;
        printed(writeln!(output, "{json}"))?;
    }
    let is_strange = |outcome: &Outcome<'_>| outcome.forgotten == "nothing";
    Ok(if all.iter().any(is_strange) {
        Exit::DoneWithRejections
    } else {
        Exit::Done
    })
}

/// Done with rejections: nothing was ever read from a peer with that name.
async fn forget_peer(
    name: &str,
    json: bool,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let forgotten = engine
        .store()
        .forget_source(name, &format!("{PEER}{name}"))
        .await
        .with_context(|| format!("cannot forget all of the peer {name}; run it again to go on"))?;
    if json {
        let outcome = serde_json::json!({"peer": name, "removed": forgotten});
        printed(writeln!(output, "{outcome}"))?;
    } else if let Some(counts) = forgotten {
        let outcome = format!("{counts} counts no longer count; what it has now is taken anew");
        printed(writeln!(output, "peer {name}: {outcome}"))?;
    } else {
        printed(writeln!(
            output,
            "peer {name}: nothing was ever taken from it"
        ))?;
    }
    Ok(match forgotten {
        Some(_) => Exit::Done,
        None => Exit::DoneWithRejections,
    })
}

impl<'a> Outcome<'a> {
    const fn of(path: &'a str, forgotten: Forgotten) -> Self {
        let (forgotten, removed, left, absent) = match forgotten {
            Forgotten::Certificates {
                removed,
                left,
                absent,
            } => ("certificates", removed, left, absent),
            Forgotten::Nothing => ("nothing", 0, 0, 0),
            Forgotten::Observations => ("observations", 0, 0, 0),
        };
        Self {
            path,
            forgotten,
            removed,
            left,
            absent,
        }
    }

    fn prose(&self) -> String {
        match self.forgotten {
            "certificates" => format!(
                "{} certificates removed, {} left (registered before the import, or with other \
                 dates), {} were not there",
                self.removed, self.left, self.absent
            ),
            "observations" => "its observations no longer count".to_owned(),
            _ => "never imported: nothing to take back".to_owned(),
        }
    }
}
