//! `offpeak rebalance`: moves the fewest windows that level a forecast that has drifted.

use std::io::Write as _;

use anyhow::bail;
use clap::Args;

use super::{Exit, Output, UsageError};
use crate::domain::ca::CaName;
use crate::engine::{Engine, Rebalance};

/// Move the fewest windows that level a forecast that has drifted, and print the report
#[derive(Args, Debug)]
pub(super) struct RebalanceArgs {
    /// The CA; not needed where there is only one.
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Says what it would move, and moves nothing.
    #[arg(long)]
    dry_run: bool,
}

impl RebalanceArgs {
    /// Rebalances and prints the report as JSON.
    ///
    /// # Errors
    /// The store's, or that there is no such CA.
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let config = engine.config();
        let ca = match (self.ca, config.cas.as_slice()) {
            (Some(ca), _) => ca,
            (None, [only]) => only.name.clone(),
            (None, _) => bail!(UsageError(
                "there are several CAs: name one by --ca".to_owned()
            )),
        };
        let mode = if self.dry_run {
            Rebalance::DryRun
        } else {
            Rebalance::Apply
        };
        match engine.rebalance(&ca, mode).await? {
            Some(report) => {
                writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?;
                Ok(Exit::Done)
            }
            None => bail!("no CA is named {ca}"),
        }
    }
}
