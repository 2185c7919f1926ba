//! `offpeak report`: the weekly report.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use crate::domain::policy::ca::CaName;
use crate::domain::status::IsoWeek;

/// Say what a week was like at each CA: its peak, what failed, for how long it was down
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  offpeak report --week 2026-W48 --json > report.json")]
pub(super) struct ReportArgs {
    /// The week, of ISO 8601; default: the last that is over
    #[arg(long, value_name = "YYYY-Www")]
    week: Option<IsoWeek>,
    /// The CA; default: all
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Prints a JSON object, as /report/{week}/report.json has it
    #[arg(long)]
    json: bool,
}

impl ReportArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let engine = global.engine().await?;
        let week = self
            .week
            .unwrap_or_else(|| IsoWeek::of(engine.now()).before());
        let report = engine
            .weekly(week, self.ca.as_ref().map(CaName::as_str))
            .await?;
        let report = report.with_context(|| {
            format!("nothing is known of {week}: it has not begun, is too long ago, or no CA has this name")
        })?;
        if self.json {
            output.write_all(&report.json())?;
            return Ok(Exit::Done);
        }
        writeln!(output, "Week {week}")?;
        for of in &report.cas {
            writeln!(output, "\n{} ({})", of.ca, of.environment)?;
            for line in of.lines() {
                writeln!(output, "  {line}")?;
            }
            for incident in &of.weekly.incidents {
                writeln!(
                    output,
                    "  {}: {} ({})",
                    incident.kind_words(),
                    incident.name,
                    incident.at(report.made_at).state_words()
                )?;
            }
        }
        Ok(Exit::Done)
    }
}
