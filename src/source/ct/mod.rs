//! `kind = "ct"`: issuance as seen in Certificate Transparency logs.
//!
//! Logs are read in blocks of 256 leaves, which are the data tiles of static logs: every block, or
//! every n-th if a budget requires it. Each certificate counts in the minute of the log's
//! timestamp. In a sample each stands for n, spread evenly over the time since the previous block.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::Instant;

use super::fetch::Fetcher;
use super::progress::{Batch, Progress, SourceError};
use crate::config::CtConfig;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{DAY, Timestamp};
use crate::domain::transparency::list::{self, Log};
use crate::domain::transparency::tile::WIDTH;

mod count;
mod cursor;
mod followed;
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
use followed::Followed;
use precision::Precision;

/// The pause between two requests to one operator. The published limits of large operators begin at
/// about 20 a second per address.
pub const PAUSE: Duration = Duration::from_millis(200);

/// How often the list of logs is fetched again. A new shard is listed weeks before it accepts
/// certificates.
const LIST_EVERY: Duration = Duration::from_hours(24);

/// The largest list; a list of all logs has about 100 kB.
const MOST_LIST_OCTETS: usize = 4 << 20;

/// The configured logs, from their list.
///
/// # Errors
/// [`SourceError`].
pub async fn logs(
    fetcher: &Fetcher,
    config: &CtConfig,
    now: Timestamp,
) -> Result<Vec<Log>, SourceError> {
    let place = &config.log_list;
    let is_ours = !is_http(place);
    let url = if is_ours {
        format!("file://{place}")
    } else {
        place.clone()
    };
    let octets = fetcher
        .get_configured("the list of logs", &url, MOST_LIST_OCTETS)
        .await?;
    let found = list::logs(&octets, &config.logs, now)
        .map_err(|error| SourceError::Wrong(format!("{place}: {error}")))?;
    // A local list may name a folder of tiles; a remote list must not name our files.
    match found.iter().find(|log| !is_ours && !is_http(&log.url)) {
        Some(log) => Err(SourceError::Wrong(format!(
            "{place}: the log {:?} is at {}, which is no http(s) URL",
            log.description, log.url
        ))),
        None => Ok(found),
    }
}

