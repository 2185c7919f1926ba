//! Where a log is begun, and how much of it is read.

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

/// Blocks that are looked at to find an instant in a log: bisection of 2^40 leaves takes 32 steps, and
/// guessing by the log's growth every other time far fewer.
const MOST_LOOKS: u32 = 40;

/// How often a log is asked whether it has grown. A full tile of a busy log takes a second, of a quiet
/// one an hour; and an hour is what the map tells apart.
pub(super) const LOOK_EVERY: Duration = Duration::from_mins(1);

/// A log is asked for its tree once an hour at least: an hour is what the map tells apart.
const MOST_BETWEEN_LOOKS: Duration = Duration::from_hours(1);

/// A beginning this near to what was asked for is near enough.
const NEAR_SECONDS: i64 = HOUR;

/// What a log shows of itself in a few blocks.
#[derive(Debug)]
pub struct Sight {
    /// How it grows.
    pub growth: Growth,
    /// Its newest block.
    pub newest: Vec<Logged>,
}

/// Looks at a log: its newest block, and one of about a day before.
///
/// # Errors
/// [`SourceError`]; and where it has not a block.
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

/// The place at which a new source begins to read a log: as far back as configured, and every block or a
/// sample of them. `None`: the log has no block yet.
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
    // With the look: the tree, and the hashes that prove it and the block.
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

/// How what lies more than a day back is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Backfill {
    /// Every so many-th block: the coarsest that leaves one for each hour, which is what the map tells apart.
    every: u64,
    /// The newest share of the time that was asked for: what fits into the budget of one day so.
    share: f64,
}

impl Backfill {
    /// Of so many octets that a day's reading of the log may take.
    fn within(budget: f64, growth: Growth, seconds: i64) -> Self {
        let every = growth.every_within(budget);
        let days = real(seconds.max(1)) / real(DAY);
        // So that all of it fits, and so that each hour has a block.
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

/// The block that is to be read next: the last of the next `every` ones, and of fewer of those that lie more than
/// a day back.
pub(super) fn to_be_read(place: &Place, config: &CtConfig, now: Timestamp) -> u64 {
    let is_behind = config.budget_octets_per_day.is_some() && now - place.until > DAY;
    // As an earlier version began it: all that lies behind within one day's budget.
    let days = u64::try_from(config.backfill_seconds / DAY).unwrap_or(1);
    let fitting = place.every.saturating_mul(days.max(1));
    let every = if is_behind {
        place.every_behind.unwrap_or(fitting)
    } else {
        place.every
    };
    place.next + every.max(1) - 1
}

/// How long a log need not be asked for its tree, which lacks so many leaves of the block that is to be read
/// next and has grown by so many in the time since: as long as it takes at that pace, or as long as it has
/// been quiet; between a minute and an hour.
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

/// The block that follows an instant, and what lies before it in time.
#[derive(Clone, Copy, Debug)]
struct Begin {
    next: u64,
    until: Timestamp,
}

/// The first block that ends after an instant, as near as need be; behind the newest one where all end
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
            // As if it had grown evenly between the two.
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

/// The first and the last instant of a block's leaves, in whole seconds.
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
        // 240 tiles a day, of which 100 fit: one in three, and a block an hour is every tenth. Of 14 days
        // with a 42nd each would fit, of the last 3.3 days those with a tenth do.
        let told = Backfill::within(40e6, growth(240.0), 14 * DAY);
        assert_eq!(told.every, 10);
        assert!((told.share - 10.0 / 42.0).abs() < 0.01, "{told:?}");
        // Of one day as much as of what is followed.
        let told = Backfill::within(40e6, growth(240.0), DAY);
        assert_eq!((told.every, told.share), (3, 1.0));
        // A budget that has not a block an hour: as much as is followed, of a day.
        let told = Backfill::within(4e6, growth(240.0), 14 * DAY);
        assert_eq!(told.every, growth(240.0).every_within(4e6));
        assert!((told.share - 1.0 / 14.0).abs() < 0.001, "{told:?}");
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
            // Quiet: as long again.
            (1_000, 0, 7, 7),
            (1_000, 0, 0, 1),
            (1_000, 0, 1_000, 60),
        ] {
            let told = next_look(missing, grown, minutes(since));
            assert_eq!(told, minutes(wait), "{missing} {grown} {since}");
        }
    }
}
