//! Where reading a log begins, and how much of it is read.

use std::time::Duration;

use super::super::fetch::Fetcher;
use super::super::progress::SourceError;
use super::count::Logged;
use super::cursor::Place;
use super::remote::{Block, RemoteLog};
use crate::config::CtConfig;
use crate::domain::math::number::{real, real_len, whole};
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::sample::Growth;
use crate::domain::transparency::tile::WIDTH;

/// The most blocks read to find an instant in a log. Bisection of 2^40 leaves takes 32 steps;
/// alternating it with interpolation takes far fewer.
const MOST_LOOKS: u32 = 40;

/// How often a log is checked for growth. A tile of a busy log fills in a second, of a quiet one in
/// an hour, and an hour is the resolution of the map.
pub(super) const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A log's tree is requested at least once an hour, the resolution of the map.
const MOST_BETWEEN_LOOKS: Duration = Duration::from_hours(1);

/// A start within this time of the requested one is close enough.
const NEAR_SECONDS: i64 = HOUR;

/// What a few blocks show about a log.
#[derive(Debug)]
pub struct Sight {
    /// Its growth.
    pub growth: Growth,
    /// Its newest block.
    pub newest: Vec<Logged>,
}

/// Examines a log: its newest block, and one of about a day before.
///
/// # Errors
/// [`SourceError`], also if it has no complete block.
pub async fn look(
    remote: &mut RemoteLog,
    fetcher: &Fetcher,
    tree: &SignedTree,
) -> Result<Sight, SourceError> {
    let empty = || SourceError::Wrong("the log has not 256 entries yet".to_owned());
    let last = (tree.size / WIDTH).checked_sub(1).ok_or_else(empty)?;
    let newest = remote.block(fetcher, last, tree).await?;
    let cost = remote.taken();
    let (_, end) = times(&newest).ok_or_else(empty)?;
    let begin = at(remote, fetcher, tree, (last, &newest), end - DAY).await?;
    let leaves = newest.leaves();
    Ok(Sight {
        growth: growth(begin, (last, end), cost),
        newest: leaves.iter().filter_map(Logged::of).collect(),
    })
}

/// The position at which a new source begins to read a log: as far back as configured, and every
/// block or a sample. `None` if the log has no block yet.
pub(super) async fn place(
    remote: &mut RemoteLog,
    fetcher: &Fetcher,
    tree: &SignedTree,
    config: &CtConfig,
    logs: usize,
    now: Timestamp,
) -> Result<Option<Place>, SourceError> {
    let Some(last) = (tree.size / WIDTH).checked_sub(1) else {
        return Ok(None);
    };
    let newest = remote.block(fetcher, last, tree).await?;
    // Including the tree, and the hashes that prove it and the block.
    let cost = remote.taken();
    let Some((_, end)) = times(&newest) else {
        return Ok(None);
    };
    let wanted = now - config.backfill_seconds;
    let begin = at(remote, fetcher, tree, (last, &newest), wanted).await?;
    let mut place = Place::new((tree.size, &tree.root), (begin.next, begin.until));
    if let Some(budget) = config.budget_octets_per_day {
        let budget = real(i64::try_from(budget).unwrap_or(i64::MAX)) / real_len(logs.max(1));
        let growth = growth(begin, (last, end), cost);
        let backfill = Backfill::within(budget, growth, config.backfill_seconds);
        place.every = growth.every_within(budget);
        place.every_behind = Some(backfill.every);
        let blocks = real(i64::try_from(last.saturating_sub(begin.next)).unwrap_or(0));
        let skipped = truncated(blocks * (1.0 - backfill.share));
        if skipped > 0 {
            let before = remote
                .block(fetcher, place.next + skipped - 1, tree)
                .await?;
            if let Some((_, until)) = times(&before) {
                place.next += skipped;
                place.until = until;
            }
        }
    }
    Ok(Some(place))
}

/// How blocks more than a day old are read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Backfill {
    /// Every n-th block: the largest n that leaves a block in each hour, the resolution of the map.
    every: u64,
    /// The most recent share of the requested time that fits into one day's budget.
    share: f64,
}

impl Backfill {
    /// From the octets that a day's reading of the log may take.
    fn within(budget: f64, growth: Growth, seconds: i64) -> Self {
        let every = growth.every_within(budget);
        let days = real(seconds.max(1)) / real(DAY);
        // So that all of it fits, and each hour has a block.
        let fitting = real(every.cast_signed()) * days.max(1.0);
        let hourly = (growth.tiles_per_day / 24.0).max(real(every.cast_signed()));
        if fitting <= hourly {
            let every = truncated(fitting).max(1);
            return Self { every, share: 1.0 };
        }
        Self {
            every: truncated(hourly).max(1),
            share: hourly / fitting,
        }
    }
}

fn truncated(number: f64) -> u64 {
    u64::try_from(whole(number.floor())).unwrap_or(0)
}

/// The next block to read: the last of the next `every` ones, or of a smaller number for blocks
/// more than a day old.
pub(super) fn to_be_read(place: &Place, config: &CtConfig, now: Timestamp) -> u64 {
    let is_behind = config.budget_octets_per_day.is_some() && now - place.until > DAY;
    // As started by an earlier version: the whole past within one day's budget.
    let days = u64::try_from(config.backfill_seconds / DAY).unwrap_or(1);
    let fitting = place.every.saturating_mul(days.max(1));
    let every = if is_behind {
        place.every_behind.unwrap_or(fitting)
    } else {
        place.every
    };
    place.next + every.max(1) - 1
}

