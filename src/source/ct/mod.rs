//! `kind = "ct"`: what logs of Certificate Transparency show of issuance.
//!
//! Logs are read in blocks of 256 leaves, which are data tiles of static logs: every block, or every n-th
//! where a budget says so. Of a block that is read each certificate counts in the minute of the log's own
//! timestamp; of a sample each stands for n, evenly over the time since the block before.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fetch::Fetcher;
use super::progress::{Batch, Progress, SourceError};
use crate::config::{CtConfig, SourceConfig, SourceKind};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::list::{self, Log};
use crate::domain::transparency::tile::WIDTH;
use crate::engine::Engine;

mod count;
mod cursor;
mod key;
mod observed;
mod precision;
mod remote;
mod start;

pub use count::Logged;
pub use remote::{Block, RemoteLog};
pub use start::{Sight, look};

use count::Counter;
use cursor::Cursor;
use precision::Precision;

/// Between two requests to one operator: the published limits of the large ones begin at some 20 a
/// second for an address.
pub const PAUSE: Duration = Duration::from_millis(200);

/// How often a log is asked whether it has grown. A full tile of a busy log takes a second, of a quiet
/// one an hour; and an hour is what the map tells apart.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A list of all logs has some 100 kB.
const MOST_LIST_OCTETS: usize = 4 << 20;

/// The wait after a log has failed: doubled up to an hour.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The logs that a configuration names, from its list.
///
/// # Errors
/// [`SourceError`].
pub async fn logs(
    fetcher: &Fetcher,
    config: &CtConfig,
    now: Timestamp,
) -> Result<Vec<Log>, SourceError> {
    let place = &config.log_list;
    let url = if place.starts_with("http://") || place.starts_with("https://") {
        place.clone()
    } else {
        format!("file://{place}")
    };
    let octets = fetcher
        .get("the list of logs", &url, MOST_LIST_OCTETS)
        .await?;
    list::logs(&octets, &config.logs, now)
        .map_err(|error| SourceError::Wrong(format!("{place}: {error}")))
}

