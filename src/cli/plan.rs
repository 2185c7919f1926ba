//! `offpeak plan FILE`: a time for each certificate of a fleet.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chrono_tz::Tz;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::best_time::{Spans, spans};
use super::exit::Exit;
use super::given::ca_or_only;
use super::global::Global;
use super::output::Output;
use super::plan_fleet::{addressee, conflict, counted, read};
use super::plan_print::{Planned, as_text, not_due, remarks};
use super::plan_server::{Answer, Request, ask};
use super::published::read_ranking;
use super::usage::UsageError;
use crate::config::{base_url, duration_seconds, zone};
use crate::domain::plan::{
    Bounds, Catalogue, Demand, Origin, Renewal, Terms, USUAL_WITHIN_SECONDS, plan, seed,
};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::publication::best_time::Ranking;
use crate::domain::time::Timestamp;
use crate::engine::clock::{Clock as _, SystemClock};
use crate::ingest::fleet::{Fleet, Member, Usual};

/// Give each certificate of a fleet a time: level over the hours ahead, under the CA's limits
///
/// FILE is a list (CSV with columns of your own beside `cert_id`, `names`, `not_before`,
/// `not_after`, `earliest`, `deadline`, `account` and `ari`; JSON objects; or a name a line), or a
/// folder: certbot's live/, Caddy's, lego's, acme.sh's, or any of PEM files. What is printed has a
/// line for each: CSV as it was with a column `renew_at`, else the time and the name. How fast to
/// go now is said on standard error. Where it cannot be done the exit code is 1, and what stands in
/// the way is said.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak plan /etc/letsencrypt/live --ranking ranking.json
  offpeak plan fleet.csv --deadline 7d --allow 22:00-06:00 --tz Europe/Prague > planned.csv
  offpeak plan --count 1500 --deadline 48h --ranking https://ari.example.com/ranking.json
  OFFPEAK_ADMIN_TOKEN=… offpeak plan fleet.csv --server https://ari-admin.example.com")]
pub(super) struct PlanArgs {
    /// The fleet: a list or a folder; `-` is standard input
    #[arg(
        value_name = "FILE",
        required_unless_present = "count",
        conflicts_with = "count"
    )]
    file: Option<PathBuf>,
    /// This many times instead, for certificates without a list
    #[arg(long, value_name = "NUMBER")]
    count: Option<usize>,
    /// Pours over this ranking.json, - for standard input; default: the forecast in the database
    #[arg(long, value_name = "URL|FILE")]
    ranking: Option<String>,
    /// Has the server at this URL of an admin listener plan, over its own forecast and within the windows
    /// that it gave; `OFFPEAK_ADMIN_TOKEN` holds the token
    #[arg(long, value_name = "URL", conflicts_with = "ranking", value_parser = base_url)]
    server: Option<String>,
    /// The CA; default: the only one
    #[arg(long, value_name = "NAME", conflicts_with = "ranking")]
    ca: Option<CaName>,
    /// All before then, and before an earlier deadline of their own: a time, or a duration from now; default:
    /// each in its own band
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    deadline: Option<Deadline>,
    /// The hours that suit you, such as 22:00-06:00; separate several by commas
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = spans)]
    allow: Option<Spans>,
    /// The time zone of --allow, by its IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    tz: Tz,
    /// The most orders a minute
    #[arg(long, value_name = "NUMBER")]
    max_rate: Option<f64>,
    /// The most orders under way at the same time
    #[arg(long, value_name = "NUMBER")]
    max_concurrent: Option<u32>,
    /// How long an order takes
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration_seconds)]
    order_takes: i64,
    /// Orders under way now
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    in_flight: u32,
    /// The CA's limits: letsencrypt, none, or a catalogue's FILE
    #[arg(long, value_name = "NAME", default_value = "letsencrypt")]
    limits: String,
    /// The account that orders, if the fleet does not name one
    #[arg(long, value_name = "NAME", default_value = "")]
    account: String,
    /// Your client does not say which certificate an order replaces, so no limit is waived
    #[arg(long)]
    no_ari: bool,
    /// The same plan for the same text; default: by the fleet's names
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    seed: Option<String>,
    /// Prints one JSON document, as `POST /v1/plan` answers
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug)]
enum Deadline {
    At(Timestamp),
    In(i64),
}

/// What the times are planned on.
struct Ground {
    demand: Demand,
    origin: Origin,
    policy: CaPolicy,
}

