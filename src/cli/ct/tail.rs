//! `offpeak ct tail`: follows logs and prints new entries.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use super::super::exit::Exit;
use super::super::output::Output;
use super::logs::Logs;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::tile::WIDTH;
use crate::source::SourceError;
use crate::source::ct::{Logged, RemoteLog};
use crate::source::fetch::Fetcher;

/// The wait after a log's failure is twice this, and doubles …
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// … up to this many times: at most ten minutes.
const MOST_DOUBLINGS: u32 = 10;

/// How often each log is checked for growth.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// With `--blocks`, a log is given up after this many consecutive failures.
const MOST_FAILURES: u32 = 5;

/// Follow logs: a line for each minute and issuer of each block of 256 entries
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak ct tail --contact mailto:ops@example.org --log 2026h2 --blocks 10

Columns, with tabs between: minute, issuer (key identifier), certificates, log. The signature of each tree
is verified, that it begins with the one before, and of static logs that the entries are those of the tree;
nothing is stored. A log that fails is reported and tried again; the others go on. Exit code 3: with --blocks, a
log has failed five times in a row.")]
pub(super) struct TailArgs {
    #[command(flatten)]
    logs: Logs,
    /// Stop after this many blocks of each log
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

/// A followed log.
struct Followed {
    remote: RemoteLog,
    /// The last tree seen.
    tree: Option<SignedTree>,
    /// The next block to print; `None` for the newest.
    next: Option<u64>,
    /// The number of blocks still wanted.
    left: u64,
    /// Failures since the last answer.
    failures: u32,
    asked_from: Instant,
}

impl TailArgs {
    pub(super) async fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        let (fetcher, remotes) = self.logs.open().await?;
        let followed = |remote| Followed {
            remote,
            tree: None,
            next: self.from,
            left: self.blocks.unwrap_or(u64::MAX),
            failures: 0,
            asked_from: Instant::now(),
        };
        let mut logs: Vec<Followed> = remotes.into_iter().map(followed).collect();
        loop {
            for log in &mut logs {
                if log.left == 0 || log.asked_from > Instant::now() {
                    continue;
                }
                let read = self.read(log, &fetcher, output).await?;
                log.note(read);
            }
            output.flush()?;
            let given_up = |log: &Followed| self.blocks.is_some() && log.failures >= MOST_FAILURES;
            if logs.iter().all(|log| log.left == 0 || given_up(log)) {
                return Ok(if logs.iter().any(given_up) {
                    Exit::DoneWithRejections
                } else {
                    Exit::Done
                });
            }
            let waiting = logs.iter().filter(|log| log.left > 0 && !given_up(log));
            let next = waiting.map(|log| log.asked_from).min();
            tokio::time::sleep_until(next.unwrap_or_else(Instant::now)).await;
        }
    }

    /// Prints what is new in a log. The inner error is the log's; the outer one means that nobody
    /// reads the output any more.
    async fn read(
        &self,
        log: &mut Followed,
        fetcher: &Fetcher,
        output: &mut Output,
    ) -> anyhow::Result<Result<(), SourceError>> {
        let is_first = log.tree.is_none();
        let tree = match log.grow(fetcher).await {
            Ok(tree) => tree,
            Err(error) => return Ok(Err(error)),
        };
        let blocks = tree.size / WIDTH;
        let next = log.next.get_or_insert_with(|| blocks.saturating_sub(1));
        if is_first && *next > blocks {
            let log = &log.remote.log().description;
            tracing::warn!(event = "ct_block_to_come", log, block = *next, blocks);
        }
        while *next < blocks && log.left > 0 {
            let read = match log.remote.block(fetcher, *next, &tree).await {
                Ok(read) => read,
                Err(error) => return Ok(Err(error)),
            };
            let logged = read.leaves();
            let logged = logged.iter().filter_map(Logged::of);
            self.print(logged, &log.remote.log().description, output)?;
            *next += 1;
            log.left -= 1;
        }
        Ok(Ok(()))
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

impl Followed {
    /// The log's tree, verified to begin with the previous one.
    async fn grow(&mut self, fetcher: &Fetcher) -> Result<SignedTree, SourceError> {
        let shown = self.remote.tree(fetcher).await?;
        let before = self.tree.as_ref();
        // An older tree from a cache is not news.
        if let Some(before) = before.filter(|before| before.size > shown.size) {
            return Ok(before.clone());
        }
        let old = before.map_or((0, [0; 32]), |tree| (tree.size, tree.root));
        self.remote
            .check_growth(fetcher, (old.0, &old.1), &shown)
            .await?;
        self.tree = Some(shown.clone());
        Ok(shown)
    }

    /// Records the result, and schedules the next request.
    fn note(&mut self, read: Result<(), SourceError>) {
        let log = &self.remote.log().description;
        let wait = match read {
            Ok(()) => {
                self.failures = 0;
                LOOK_EVERY
            }
            Err(error) => {
                tracing::warn!(event = "ct_log_failing", log, %error);
                self.failures += 1;
                let wait = FIRST_WAIT * 2_u32.pow(self.failures.min(MOST_DOUBLINGS));
                error.retry_after().unwrap_or(wait)
            }
        };
        self.asked_from = Instant::now() + wait;
    }
}
