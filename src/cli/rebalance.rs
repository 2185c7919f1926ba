//! `offpeak rebalance`: moves the fewest windows that make a drifted forecast level again.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::bail;
use clap::Args;

use super::exit::Exit;
use super::given::ca_or_only;
use super::output::Output;
use crate::domain::moves::rebalance::{RebalanceReport, SlotReport, Why};
use crate::domain::policy::ca::CaName;
use crate::engine::{Engine, Rebalance};

/// Move the fewest windows that level a forecast that has drifted, and print the report
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak rebalance --dry-run
  offpeak rebalance --ca example --json")]
pub(super) struct RebalanceArgs {
    /// The CA; may be left out if there is only one.
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Only reports what it would move.
    #[arg(long)]
    dry_run: bool,
    /// Prints the report as JSON, as POST /v1/rebalance does.
    #[arg(long)]
    json: bool,
}

impl RebalanceArgs {
    /// Rebalances and prints the report.
    ///
    /// # Errors
    /// The store's, or there is no such CA.
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let ca = ca_or_only(self.ca, engine)?;
        let mode = if self.dry_run {
            Rebalance::DryRun
        } else {
            Rebalance::Apply
        };
        match engine.rebalance(&ca, mode).await? {
            Some(report) => {
                if self.json {
                    writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?;
                } else {
                    write!(output, "{}", as_text(&report))?;
                }
                Ok(Exit::Done)
            }
            None => bail!("no CA is named {ca}"),
        }
    }
}

/// The report as text: what moved, and the slots it moved from and to.
fn as_text(report: &RebalanceReport) -> String {
    let would = if report.dry_run { "would be " } else { "" };
    let mut text = format!(
        "{} of {} windows ahead {would}moved; the highest slot of {} stood {:.1} % above the level, \
         {:.1} % after that\n",
        report.moved,
        report.considered,
        report.ca,
        100.0 * report.drift_before,
        100.0 * report.drift_after,
    );
    if !report.slots.is_empty() {
        let _ = writeln!(
            text,
            "{:20}  {:>10}  {:>10}  {:>10}  {:>8}  {:>8}  why",
            "slot", "level", "before", "after", "out", "in"
        );
    }
    text.extend(report.slots.iter().map(row));
    text
}

fn row(slot: &SlotReport) -> String {
    let why = match slot.why {
        Why::AboveLevel => "above the level",
        Why::Closed => "closed",
        Why::Room => "had room",
    };
    format!(
        "{:20}  {:>10.1}  {:>10.1}  {:>10.1}  {:>8}  {:>8}  {why}\n",
        slot.start.to_string(),
        slot.level,
        slot.before,
        slot.after,
        slot.moved_out,
        slot.moved_in
    )
}