fn is_http(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

/// Follows logs as long as any of them can be read.
pub(super) async fn read(
    progress: Progress,
    ca: Option<&CaName>,
    config: &CtConfig,
) -> Result<Infallible, SourceError> {
    let fetcher = Fetcher::new(&config.contact, PAUSE)?;
    let logs = logs(&fetcher, config, progress.now()).await?;
    let mut following = Following::new(progress, ca, config, logs).await?;
    let mut listed = Instant::now();
    loop {
        if listed.elapsed() > LIST_EVERY {
            listed = Instant::now();
            let now = following.progress.now();
            match self::logs(&fetcher, config, now).await {
                Ok(logs) => following.take_up(logs),
                // The present list is good for another day.
                Err(error) => tracing::warn!(event = "ct_log_list_failing", %error),
            }
        }
        following.look(&fetcher).await?;
        while following.read_next(&fetcher).await? {}
        tokio::time::sleep(start::LOOK_EVERY).await;
    }
}

/// Reads everything that the logs have now.
pub(super) async fn read_once(
    progress: Progress,
    ca: Option<&CaName>,
    config: &CtConfig,
) -> Result<(), SourceError> {
    let fetcher = Fetcher::new(&config.contact, PAUSE)?;
    let logs = logs(&fetcher, config, progress.now()).await?;
    let mut following = Following::new(progress, ca, config, logs).await?;
    following.look(&fetcher).await?;
    while following.read_next(&fetcher).await? {}
    Ok(())
}

struct Following {
    progress: Progress,
    cursor: Cursor,
    counter: Counter,
    config: CtConfig,
    logs: Vec<Followed>,
    precision: Precision,
    /// Whether logs were read before this process started.
    resumed: bool,
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
                "{of} has `issuers`: they say which certificates in logs are the CA's"
            )));
        }
        let cursor: Cursor = progress.cursor()?;
        Ok(Self {
            resumed: !cursor.logs.is_empty(),
            cursor,
            progress,
            counter,
            config: config.clone(),
            logs: logs.into_iter().map(Followed::new).collect(),
            precision: Precision::default(),
        })
    }

    /// Adds logs that are new in the list, and drops those no longer listed.
    fn take_up(&mut self, logs: Vec<Log>) {
        let mut known = std::mem::take(&mut self.logs);
        for log in logs {
            let place = known.iter().position(|one| *one.remote.log() == log);
            let followed = place.map_or_else(|| Followed::new(log), |at| known.swap_remove(at));
            self.logs.push(followed);
        }
        // Its indexes are those of the previous logs.
        self.precision = Precision::default();
    }

    /// Requests the tree of every log. A log that fails is left alone for a while; if all fail, so
    /// does the source.
    async fn look(&mut self, fetcher: &Fetcher) -> Result<(), SourceError> {
        let mut failure = None;
        let mut well = false;
        for number in 0..self.logs.len() {
            if !self.logs[number].is_to_be_looked_at() {
                continue;
            }
            match self.look_at(number, fetcher).await {
                Ok(()) => {
                    self.pace(number);
                    well = true;
                }
                Err(error) => failure = Some(self.hold(number, error)?),
            }
        }
        self.report_failing();
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
        // An older tree from a cache is neither news nor a contradiction.
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
            let mut config = self.config.clone();
            if self.resumed {
                // Earlier certificates in a new shard were counted in other logs, and are known for
                // two days.
                config.backfill_seconds = config.backfill_seconds.min(DAY);
            }
            let place = start::place(remote, fetcher, &shown, &config, logs, now);
            let Some(place) = place.await? else {
                // There is no block yet, so nothing is lost by starting later.
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

    /// With a budget, requests for the tree count too. Schedules the next one when the log should
    /// have the next block to read.
    fn pace(&mut self, number: usize) {
        let log = &mut self.logs[number];
        let place = self.cursor.logs.get(&log.remote.id());
        if let (Some(place), Some(_)) = (place, self.config.budget_octets_per_day) {
            log.pace(start::to_be_read(place, &self.config, self.progress.now()));
        }
    }

    /// Reads a block from the log that is furthest behind, so that all logs advance together.
    /// Returns whether there was one.
    async fn read_next(&mut self, fetcher: &Fetcher) -> Result<bool, SourceError> {
        let furthest_behind = (0..self.logs.len())
            .filter(|number| self.logs[*number].is_asked())
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

    /// The time up to which a log has been read, if it has another block to read.
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
        // In a sample hardly any certificate occurs twice, and skipped ones cannot be known.
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
        self.logs[number].went_well();
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

    /// The time up to which all logs have been read.
    fn through(&self) -> Option<Timestamp> {
        let until = |log: &Followed| Some(self.cursor.logs.get(&log.remote.id())?.until);
        self.logs.iter().filter_map(until).min()
    }

    /// Reports how many of the logs are left alone now.
    fn report_failing(&self) {
        let failing = self.logs.iter().filter(|log| !log.is_asked()).count();
        let engine = self.progress.engine();
        engine.source_logs_failing(self.progress.source(), failing as u64);
    }

    /// Leaves a failed log alone for a while. Errors that are not the log's fault are returned at
    /// once.
    fn hold(&mut self, number: usize, error: SourceError) -> Result<SourceError, SourceError> {
        if !matches!(error, SourceError::Fetch(_) | SourceError::Wrong(_)) {
            return Err(error);
        }
        let log = &mut self.logs[number];
        log.failed(error.retry_after());
        tracing::warn!(
            event = "ct_log_failing",
            source = self.progress.source(),
            log = log.remote.log().description,
            %error
        );
        self.report_failing();
        Ok(error)
    }
}
