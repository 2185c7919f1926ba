//! `offpeak advise`: the timers that make the peak, so that a CA can write to their owners.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;

use super::exit::Exit;
use super::given::ca_or_only;
use super::global::Global;
use super::output::Output;
use crate::domain::policy::ca::CaName;
use crate::engine::learn::advice::AdviceReport;

/// Say at which minutes timers bring many clients at once, and what moving them would bring
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  offpeak advise
  offpeak advise --ca example --json")]
pub(super) struct AdviseArgs {
    /// The CA; may be left out if there is only one.
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Prints a JSON object, as GET /v1/advice has it.
    #[arg(long)]
    json: bool,
}

impl AdviseArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let engine = global.engine().await?;
        let ca = ca_or_only(self.ca, &engine)?;
        let report = engine.advice(&ca);
        let report = report.with_context(|| format!("no CA is named {ca}"))?;
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            write!(output, "{}", as_text(&report))?;
        }
        Ok(Exit::Done)
    }
}

/// The report as text.
fn as_text(report: &AdviceReport) -> String {
    let Some(advice) = &report.advice else {
        return format!("{}: less than two days are registered\n", report.ca);
    };
    let mut text = format!(
        "{}: {:.0} certificates a day over {} days; the busiest hour of the average day is {:.2} x the mean\n",
        report.ca, advice.per_day, advice.days, advice.peak
    );
    if advice.moments.is_empty() {
        text.push_str("no minute of the day brings more than those around it\n");
        return text;
    }
    let _ = writeln!(
        text,
        "{:>8}  {:>10}  {:>14}  {:>14}",
        "at (UTC)", "a day", "asking of them", "peak if moved"
    );
    for moment in &advice.moments {
        let _ = writeln!(
            text,
            "{:>8}  {:>10.0}  {:>14.0}  {:>14.2}",
            moment.at, moment.per_day, moment.asking_per_day, moment.peak_if_moved
        );
    }
    let _ = writeln!(
        text,
        "if all of them came when little else does, the busiest hour would be {:.2} x the mean",
        advice.peak_if_all_moved
    );
    text
}
