//! Where a log is begun, and how much of it is read.

use super::super::fetch::Fetcher;
use super::super::progress::SourceError;
use super::count::Logged;
use super::cursor::Place;
use super::remote::{Block, RemoteLog};
use crate::config::CtConfig;
use crate::domain::math::number::{real, real_len};
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::domain::transparency::checkpoint::SignedTree;
use crate::domain::transparency::sample::Growth;
use crate::domain::transparency::tile::WIDTH;

/// Blocks that are looked at to find an instant in a log: bisection of 2^40 leaves takes 32 steps, and
/// guessing by the log's growth every other time far fewer.
const MOST_LOOKS: u32 = 40;

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
    let (_, end) = times(&newest).ok_or_else(empty)?;
    let begin = at(remote, fetcher, tree, (last, &newest), end - DAY).await?;
    let leaves = newest.leaves();
    Ok(Sight {
        growth: growth(begin, (last, end), newest.octets),
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
    let Some((_, end)) = times(&newest) else {
        return Ok(None);
    };
    let wanted = now - config.backfill_seconds;
    let begin = at(remote, fetcher, tree, (last, &newest), wanted).await?;
    let every = config.budget_octets_per_day.map_or(1, |budget| {
        let budget = real(i64::try_from(budget).unwrap_or(i64::MAX));
        let growth = growth(begin, (last, end), newest.octets);
        growth.every_within(budget / real_len(logs.max(1)))
    });
    Ok(Some(Place::new(
        tree.size,
        &tree.root,
        begin.next,
        begin.until,
        every,
    )))
}

/// The block that is to be read next: the last of the next `every` ones. Of what lies more than a day
/// back so much less is read that all of it fits into the budget of one day.
pub(super) fn to_be_read(place: &Place, config: &CtConfig, now: Timestamp) -> u64 {
    let behind = config.budget_octets_per_day.is_some() && now - place.until > DAY;
    let days = u64::try_from(config.backfill_seconds / DAY).unwrap_or(1);
    let fewer = if behind { days.max(1) } else { 1 };
    place.next + place.every.saturating_mul(fewer).max(1) - 1
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