/// How long the log's tree need not be requested, if it lacks this many leaves of the next block to
/// read, and has grown by `grown` in the time `since`. That is the time needed at this rate, or as
/// long as it has been quiet; between a minute and an hour.
pub(super) fn next_look(missing: u64, grown: u64, since: Duration) -> Duration {
    let wait = if missing == 0 {
        Duration::ZERO
    } else if grown == 0 {
        since
    } else {
        let leaves = |number: u64| real(i64::try_from(number).unwrap_or(i64::MAX));
        since.mul_f64((leaves(missing) / leaves(grown)).min(1e6))
    };
    wait.clamp(LOOK_EVERY, MOST_BETWEEN_LOOKS)
}

/// The first block after an instant, and the time up to which earlier blocks reach.
#[derive(Clone, Copy, Debug)]
struct Begin {
    next: u64,
    until: Timestamp,
}

/// The first block that ends after an instant, approximately; the one after the newest if all end
/// before.
async fn at(
    remote: &mut RemoteLog,
    fetcher: &Fetcher,
    tree: &SignedTree,
    (last, newest): (u64, &Block),
    wanted: Timestamp,
) -> Result<Begin, SourceError> {
    let empty = || SourceError::Wrong("a block of it is empty".to_owned());
    let (newest_start, end) = times(newest).ok_or_else(empty)?;
    if end <= wanted {
        let next = last + 1;
        return Ok(Begin { next, until: end });
    }
    let first = if last == 0 {
        (newest_start, end)
    } else {
        times(&remote.block(fetcher, 0, tree).await?).ok_or_else(empty)?
    };
    if first.1 > wanted {
        let until = first.0;
        return Ok(Begin { next: 0, until });
    }
    let (mut low, mut high) = ((0, first.1), (last, end));
    let mut guess = true;
    for _ in 0..MOST_LOOKS {
        if high.0 - low.0 <= 1 || wanted - low.1 <= NEAR_SECONDS {
            break;
        }
        let between = high.0 - low.0;
        let middle = if guess {
            // Assuming even growth between the two.
            let ahead = u64::try_from(wanted - low.1).unwrap_or(0);
            let whole = u64::try_from(high.1 - low.1).unwrap_or(1).max(1);
            let guessed = u128::from(between) * u128::from(ahead) / u128::from(whole);
            u64::try_from(guessed).unwrap_or(between)
        } else {
            between / 2
        };
        guess = !guess;
        let number = low.0 + middle.clamp(1, between - 1);
        let block = remote.block(fetcher, number, tree).await?;
        let (_, ends) = times(&block).ok_or_else(empty)?;
        if ends <= wanted {
            low = (number, ends);
        } else {
            high = (number, ends);
        }
    }
    Ok(Begin {
        next: low.0 + 1,
        until: low.1,
    })
}

fn growth(begin: Begin, (last, end): (u64, Timestamp), octets_per_tile: u64) -> Growth {
    let leaves = (last + 1).saturating_sub(begin.next) * WIDTH;
    let octets = real(i64::try_from(octets_per_tile).unwrap_or(i64::MAX));
    Growth::of(leaves, real((end - begin.until).max(1)), octets)
}

/// The first and last instant of a block's leaves, in whole seconds.
fn times(block: &Block) -> Option<(Timestamp, Timestamp)> {
    let leaves = block.leaves();
    let seconds = |ms: u64| Some(Timestamp::from_unix(i64::try_from(ms / 1_000).ok()?));
    let times = || leaves.iter().map(|leaf| leaf.timestamp_ms);
    Some((seconds(times().min()?)?, seconds(times().max()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backfill_leaves_a_block_for_each_hour() {
        let growth = |tiles_per_day| Growth {
            tiles_per_day,
            octets_per_tile: 400_000.0,
        };
        // 240 tiles a day, of which 100 fit: one in three. A block an hour is every tenth. Of 14
        // days, every 42nd would fit; of the last 3.3 days, every tenth fits.
        let chosen = Backfill::within(40e6, growth(240.0), 14 * DAY);
        assert_eq!(chosen.every, 10);
        assert!((chosen.share - 10.0 / 42.0).abs() < 0.01, "{chosen:?}");
        // For one day, the same as for new blocks.
        let chosen = Backfill::within(40e6, growth(240.0), DAY);
        assert_eq!((chosen.every, chosen.share), (3, 1.0));
        // A budget below a block an hour: the same as for new blocks, for a day.
        let chosen = Backfill::within(4e6, growth(240.0), 14 * DAY);
        assert_eq!(chosen.every, growth(240.0).every_within(4e6));
        assert!((chosen.share - 1.0 / 14.0).abs() < 0.001, "{chosen:?}");
    }

    #[test]
    fn a_log_is_asked_for_its_tree_when_its_next_block_is_due() {
        let minutes = |number| Duration::from_mins(number);
        for (missing, grown, since, wait) in [
            // It has one now.
            (0, 0, 5, 1),
            // 100 leaves a minute: 1,000 more in ten.
            (1_000, 500, 5, 10),
            (50, 500, 5, 1),
            (1_000_000, 1, 5, 60),
            // Quiet: wait as long again.
            (1_000, 0, 7, 7),
            (1_000, 0, 0, 1),
            (1_000, 0, 1_000, 60),
        ] {
            let chosen = next_look(missing, grown, minutes(since));
            assert_eq!(chosen, minutes(wait), "{missing} {grown} {since}");
        }
    }
}
