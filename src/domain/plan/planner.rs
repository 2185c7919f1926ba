//! Plans a fleet: the curve, the dispatcher along it, and the repair if some certificates miss
//! their deadline.

use super::curve::{self, Range};
use super::demand::Piece;
use super::dispatch::{Outcome, Pace, dispatch, most};
use super::jobs::Jobs;
use super::refusal::{Refusal, refuse};
use super::terms::{Renewal, Terms};
use crate::math::number::real_len;
use crate::time::{Span, Timestamp};

/// The curve knows how many are due, but not which. If windows lie inside others, or buckets cause
/// delays, some certificates miss. In each of these rounds the curve is raised by the number of
/// misses of the previous round, this many pieces before they were due.
const ROUNDS: [usize; 8] = [0, 0, 0, 1, 1, 3, 8, 24];

/// A time for each certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The times, in the order of the fleet.
    pub times: Vec<Timestamp>,
    /// The slots with planned certificates, in order.
    pub slots: Vec<PlannedSlot>,
    /// Whether limits leave no choice. Then everything comes as early as they allow, and not level.
    pub as_early_as_limits_allow: bool,
    /// The part of the plan in the present slot.
    pub(crate) current: Current,
}

/// The plan for one slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedSlot {
    /// When it begins.
    pub start: Timestamp,
    /// The number of certificates.
    pub count: usize,
    /// Its level: `count` divided by its room, relative to the highest slot.
    pub level: f64,
}

/// The plan from now to the end of the slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Current {
    pub(crate) count: usize,
    /// The open seconds left in it.
    pub(crate) seconds: i64,
}

/// Plans a fleet.
///
/// # Errors
/// [`Refusal`] if it is impossible, with the limit that prevents it.
pub fn plan(terms: &Terms<'_>, fleet: &[Renewal]) -> Result<Plan, Box<Refusal>> {
    let jobs = Jobs::new(fleet, terms.limits, terms.usual_window(), terms.seed, 1);
    let pieces = terms
        .demand
        .pieces(jobs.ahead(terms), jobs.shortest_seconds());
    let ranges = ranges(&pieces, &jobs);
    if let Some(ranges) = ranges.into_iter().collect::<Option<Vec<Range>>>()
        && let Some(outcome) = levelled(terms, &jobs, &pieces, &ranges)
    {
        return Ok(finished(terms, &pieces, outcome, false));
    }
    let outcome = dispatch(terms, &jobs, &pieces, Pace::AtOnce);
    if outcome.missed.is_empty() {
        return Ok(finished(terms, &pieces, outcome, true));
    }
    Err(Box::new(refuse(terms, fleet, outcome.missed)))
}

/// Follows the most level curve without misses; `None` if none is found.
fn levelled(terms: &Terms<'_>, jobs: &Jobs, pieces: &[Piece], ranges: &[Range]) -> Option<Outcome> {
    let most = most(terms, pieces);
    let mut more = vec![0; pieces.len()];
    for earlier in ROUNDS {
        let targets = curve::targets(pieces, &most, ranges, &more);
        let outcome = dispatch(terms, jobs, pieces, Pace::Curve(&targets));
        if outcome.missed.is_empty() {
            return Some(outcome);
        }
        for (job, _) in outcome.missed {
            let (first, last) = ranges[job];
            more[last.saturating_sub(earlier).max(first)] += 1;
        }
    }
    None
}

/// The first and last piece entirely inside each window. If there is none, those that touch it.
/// `None` if the window has no open piece.
fn ranges(pieces: &[Piece], jobs: &Jobs) -> Vec<Option<Range>> {
    let range = |window: Span| {
        let first = pieces.partition_point(|piece| piece.span.from < window.from);
        let end = pieces.partition_point(|piece| piece.span.to <= window.to);
        if first < end {
            return Some((first, end - 1));
        }
        let first = pieces.partition_point(|piece| piece.span.to <= window.from);
        let end = pieces.partition_point(|piece| piece.span.from < window.to);
        (first < end).then(|| (first, end - 1))
    };
    jobs.members.iter().map(|job| range(job.window)).collect()
}

fn finished(terms: &Terms<'_>, pieces: &[Piece], outcome: Outcome, early: bool) -> Plan {
    let slot_seconds = terms.demand.slot_seconds();
    let highest = curve::level(pieces, &outcome.counts);
    let mut slots: Vec<(i64, usize, f64)> = Vec::new();
    for (piece, count) in pieces.iter().zip(&outcome.counts) {
        let number = piece.span.from.slot(slot_seconds);
        match slots.last_mut() {
            Some(slot) if slot.0 == number => {
                slot.1 += count;
                slot.2 += piece.share;
            }
            _ => slots.push((number, *count, piece.share)),
        }
    }
    let now = terms.now.slot(slot_seconds);
    let mut current = Current::default();
    for (piece, count) in pieces.iter().zip(&outcome.counts) {
        if piece.span.from.slot(slot_seconds) == now {
            current.count += count;
            current.seconds += piece.span.seconds();
        }
    }
    Plan {
        times: outcome.times.into_iter().flatten().collect(),
        slots: slots
            .into_iter()
            .filter(|(_, count, _)| *count > 0)
            .map(|(number, count, share)| PlannedSlot {
                start: Timestamp::from_unix(number * slot_seconds),
                count,
                level: real_len(count) / share / highest,
            })
            .collect(),
        as_early_as_limits_allow: early,
        current,
    }
}
