//! Decides second by second which certificate starts when, along a curve and within all limits.

use super::bucket::{Bucket, Sliding};
use super::curve::rounded;
use super::demand::Piece;
use super::jobs::Jobs;
use super::queue::Queues;
use super::terms::{Terms, draw};
use crate::certificate::hash::unit;
use crate::math::number::{length, real, real_len, whole};
use crate::time::{MINUTE, Timestamp};

/// How a fleet is paced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace<'a> {
    /// As early as possible. What cannot be done this way cannot be done at all.
    AtOnce,
    /// This many done at the end of each piece.
    Curve(&'a [f64]),
}

/// The limits for all certificates together, apart from the catalogue.
#[derive(Clone, Debug)]
struct Gates {
    /// Orders per minute, parallel orders, and requests to the endpoint.
    rate: Option<Sliding>,
    under_way: Option<Sliding>,
    new_orders: Option<Bucket>,
}

/// Why a certificate was not scheduled.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Hindrance {
    /// Its window contains no open hour.
    Hours,
    /// The slots are full up to their ceilings.
    Ceiling,
    /// `maxRate`.
    Rate,
    /// `maxConcurrent`.
    UnderWay,
    /// The limit of requests per address.
    NewOrders,
    /// A limit of the catalogue.
    Limit(usize),
}

/// The result of dispatching.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) times: Vec<Option<Timestamp>>,
    /// The number in each piece.
    pub(super) counts: Vec<usize>,
    /// The certificates that were not scheduled, and why.
    pub(super) missed: Vec<(usize, Hindrance)>,
}

/// Dispatches a fleet.
pub(super) fn dispatch(
    terms: &Terms<'_>,
    jobs: &Jobs,
    pieces: &[Piece],
    pace: Pace<'_>,
) -> Outcome {
    let mut gates = Gates::new(terms);
    let mut queues = Queues::new(jobs);
    let mut times = vec![None; jobs.members.len()];
    let mut counts = vec![0; pieces.len()];
    let mut done = 0;
    let mut last = None;
    let mut full = false;
    for (at, piece) in pieces.iter().enumerate() {
        let wanted = match pace {
            Pace::AtOnce => jobs.members.len() - done,
            Pace::Curve(targets) => rounded(targets[at]).saturating_sub(done),
        };
        let room = if piece.most.is_finite() {
            length(whole(piece.most))
        } else {
            usize::MAX
        };
        full |= room < wanted;
        let quota = wanted.min(room);
        let mut now = piece.span.from;
        while counts[at] < quota {
            if let Pace::Curve(_) = pace {
                now = now.max(instant(terms.seed, at, piece, counts[at], quota));
            }
            let (open, gate) = gates.next(now);
            now = open;
            if now >= piece.span.to {
                last = gate.or(last);
                break;
            }
            queues.advance(now);
            if let Some(job) = queues.take(now) {
                gates.take(now);
                times[job] = Some(now);
                counts[at] += 1;
                done += 1;
                continue;
            }
            match queues.next_change() {
                Some(change) if change < piece.span.to => now = change.max(now + 1),
                _ => break,
            }
        }
    }
    let of_all = if full { Some(Hindrance::Ceiling) } else { last };
    let reason = |(job, limit): (usize, Option<usize>)| {
        let of_catalogue = limit.map(Hindrance::Limit);
        (job, of_catalogue.or(of_all).unwrap_or(Hindrance::Hours))
    };
    let missed = queues.left().into_iter().map(reason).collect();
    Outcome {
        times,
        counts,
        missed,
    }
}

/// The capacity of each piece: its own, limited by the rate and the parallel orders.
pub(super) fn most(terms: &Terms<'_>, pieces: &[Piece]) -> Vec<f64> {
    let gates = Gates::new(terms);
    let spans = [&gates.rate, &gates.under_way];
    let per_second = spans.into_iter().flatten().map(Sliding::per_second);
    let slowest = per_second.fold(f64::INFINITY, f64::min);
    let new_orders = terms.limits.new_orders();
    let of_piece = |piece: &Piece| {
        let seconds = piece.span.seconds();
        let requests = new_orders.map_or(f64::INFINITY, |rule| real(rule.within(seconds)));
        piece.most.min(slowest * real(seconds)).min(requests)
    };
    pieces.iter().map(of_piece).collect()
}

/// The `number`th of so many instants in a piece. Each equal part of the piece gets one, at a
/// random point, so that no second of the hour is preferred.
fn instant(seed: u128, at: usize, piece: &Piece, number: usize, of: usize) -> Timestamp {
    let salt = draw(seed, at.wrapping_mul(1 << 20).wrapping_add(number), 2);
    let place = (real_len(number) + unit(salt)) / real_len(of.max(1));
    let seconds = piece.span.seconds();
    piece.span.from + whole(place * real(seconds)).clamp(0, (seconds - 1).max(0))
}

impl Gates {
    fn new(terms: &Terms<'_>) -> Self {
        Self {
            rate: terms.max_per_minute.map(|rate| {
                // One in this many seconds, if the rate is below one a minute.
                if rate >= 1.0 {
                    Sliding::new(u32::try_from(whole(rate)).unwrap_or(u32::MAX), MINUTE)
                } else {
                    Sliding::new(1, whole((real(MINUTE) / rate.max(1e-6)).ceil()))
                }
            }),
            under_way: terms
                .max_concurrent
                .map(|most| Sliding::new(most, terms.order_seconds)),
            new_orders: terms.limits.new_orders().map(Bucket::full),
        }
    }

    /// The first instant from `now` on that all limits allow, and the limit that was reached last.
    fn next(&self, now: Timestamp) -> (Timestamp, Option<Hindrance>) {
        let of = |sliding: &Option<Sliding>| sliding.as_ref().map_or(now, |gate| gate.next(now));
        let gates = [
            (
                self.new_orders.as_ref().map_or(now, |gate| gate.next(now)),
                Hindrance::NewOrders,
            ),
            (of(&self.rate), Hindrance::Rate),
            (of(&self.under_way), Hindrance::UnderWay),
        ];
        let shut = gates.into_iter().filter(|(at, _)| *at > now);
        shut.max_by_key(|(at, _)| *at)
            .map_or((now, None), |(at, gate)| (at, Some(gate)))
    }

    fn take(&mut self, now: Timestamp) {
        for gate in [&mut self.rate, &mut self.under_way].into_iter().flatten() {
            gate.take(now);
        }
        if let Some(bucket) = &mut self.new_orders {
            bucket.take(now);
        }
    }
}
