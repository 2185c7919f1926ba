//! `offpeak forget PATH…`: takes a wrong import back.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::output::printed;
use super::paths::files_of;
use super::{Exit, Output};
use crate::engine::Engine;
use crate::ingest::{self, Forgotten, KnownFile};

/// Takes back what the import of these files brought in. Certificates that were registered before
/// the import, or with other dates than the file's, stay.
#[derive(clap::Args, Debug)]
pub(super) struct ForgetArgs {
    /// Files and directories as they were imported.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Runs it. Done with rejections: at least one of the files was never imported.
///
/// # Errors
/// Where a file cannot be read or the database fails: running it again goes on.
pub(super) async fn run(
    args: ForgetArgs,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for path in files_of(&args.paths)? {
        let name = path.display().to_string();
        let opened = KnownFile::open(&path).await;
        let file = opened.with_context(|| format!("cannot read {name}"))?;
        let forgotten = ingest::forget(engine, &file, file.certificate_format())
            .await
            .with_context(|| format!("cannot forget all of {name}; run it again to go on"))?;
        let said = match forgotten {
            Forgotten::Certificates {
                removed,
                left,
                absent,
            } => format!(
                "{removed} certificates removed, {left} left (registered before the import, or \
                 with other dates), {absent} were not there"
            ),
            Forgotten::Nothing => {
                exit = Exit::DoneWithRejections;
                "never imported: nothing to take back".to_owned()
            }
            Forgotten::Observations => "its observations no longer count".to_owned(),
        };
        printed(writeln!(output, "{name}: {said}"))?;
    }
    Ok(exit)
}
