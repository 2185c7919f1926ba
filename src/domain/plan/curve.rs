//! How many certificates should be done by when: the most level curve between the earliest possible
//! and the latest allowed one.
//!
//! If the axis counts room (the shares of the pieces) in place of time, a plan is a curve of
//! certificates done. It must stay above what is due and below what is released. Among all such
//! curves the taut string has the lowest level everywhere at once. Its slope is the water level,
//! which changes only at a deadline or a release. (Barlow, Bartholomew, Bremner, Brunk 1972. For
//! jobs with deadlines it is the schedule of Yao, Demers, Shenker 1995, if no window lies inside
//! another.)

use super::demand::Piece;
use crate::math::number::{length, real_len, whole};

/// Pieces that cannot take their share are limited to their capacity, and the rest is levelled
/// again. Each round fixes some of them. If any are left after the last round, the dispatcher
/// enforces their limits.
const MOST_ROUNDS: usize = 40;

/// The first and last piece, by index, in which a certificate may be done.
pub(super) type Range = (usize, usize);

/// How many should be done at the end of each piece. `ranges` has one entry for each certificate;
/// `most` is the capacity of each piece; `more` must be done by the end of a piece in addition to
/// those that are due.
pub(super) fn targets(
    pieces: &[Piece],
    most: &[f64],
    ranges: &[Range],
    more: &[usize],
) -> Vec<f64> {
    let (mut due, released) = counted(pieces.len(), ranges);
    let mut least = 0.0_f64;
    for ((due, more), released) in due.iter_mut().zip(more).zip(&released) {
        least = least.max(*due + real_len(*more));
        *due = least.min(*released);
    }
    let mut shares: Vec<f64> = pieces.iter().map(|piece| piece.share).collect();
    for _ in 0..MOST_ROUNDS {
        let string = taut(&shares, &due, &released);
        let mut held = false;
        let mut before = 0.0;
        for ((share, done), most) in shares.iter_mut().zip(&string).zip(most) {
            let part = done - before;
            before = *done;
            if part > most * (1.0 + 1e-6) + 1e-9 {
                *share *= most / part;
                held = true;
            }
        }
        if !held {
            return string;
        }
    }
    taut(&shares, &due, &released)
}

/// The numbers due and released by the end of each piece.
fn counted(pieces: usize, ranges: &[Range]) -> (Vec<f64>, Vec<f64>) {
    let mut due = vec![0_u32; pieces];
    let mut released = vec![0_u32; pieces];
    for (first, last) in ranges {
        released[*first] += 1;
        due[*last] += 1;
    }
    let summed = |counts: Vec<u32>| {
        let sum = |sum: &mut f64, count: u32| {
            *sum += f64::from(count);
            Some(*sum)
        };
        counts.into_iter().scan(0.0, sum).collect()
    };
    (summed(due), summed(released))
}

/// The shortest line from zero to the total that stays between `low` and `high` at the end of each
/// piece.
fn taut(shares: &[f64], low: &[f64], high: &[f64]) -> Vec<f64> {
    // A piece without room would have an infinite slope.
    let least = shares.iter().sum::<f64>() * 1e-12;
    let ends: Vec<f64> = shares
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share.max(least);
            Some(*sum)
        })
        .collect();
    let mut line = Vec::with_capacity(ends.len());
    let (mut x, mut y) = (0.0, 0.0);
    while line.len() < ends.len() {
        let bend = bend(&ends, low, high, line.len(), (x, y));
        let slope = (bend.1 - y) / (ends[bend.0] - x);
        for end in &ends[line.len()..bend.0] {
            line.push(y + slope * (end - x));
        }
        line.push(bend.1);
        (x, y) = (ends[bend.0], bend.1);
    }
    line
}

/// Where the line from a point must bend next: the end of which piece, and at which height.
fn bend(ends: &[f64], low: &[f64], high: &[f64], from: usize, (x, y): (f64, f64)) -> (usize, f64) {
    let mut steepest_low = (f64::NEG_INFINITY, from);
    let mut flattest_high = (f64::INFINITY, from);
    for at in from..ends.len() {
        let run = ends[at] - x;
        let (under, over) = ((low[at] - y) / run, (high[at] - y) / run);
        if under > flattest_high.0 {
            return (flattest_high.1, high[flattest_high.1]);
        }
        if over < steepest_low.0 {
            return (steepest_low.1, low[steepest_low.1]);
        }
        if under >= steepest_low.0 {
            steepest_low = (under, at);
        }
        if over <= flattest_high.0 {
            flattest_high = (over, at);
        }
    }
    let last = ends.len() - 1;
    (last, high[last].max(low[last]))
}

