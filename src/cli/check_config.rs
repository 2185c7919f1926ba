//! `offpeak check-config`: reports the errors in a configuration file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::exit::Exit;
use super::given::name_of;
use super::global::{Global, InvalidConfig, config_text, parse_config};
use super::output::Output;
use super::usage::UsageError;
use crate::config::{Config, ConfigError};

/// Says what is wrong with a configuration file, by line and key
///
/// Prints `ok` and exits with 0 where nothing is; else prints one line each, `FILE:LINE: KEY:
/// REASON`, and exits with 1. What is allowed, and yet is likely not what is wanted, is a warning:
/// it is printed to standard error and changes nothing else. The file alone is checked: neither
/// flags nor the environment, and nothing is opened or listened on.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak check-config /etc/offpeak/offpeak.toml

Reads TOML; docs/configuration.md has all its keys.")]
pub(super) struct CheckConfig {
    /// The file, `-` for standard input; default: the one of --config
    file: Option<PathBuf>,
    /// Prints one JSON object: ok, errors (line, column, key, reason), warnings
    #[arg(long)]
    json: bool,
}

impl CheckConfig {
    pub(super) fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let Some(file) = self.file.or_else(|| global.config.clone()) else {
            return Err(UsageError("no file is named: check-config FILE".to_owned()).into());
        };
        let checked = parse_config(&file, &config_text(&file)?);
        if self.json {
            let (errors, warnings) = match &checked {
                Ok(config) => (Vec::new(), config.warnings()),
                Err(InvalidConfig { errors, .. }) => {
                    (errors.iter().map(as_json).collect(), Vec::new())
                }
            };
            let ok = checked.is_ok();
            let document = json!({ "ok": ok, "errors": errors, "warnings": warnings });
            writeln!(output, "{document}")?;
        }
        let config = checked?;
        if !self.json {
            warn(&file, &config);
            writeln!(output, "ok")?;
        }
        Ok(Exit::Done)
    }
}

fn as_json(error: &ConfigError) -> serde_json::Value {
    json!({
        "line": error.line, "column": error.column, "key": error.key, "reason": error.reason,
    })
}

fn warn(file: &Path, config: &Config) {
    for warning in config.warnings() {
        // If standard error is closed, nobody can be warned.
        let _ = writeln!(
            std::io::stderr(),
            "offpeak: warning: {}: {warning}",
            name_of(file)
        );
    }
}