/// Follows logs for as long as any of them can be read.
pub(super) async fn read(
    progress: Progress,
    ca: Option<&CaName>,
    config: &CtConfig,
) -> Result<Infallible, SourceError> {
    let fetcher = Fetcher::new(&config.contact, PAUSE)?;
    let logs = logs(&fetcher, config, progress.now()).await?;
    let mut following = Following::new(progress, ca, config, logs).await?;
    loop {
        following.look(&fetcher).await?;
        while following.read_next(&fetcher).await? {}
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what a source's logs have up to now, and ends: for commands and tests.
///
/// # Errors
/// [`SourceError`]; and where the source is no CT source.
pub async fn read_once(engine: &Arc<Engine>, source: &SourceConfig) -> Result<(), SourceError> {
    let SourceKind::Ct(config) = &source.kind else {
        return Err(SourceError::Wrong(format!(
            "{} is no CT source",
            source.name
        )));
    };
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    let fetcher = Fetcher::new(&config.contact, PAUSE)?;
    let progress = Progress::open(engine, &source.name).await?;
    let logs = logs(&fetcher, config, progress.now()).await?;
    let mut following = Following::new(progress, source.ca.as_ref(), config, logs).await?;
    following.look(&fetcher).await?;
    while following.read_next(&fetcher).await? {}
    Ok(())
}

/// A log that is followed.
struct Followed {
    remote: RemoteLog,
    /// As it was shown last.
    tree: Option<SignedTree>,
    /// Not asked before then, and so long after the next failure.
    wait: Duration,
    asked_from: Instant,
}

struct Following {
    progress: Progress,
    cursor: Cursor,
    counter: Counter,
    config: CtConfig,
    logs: Vec<Followed>,
    precision: Precision,
}

impl Following {
    async fn new(
        progress: Progress,
        ca: Option<&CaName>,
        config: &CtConfig,
        logs: Vec<Log>,
    ) -> Result<Self, SourceError> {
        let engine = progress.engine();
        let key = engine.store().hash_key().await?;
        let counter = Counter::new(&engine.config(), ca, key);
        if counter.names().is_empty() {
            let of = ca.map_or_else(|| "no [[ca]]".to_owned(), |ca| format!("the CA {ca}"));
            return Err(SourceError::Wrong(format!(
                "{of} has `issuers`: certificates in logs are told apart by them"
            )));
        }
        let begin = |log| Followed {
            remote: RemoteLog::new(log),
            tree: None,
            wait: FIRST_WAIT,
            asked_from: Instant::now(),
        };
        Ok(Self {
            cursor: progress.cursor()?,
            progress,
            counter,
            config: config.clone(),
            logs: logs.into_iter().map(begin).collect(),
            precision: Precision::default(),
        })
    }

    /// Asks every log for its tree. A log that fails is left alone for a while; where all do, so does
    /// the source.
    async fn look(&mut self, fetcher: &Fetcher) -> Result<(), SourceError> {
        let mut failure = None;
        let mut well = false;
        for number in 0..self.logs.len() {
            if self.logs[number].asked_from > Instant::now() {
                continue;
            }
            match self.look_at(number, fetcher).await {
                Ok(()) => well = true,
                Err(error) => failure = Some(self.hold(number, error)?),
            }
        }
        match failure {
            Some(error) if !well => Err(error),
            _ => Ok(()),
        }
    }

    async fn look_at(&mut self, number: usize, fetcher: &Fetcher) -> Result<(), SourceError> {
        let now = self.progress.now();
        let logs = self.logs.len();
        let Followed { remote, tree, .. } = &mut self.logs[number];
        let shown = remote.tree(fetcher).await?;
        let id = remote.id();
        let known = self.cursor.logs.get(&id).map(cursor::Place::tree);
        // What a cache shows of before is no news, and no contradiction.
        if known.flatten().is_some_and(|(size, _)| shown.size < size) {
            return Ok(());
        }
        if known
            .flatten()
            .is_some_and(|(size, root)| (size, root) == (shown.size, shown.root))
        {
            *tree = Some(shown);
            let through = self.through();
            self.progress.read(0, through);
            return Ok(());
        }
        if let Some(place) = self.cursor.logs.get_mut(&id) {
            let unreadable = || SourceError::Wrong("its cursor has no root".to_owned());
            let (size, root) = place.tree().ok_or_else(unreadable)?;
            remote.check_growth(fetcher, (size, &root), &shown).await?;
            place.grow(shown.size, &shown.root);
        } else {
            remote.check_growth(fetcher, (0, &[0; 32]), &shown).await?;
            let place = start::place(remote, fetcher, &shown, &self.config, logs, now);
            let Some(place) = place.await? else {
                // Not a block yet: nothing is lost by beginning later.
                return Ok(());
            };
            self.cursor.logs.insert(id, place);
        }
        *tree = Some(shown);
        let through = self.through();
        let Self {
            progress, cursor, ..
        } = self;
        progress.advance(cursor, Batch::default(), through).await
    }

    /// Reads one block: of the logs that have one, from the log that is furthest behind, so that all go
    /// through the same hours together. Whether there was one.
    async fn read_next(&mut self, fetcher: &Fetcher) -> Result<bool, SourceError> {
        let now = Instant::now();
        let furthest_behind = (0..self.logs.len())
            .filter(|number| self.logs[*number].asked_from <= now)
            .filter_map(|number| Some((self.due(number)?, number)))
            .min();
        let Some((_, number)) = furthest_behind else {
            return Ok(false);
        };
        if let Err(error) = self.read_block(number, fetcher).await {
            let error = self.hold(number, error)?;
            if self.logs.len() == 1 {
                return Err(error);
            }
        }
        Ok(true)
    }

    /// How far a log has been read, where it has a block that is to be read.
    fn due(&self, number: usize) -> Option<Timestamp> {
        let log = &self.logs[number];
        let place = self.cursor.logs.get(&log.remote.id())?;
        let tree = log.tree.as_ref()?;
        let last = start::to_be_read(place, &self.config, self.progress.now());
        ((last + 1) * WIDTH <= tree.size).then_some(place.until)
    }

    async fn read_block(&mut self, number: usize, fetcher: &Fetcher) -> Result<(), SourceError> {
        let Followed { remote, tree, .. } = &mut self.logs[number];
        let id = remote.id();
        let (Some(tree), Some(place)) = (tree.as_ref(), self.cursor.logs.get_mut(&id)) else {
            return Ok(());
        };
        let block_number = start::to_be_read(place, &self.config, self.progress.now());
        let block = remote.block(fetcher, block_number, tree).await?;
        let mut counted = self.counter.count(&block.leaves());
        let weight = block_number + 1 - place.next;
        // Of a sample hardly any comes twice, and what is left out cannot be known to.
        let exact = weight == 1 && place.every == 1;
        let mut batch = Batch::default();
        if exact && self.logs.len() > 1 {
            let hashes: Vec<u64> = counted
                .certificates
                .iter()
                .map(|(hash, ..)| *hash)
                .collect();
            let store = self.progress.engine().store();
            let before = store.counted_by_source(self.progress.source(), &hashes);
            counted.without(&before.await?);
            batch.counted = counted
                .certificates
                .iter()
                .map(|(hash, ..)| *hash)
                .collect();
        }
        let until = counted.last.unwrap_or(place.until).max(place.until);
        batch.records = counted.certificates.len() as u64;
        batch.observations = observed::observations(
            &counted,
            self.counter.names(),
            self.progress.source(),
            (place.until, until),
            (!exact).then_some(weight),
        );
        if self.config.register {
            let logged = counted.certificates.iter();
            batch.certificates = logged.map(|(_, _, one)| one.submission()).collect();
        }
        self.precision.add(number, until, weight, batch.records);
        place.next = block_number + 1;
        place.until = until;
        self.logs[number].wait = FIRST_WAIT;
        let through = self.through();
        let Self {
            progress, cursor, ..
        } = self;
        progress.advance(cursor, batch, through).await?;
        let error = self.precision.relative_error();
        self.progress
            .engine()
            .source_sampled(self.progress.source(), error);
        Ok(())
    }

    /// All logs have been read up to here.
    fn through(&self) -> Option<Timestamp> {
        let until = |log: &Followed| Some(self.cursor.logs.get(&log.remote.id())?.until);
        self.logs.iter().filter_map(until).min()
    }

    /// Leaves a log alone that failed. What is not the log's fault is handed on at once.
    fn hold(&mut self, number: usize, error: SourceError) -> Result<SourceError, SourceError> {
        if !matches!(error, SourceError::Fetch(_) | SourceError::Wrong(_)) {
            return Err(error);
        }
        let log = &mut self.logs[number];
        let wait = error.retry_after().unwrap_or(log.wait);
        log.asked_from = Instant::now() + wait;
        log.wait = (log.wait * 2).min(LONGEST_WAIT);
        tracing::warn!(
            event = "ct_log_failing",
            source = self.progress.source(),
            log = log.remote.log().description,
            %error
        );
        Ok(error)
    }
}
