//! `offpeak check-config`: says what is wrong with a file.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use super::global::{Global, read_config};
use super::{Exit, Output, UsageError};

/// Says what is wrong with a configuration file, by line and key
///
/// Prints `ok` and exits with 0 where nothing is; else prints one line each, `FILE:LINE: KEY:
/// REASON`, and exits with 1. The file alone is checked: neither flags nor the environment, and
/// nothing is opened or listened on.
#[derive(Args, Debug)]
pub(super) struct CheckConfig {
    /// The file; default: the one of --config
    file: Option<PathBuf>,
}

impl CheckConfig {
    pub(super) fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let Some(file) = self.file.or_else(|| global.config.clone()) else {
            return Err(UsageError("no file is named: check-config FILE".to_owned()).into());
        };
        read_config(&file)?;
        writeln!(output, "ok")?;
        Ok(Exit::Done)
    }
}
