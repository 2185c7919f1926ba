//! `offpeak ct tail`: what logs show, as it comes.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::super::exit::Exit;
use super::super::output::Output;
use super::logs::Logs;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::transparency::tile::WIDTH;
use crate::source::ct::Logged;

/// How often each log is asked whether it has grown.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Follow logs: a line for each minute and issuer of each block of 256 entries
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak ct tail --contact mailto:ops@example.org --log 2026h2 --blocks 10

Columns, with tabs between: minute, issuer (key identifier), certificates, log. Every block is read
and verified against the log's signed tree; nothing is stored.")]
pub(super) struct TailArgs {
    #[command(flatten)]
    logs: Logs,
    /// End after so many blocks of each log
    #[arg(long, value_name = "NUMBER")]
    blocks: Option<u64>,
    /// Begin at this block of each log; without it at the newest
    #[arg(long, value_name = "NUMBER")]
    from: Option<u64>,
    /// Print NDJSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    minute: Timestamp,
    issuer: String,
    certificates: u64,
    log: &'a str,
}

impl TailArgs {
    pub(super) async fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        let (fetcher, mut remotes) = self.logs.open().await?;
        let mut next: Vec<Option<u64>> = vec![self.from; remotes.len()];
        let mut left: Vec<u64> = vec![self.blocks.unwrap_or(u64::MAX); remotes.len()];
        loop {
            for (number, remote) in remotes.iter_mut().enumerate() {
                let tree = remote.tree(&fetcher).await?;
                let blocks = tree.size / WIDTH;
                let mut block = next[number].unwrap_or_else(|| blocks.saturating_sub(1));
                while block < blocks && left[number] > 0 {
                    let read = remote.block(&fetcher, block, &tree).await?;
                    let logged = read.leaves();
                    let logged = logged.iter().filter_map(Logged::of);
                    self.print(logged, &remote.log().description, output)?;
                    block += 1;
                    left[number] -= 1;
                }
                next[number] = Some(block);
            }
            output.flush()?;
            if left.iter().all(|left| *left == 0) {
                return Ok(Exit::Done);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn print(
        &self,
        logged: impl Iterator<Item = Logged>,
        log: &str,
        output: &mut Output,
    ) -> anyhow::Result<()> {
        let mut counts: BTreeMap<(Timestamp, String), u64> = BTreeMap::new();
        for one in logged {
            let minute = Timestamp::from_unix(one.at.slot(MINUTE) * MINUTE);
            let issuer = one.id.key_identifier.to_string();
            *counts.entry((minute, issuer)).or_default() += 1;
        }
        for ((minute, issuer), certificates) in counts {
            if self.json {
                let line = Line {
                    minute,
                    issuer,
                    certificates,
                    log,
                };
                writeln!(output, "{}", serde_json::to_string(&line)?)?;
            } else {
                writeln!(output, "{minute}\t{issuer}\t{certificates}\t{log}")?;
            }
        }
        Ok(())
    }
}
