//! `offpeak incident create`.

use std::io::Write as _;

use super::super::exit::Exit;
use super::super::output::Output;
use super::flags::{by_flags, intent};
use super::show;
use crate::cli::given::ca_or_only;
use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, Intent};
use crate::http::incident_document;

/// What is to be drafted. Times are RFC 3339 with Z or an offset, or Unix seconds
#[derive(clap::Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and stands for itself"
)]
#[command(after_help = "Examples:
  offpeak incident create --kind outage --name \"signing is down\" --from 2026-11-28T06:00:00Z
  offpeak incident create --kind revocation --ca example --name \"weak keys\" \\
      --renew-by 2026-12-05T00:00:00Z --budget-per-hour 50000 \\
      --explanation-url https://ca.example/weak-keys
  offpeak incident create --kind maintenance --name disks --cron \"0 3 * * SUN\" \\
      --from 2026-11-29T03:00:00Z --to 2026-11-29T04:00:00Z --dry-run")]
pub(super) struct Create {
    /// What it is about
    #[arg(long, value_enum)]
    kind: KindName,
    /// The CA; may be left out if there is only one
    #[arg(long, value_name = "CA")]
    ca: Option<CaName>,
    /// Its name
    #[arg(long)]
    name: String,
    /// Outage, maintenance: the CA was or will be closed from then …
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// … until then; an outage's end may be unknown
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Maintenance again and again: from each time that this matches, for as long as from --from
    /// to --to
    #[arg(long, value_name = "PATTERN")]
    cron: Option<String>,
    /// The IANA time zone of --cron
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Revocation, drill: every certificate is to be replaced before then
    #[arg(long, value_name = "TIME")]
    renew_by: Option<Timestamp>,
    /// Revocation, drill: certificates an hour at most, including the usual load
    #[arg(long, value_name = "CERTIFICATES")]
    budget_per_hour: Option<f64>,
    /// Keep the deadline, even above the budget
    #[arg(long)]
    over_budget: bool,
    /// Everybody at once
    #[arg(long)]
    urgent: bool,
    /// What subscribers should read
    #[arg(long, value_name = "URL")]
    explanation_url: Option<String>,
    /// A note about it
    #[arg(long)]
    note: Option<String>,
    /// When an outage's end is expected
    #[arg(long, value_name = "TIME")]
    estimated_end: Option<Timestamp>,
    /// Only says what opening it would move, and the load that it makes; stores nothing
    #[arg(long)]
    dry_run: bool,
    /// Prints the incident as JSON, as POST /v1/incidents does
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum, Debug)]
enum KindName {
    Drill,
    Maintenance,
    Outage,
    Revocation,
}

impl Create {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let (intent, json) = (intent(self.dry_run), self.json);
        let ca = ca_or_only(self.ca.clone(), engine)?;
        let draft = self.incident(ca, engine.now());
        let amended = engine.create_incident(draft, intent).await;
        let amended = amended.map_err(by_flags)?;
        if json {
            let progress = engine.progress(amended.incident).await?;
            let document = incident_document(&progress, amended.foreseen.as_ref(), intent)?;
            writeln!(output, "{document}")?;
            return Ok(Exit::Done);
        }
        match (intent, &amended.foreseen) {
            (Intent::DryRun, Some(foreseen)) => {
                writeln!(output, "a dry run: nothing is stored")?;
                write!(output, "{}", show::plan(foreseen, intent))?;
            }
            _ => writeln!(output, "{}", amended.incident.id)?,
        }
        Ok(Exit::Done)
    }

    fn incident(self, ca: CaName, now: Timestamp) -> Incident {
        let kind = match self.kind {
            KindName::Drill => Kind::Drill,
            KindName::Maintenance => Kind::Maintenance,
            KindName::Outage => Kind::Outage,
            KindName::Revocation => Kind::Revocation,
        };
        Incident {
            from: self.from,
            to: self.to,
            cron: self.cron,
            time_zone: self.time_zone,
            renew_by: self.renew_by,
            explanation_url: self.explanation_url,
            urgent: self.urgent,
            budget_per_hour: self.budget_per_hour,
            over_budget: self.over_budget,
            note: self.note,
            estimated_end: self.estimated_end,
            ..Incident::draft(kind, ca, self.name, now)
        }
    }
}
