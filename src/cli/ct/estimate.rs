//! `offpeak ct estimate`: the cost of reading a log, and the precision of the result.

use std::collections::BTreeMap;
use std::io::Write as _;

use clap::Args;
use serde::Serialize;

use super::super::exit::Exit;
use super::super::output::Output;
use super::logs::Logs;
use crate::config::octets_a_day;
use crate::domain::math::number::{real, real_len};
use crate::source::ct::{Logged, Sight, look};

/// With fewer blocks a day, one represents more than three hours and says nothing about any of
/// them.
const LEAST_BLOCKS_A_DAY: f64 = 8.0;

/// Say what each log costs to read, in octets a day, and how sure an hour's count will be
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak ct estimate --contact mailto:ops@example.org --log 2026h2 --budget 200MB/d

Asks each log for its tree and some blocks of 256 entries: 1 MB to 10 MB a log.")]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    logs: Logs,
    /// Octets a day that all logs together may take, such as 200MB/d; without it everything is read
    #[arg(long, value_parser = octets_a_day)]
    budget: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfLog {
    log: String,
    operator: String,
    entries: u64,
    entries_a_day: f64,
    octets_a_day: f64,
    /// Every n-th block is read.
    every: u64,
    octets_a_day_read: f64,
    issuers: Vec<OfIssuer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfIssuer {
    issuer: String,
    /// The share among the entries of the newest block.
    share: f64,
    /// The median backdating, in seconds.
    backdate: i64,
    /// The relative standard error of an hour's count.
    relative_error: Option<f64>,
}

impl EstimateArgs {
    pub(super) async fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        let (fetcher, mut remotes) = self.logs.open().await?;
        let share = self.budget.map(|octets| {
            real(i64::try_from(octets).unwrap_or(i64::MAX)) / real_len(remotes.len())
        });
        let mut found = Vec::new();
        let mut failed = 0;
        for remote in &mut remotes {
            let seen = async {
                let tree = remote.tree(&fetcher).await?;
                let sight = look(remote, &fetcher, &tree).await?;
                anyhow::Ok((tree.size, sight))
            };
            match seen.await {
                Ok((entries, sight)) => {
                    let log = remote.log();
                    found.push(of_log(
                        &log.description,
                        &log.operator,
                        entries,
                        &sight,
                        share,
                    ));
                }
                Err(error) => {
                    failed += 1;
                    tracing::warn!(event = "ct_log_failing", log = remote.log().description, %error);
                }
            }
        }
        if self.json {
            writeln!(output, "{}", serde_json::to_string_pretty(&found)?)?;
        } else {
            table(&found, output)?;
        }
        Ok(if failed == 0 {
            Exit::Done
        } else {
            Exit::DoneWithRejections
        })
    }
}

fn of_log(
    description: &str,
    operator: &str,
    entries: u64,
    sight: &Sight,
    share: Option<f64>,
) -> OfLog {
    let growth = sight.growth;
    let every = share.map_or(1, |octets| growth.every_within(octets));
    let mut by_issuer: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for logged in &sight.newest {
        let issuer = logged.id.key_identifier.to_string();
        let backdates = by_issuer.entry(issuer).or_default();
        backdates.push(Logged::backdate_seconds(logged));
    }
    let mut issuers: Vec<OfIssuer> = by_issuer
        .into_iter()
        .map(|(issuer, mut backdates)| {
            backdates.sort_unstable();
            let share = real_len(backdates.len()) / real(256);
            OfIssuer {
                issuer,
                share,
                backdate: backdates[backdates.len() / 2],
                relative_error: growth.hourly_error(every, share),
            }
        })
        .collect();
    issuers.sort_by(|one, other| other.share.total_cmp(&one.share));
    OfLog {
        log: description.to_owned(),
        operator: operator.to_owned(),
        entries,
        entries_a_day: growth.tiles_per_day * real(256),
        octets_a_day: growth.octets_per_day(),
        every,
        octets_a_day_read: growth.octets_per_day() / real(every.cast_signed()),
        issuers,
    }
}

fn table(found: &[OfLog], output: &mut Output) -> anyhow::Result<()> {
    for log in found {
        writeln!(
            output,
            "{} ({})\n  {} entries, {:.0} a day, {:.1} MB a day",
            log.log,
            log.operator,
            log.entries,
            log.entries_a_day,
            log.octets_a_day / 1e6
        )?;
        if log.every > 1 {
            writeln!(
                output,
                "  within the budget: one block in {}, {:.1} MB a day",
                log.every,
                log.octets_a_day_read / 1e6
            )?;
        }
        let blocks_a_day = log.entries_a_day / real(256) / real(log.every.cast_signed());
        if log.every > 1 && blocks_a_day < LEAST_BLOCKS_A_DAY {
            writeln!(
                output,
                "  {blocks_a_day:.1} blocks a day are too few to tell hours apart: read fewer logs (--log), or allow more (--budget)"
            )?;
        }
        for issuer in &log.issuers {
            let error = issuer.relative_error.map_or_else(String::new, |error| {
                format!(", an hour's count ± {:.1} %", error * 200.0)
            });
            writeln!(
                output,
                "  issuer {}: {:.1} % of the newest 256 entries, backdate = \"{}s\"{error}",
                issuer.issuer,
                issuer.share * 100.0,
                issuer.backdate
            )?;
        }
    }
    let read: f64 = found.iter().map(|log| log.octets_a_day_read).sum();
    if !found.is_empty() {
        let all = format!("All of them: {:.1} MB a day, as unpacked", read / 1e6);
        writeln!(output, "{all}")?;
    }
    Ok(())
}