/// The integer nearest to a target.
pub(super) fn rounded(target: f64) -> usize {
    length(whole((target + 1e-6).round()))
}

/// The highest level of the pieces: certificates per unit of room.
pub(super) fn level(pieces: &[Piece], counts: &[usize]) -> f64 {
    let levels = pieces
        .iter()
        .zip(counts)
        .map(|(piece, count)| real_len(*count) / piece.share);
    levels.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{HOUR, Span, Timestamp};

    fn pieces(shares: &[f64]) -> Vec<Piece> {
        let from = Timestamp::from_unix(0);
        let piece = |share: &f64| Piece {
            span: Span {
                from,
                to: from + HOUR,
            },
            share: *share,
            most: f64::INFINITY,
        };
        shares.iter().map(piece).collect()
    }

    fn parts(shares: &[f64], most: &[f64], ranges: &[Range]) -> Vec<f64> {
        let mut before = 0.0;
        targets(&pieces(shares), most, ranges, &vec![0; shares.len()])
            .into_iter()
            .map(|done| {
                let part = done - before;
                before = done;
                (part * 100.0).round() / 100.0
            })
            .collect()
    }

    const FREE: [f64; 4] = [f64::INFINITY; 4];

    #[test]
    fn without_deadlines_parts_are_in_proportion() {
        let all = vec![(0, 3); 8];
        assert_eq!(
            parts(&[1.0, 2.0, 1.0, 4.0], &FREE, &all),
            [1.0, 2.0, 1.0, 4.0]
        );
    }

    #[test]
    fn a_deadline_raises_the_level_only_before_it() {
        let ranges = [vec![(0, 1); 8], vec![(0, 3); 4]].concat();
        assert_eq!(parts(&[1.0; 4], &FREE, &ranges), [4.0, 4.0, 2.0, 2.0]);
    }

    #[test]
    fn a_release_raises_it_only_behind_it() {
        let ranges = [vec![(0, 3); 2], vec![(2, 3); 8]].concat();
        assert_eq!(parts(&[1.0; 4], &FREE, &ranges), [1.0, 1.0, 4.0, 4.0]);
    }

    #[test]
    fn what_a_piece_cannot_take_is_levelled_over_the_others() {
        let most = [f64::INFINITY, 1.0, f64::INFINITY, f64::INFINITY];
        let all = vec![(0, 3); 10];
        assert_eq!(parts(&[1.0; 4], &most, &all), [3.0, 1.0, 3.0, 3.0]);
    }

    proptest! {
        #[test]
        fn it_stays_between_and_no_other_curve_is_lower(
            shares in prop::collection::vec(0.1..3.0_f64, 1..12),
            ends in prop::collection::vec((0_usize..12, 0_usize..12), 1..40),
        ) {
            let last = shares.len() - 1;
            let ranges: Vec<Range> = ends
                .iter()
                .map(|(a, b)| ((*a).min(*b).min(last), (*a).max(*b).min(last)))
                .collect();
            let free = vec![f64::INFINITY; shares.len()];
            let line = targets(&pieces(&shares), &free, &ranges, &vec![0; shares.len()]);
            let (due, released) = counted(shares.len(), &ranges);
            for at in 0..shares.len() {
                prop_assert!(line[at] >= due[at] - 1e-9 && line[at] <= released[at] + 1e-9);
            }
            let mut highest = 0.0_f64;
            let mut before = 0.0;
            for (share, done) in shares.iter().zip(&line) {
                highest = highest.max((done - before) / share);
                before = *done;
            }
            // Any curve must rise from what was released before a span to what is due in it.
            let mut floor = 0.0_f64;
            for from in 0..shares.len() {
                for to in from..shares.len() {
                    let low = if from == 0 { 0.0 } else { released[from - 1] };
                    let room: f64 = shares[from..=to].iter().sum();
                    floor = floor.max((due[to] - low) / room);
                }
            }
            prop_assert!((highest - floor).abs() < 1e-6 * (1.0 + floor), "{highest} {floor}");
        }
    }
}