impl PlanArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let (fleet, unread) = match (&self.file, self.count) {
            (Some(file), _) => read(file)?,
            (None, count) => (counted(count.unwrap_or(0)), Vec::new()),
        };
        for reason in &unread {
            tracing::warn!(event = "certificate_unread", %reason);
        }
        let now = SystemClock.now();
        let bounds = self.bounds(now, fleet.members.len());
        bounds
            .check(now)
            .map_err(|(field, reason)| UsageError(format!("{}: {reason}", flag(field))))?;
        for remark in remarks(&fleet, now) {
            let _ = writeln!(std::io::stderr(), "{remark}");
        }
        let limits = self.catalogue()?;
        let (all, fleet) = self.due(fleet, bounds.deadline, now)?;
        if let Some(server) = &self.server {
            let request = self.request(&fleet, &bounds, &limits);
            self.print_answer(&all, ask(server, &request).await?, output)?;
            return Ok(exit(&unread));
        }
        let ground = self.ground(global, fleet.members.len()).await?;
        let usual = Usual {
            now,
            deadline: bounds.deadline,
            account: &self.account,
            without_ari: self.no_ari,
            policy: &ground.policy,
            given: None,
        };
        let renewals: Vec<Renewal> = fleet
            .members
            .iter()
            .map(|member| member.renewal(&usual))
            .collect();
        let terms = Terms {
            now,
            demand: &ground.demand,
            limits: &limits,
            deadline: bounds.deadline.unwrap_or(now + 1 + USUAL_WITHIN_SECONDS),
            max_per_minute: bounds.max_per_minute,
            max_concurrent: bounds.max_concurrent,
            order_seconds: bounds.order_seconds(),
            seed: self.seed_of(&fleet),
        };
        match plan(&terms, &renewals) {
            Ok(plan) => {
                let advice = plan.advice(&terms, self.in_flight);
                if self.json {
                    let addressee = |place: usize| addressee(&fleet.members[place], now);
                    let document = plan.document(&terms, &ground.origin, &advice, addressee);
                    output.write_all(&document)?;
                } else {
                    all.print(&plan.times, output)?;
                    let _ = writeln!(std::io::stderr(), "{}", as_text(&plan, &terms, &advice));
                }
                Ok(exit(&unread))
            }
            Err(refusal) => {
                let document = refusal.as_document(|place| fleet.members[place].label());
                if self.json {
                    serde_json::to_writer(
                        &mut *output,
                        &serde_json::json!({ "refusal": document }),
                    )?;
                    writeln!(output)?;
                }
                bail!("{refusal}");
            }
        }
    }

    /// The whole fleet for printing, and the certificates to plan: those due within the planning
    /// horizon. The others are listed on standard error.
    fn due(
        &self,
        fleet: Fleet,
        deadline: Option<Timestamp>,
        now: Timestamp,
    ) -> anyhow::Result<(Planned, Fleet)> {
        let usual = Usual {
            now,
            deadline,
            account: &self.account,
            without_ari: self.no_ari,
            policy: &CaPolicy::named(CaName::default()),
            given: None,
        };
        if let Some(fault) = conflict(&fleet, &usual) {
            return Err(UsageError(fault).into());
        }
        let is_due = |member: &Member| !member.is_due_later(&usual);
        let members: Vec<Member> = fleet
            .members
            .iter()
            .filter(|one| is_due(one))
            .cloned()
            .collect();
        let later = fleet.members.iter().filter(|one| !is_due(one));
        let later: Vec<String> = later.map(Member::label).collect();
        if !later.is_empty() {
            let _ = writeln!(std::io::stderr(), "{}", not_due(&later));
        }
        if members.is_empty() {
            bail!("nothing is left to plan");
        }
        let due = Fleet {
            members,
            table: None,
        };
        let is_due = fleet.members.iter().map(is_due).collect();
        Ok((Planned { fleet, is_due }, due))
    }

    fn bounds(&self, now: Timestamp, count: usize) -> Bounds {
        Bounds {
            deadline: self.deadline.map(|deadline| match deadline {
                Deadline::At(at) => at,
                Deadline::In(seconds) => now + seconds,
            }),
            max_per_minute: self.max_rate,
            max_concurrent: self.max_concurrent,
            order_seconds: Some(self.order_takes),
            count,
        }
    }

    /// The request to a server, which plans in the same way.
    fn request<'a>(
        &'a self,
        fleet: &'a Fleet,
        bounds: &Bounds,
        limits: &'a Catalogue,
    ) -> Request<'a> {
        let allow = self.allow.iter().flat_map(|Spans(spans)| spans);
        let allow: Vec<String> = allow.map(ToString::to_string).collect();
        Request {
            account: &self.account,
            allow: (!allow.is_empty()).then(|| allow.join(",")),
            ari: self.no_ari.then_some(false),
            ca: self.ca.as_ref().map(CaName::as_str),
            count: self.count,
            deadline: bounds.deadline,
            in_flight: self.in_flight,
            items: self.count.is_none().then_some(&*fleet.members),
            limits,
            max_concurrent: self.max_concurrent,
            max_rate: self.max_rate,
            order_seconds: self.order_takes,
            seed: self.seed.as_deref(),
            tz: self.tz.name(),
        }
    }

    fn print_answer(
        &self,
        all: &Planned,
        answer: Answer,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        match answer {
            Answer::Planned { document, .. } if self.json => output.write_all(&document)?,
            Answer::Planned { times, text, .. } => {
                all.print(&times, output)?;
                let _ = writeln!(std::io::stderr(), "{text}");
            }
            Answer::Refused { refusal, detail } => {
                if self.json {
                    writeln!(output, "{}", serde_json::json!({ "refusal": refusal }))?;
                }
                bail!("{detail}");
            }
        }
        Ok(())
    }

    fn catalogue(&self) -> anyhow::Result<Catalogue> {
        let Ok(shipped) = Catalogue::named(&self.limits) else {
            let octets = std::fs::read(&self.limits).with_context(|| {
                format!(
                    "--limits: {:?} is neither letsencrypt nor none nor a file",
                    self.limits
                )
            })?;
            return Catalogue::parse(&octets).with_context(|| format!("--limits {}", self.limits));
        };
        Ok(shipped)
    }

    async fn ground(&self, global: &Global, certificates: usize) -> anyhow::Result<Ground> {
        let allow = self
            .allow
            .clone()
            .map_or_else(Vec::new, |Spans(spans)| spans);
        if let Some(file) = &self.ranking {
            let ranking = Ranking::parse(&read_ranking(file).await?)?;
            if SystemClock.now() > ranking.valid_until {
                tracing::warn!(event = "ranking_stale", valid_until = %ranking.valid_until);
            }
            return Ok(Ground {
                demand: Demand::of_ranking(&ranking).allowing(allow, self.tz),
                policy: CaPolicy::named(CaName::default()),
                origin: Origin {
                    ca: ranking.ca,
                    model_version: ranking.model_version,
                    valid_until: Some(ranking.valid_until),
                },
            });
        }
        let engine = global.engine().await?;
        let ca = ca_or_only(self.ca.clone(), &engine)?;
        let config = engine.config();
        let policy = config
            .ca_named(ca.as_str())
            .map(|at| config.cas[at].clone());
        let (Some(policy), Some(outlook)) = (policy, engine.outlook(&ca).await?) else {
            return Err(UsageError(format!("--ca: no CA is named {ca}")).into());
        };
        let demand = Demand::of_forecast(&outlook.slots, outlook.mean, certificates);
        Ok(Ground {
            demand: demand.avoiding(&outlook.failing).allowing(allow, self.tz),
            policy,
            origin: Origin {
                ca: Some(ca.to_string()),
                model_version: engine.version().to_string(),
                valid_until: None,
            },
        })
    }

    fn seed_of(&self, fleet: &Fleet) -> u128 {
        match (&self.seed, self.count) {
            (Some(text), _) => seed([text.as_str()]),
            (None, Some(_)) => rand::random(),
            (None, None) => {
                let labels: Vec<String> = fleet.members.iter().map(Member::label).collect();
                seed(labels.iter().map(String::as_str))
            }
        }
    }
}

fn exit(unread: &[String]) -> Exit {
    if unread.is_empty() {
        Exit::Done
    } else {
        Exit::DoneWithRejections
    }
}

fn flag(field: &str) -> &str {
    match field {
        "items" => "FILE",
        "deadline" => "--deadline",
        "maxRate" => "--max-rate",
        "maxConcurrent" => "--max-concurrent",
        "orderSeconds" => "--order-takes",
        other => other,
    }
}

fn deadline(text: &str) -> Result<Deadline, String> {
    if let Ok(seconds) = duration_seconds(text) {
        return Ok(Deadline::In(seconds));
    }
    let at = text.parse().map(Deadline::At);
    at.map_err(|_| {
        format!("{text:?} is neither a time such as 2026-12-05T06:00:00Z nor a duration such as 7d")
    })
}
