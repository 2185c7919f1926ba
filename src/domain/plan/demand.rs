//! The room for a fleet in each future slot, given the expected load.

use chrono_tz::Tz;

use crate::ledger::forecast::SlotOutlook;
use crate::math::number::{length, real, real_len, signed};
use crate::math::waterfill;
use crate::publication::best_time::{ClockSpan, Ranking, open_within};
use crate::time::{HOUR, MINUTE, Span, Timestamp};

/// A fleet is poured as if it had at least this share of the CA's mean load. Otherwise a small
/// fleet would go into the quietest hour alone, and so would the next one. The ranking uses the
/// same share.
const LEAST_SHARE: f64 = 0.5;

/// An hour above the water level is busy, not closed. A certificate without another choice may use
/// it, so it gets a tenth of the mean, as in the ranking.
const LEAST_OF_MEAN: f64 = 0.1;

/// The most pieces of time: a year of hours, or a week of minutes. Computing a curve takes time
/// proportional to its square at worst, 0.1 s.
const MOST_PIECES: i64 = 10_080;

/// The possible lengths of pieces, in seconds; each divides the longer ones.
const PIECE_SECONDS: [i64; 5] = [HOUR, 30 * MINUTE, 15 * MINUTE, 5 * MINUTE, MINUTE];

/// The share of a fleet that each future slot should take, and its capacity.
#[derive(Clone, Debug)]
pub struct Demand {
    slot_seconds: i64,
    /// The number of the first slot, counted from 1970.
    first: i64,
    slots: Vec<Room>,
    /// This many of the last slots repeat after the end.
    repeated: usize,
    closed: Vec<Span>,
    allow: Vec<ClockSpan>,
    zone: Tz,
}

/// The room in a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Room {
    /// Its share, relative to the other slots.
    share: f64,
    /// The most certificates; infinite if unknown.
    most: f64,
}

/// A span within one slot in which times may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) span: Span,
    /// Its share, relative to the other pieces.
    pub(super) share: f64,
    /// The most certificates.
    pub(super) most: f64,
}

impl Demand {
    /// From the weights of a published ranking, repeated daily. The spans it says to avoid are
    /// closed.
    #[must_use]
    pub fn of_ranking(ranking: &Ranking) -> Self {
        let room = |weight: f64| Room {
            share: weight,
            most: f64::INFINITY,
        };
        Self {
            slot_seconds: ranking.slot_seconds(),
            first: 0,
            slots: ranking.slots.iter().map(|slot| room(slot.weight)).collect(),
            repeated: ranking.slots.len(),
            closed: ranking.avoid.clone(),
            allow: Vec::new(),
            zone: Tz::UTC,
        }
    }

    /// Unknown demand: all hours are equal.
    #[must_use]
    pub fn even() -> Self {
        Self {
            slot_seconds: HOUR,
            first: 0,
            slots: vec![
                Room {
                    share: 1.0,
                    most: f64::INFINITY
                };
                24
            ],
            repeated: 24,
            closed: Vec::new(),
            allow: Vec::new(),
            zone: Tz::UTC,
        }
    }

    /// From a CA's own forecast: `certificates` are poured over the expected load, below the
    /// ceilings. `mean` is the mean load in certificates a slot. After the end of the forecast its
    /// last week repeats, or all of it if it is shorter.
    #[must_use]
    pub fn of_forecast(slots: &[SlotOutlook], mean: Option<f64>, certificates: usize) -> Self {
        let Some(first) = slots.first() else {
            return Self::even();
        };
        let slot_seconds = first.span.seconds().max(1);
        let base: Vec<f64> = slots.iter().map(|slot| slot.load.expected()).collect();
        let most: Vec<f64> = slots.iter().map(most_of).collect();
        let open: Vec<f64> = slots.iter().map(|slot| slot.capacity.share).collect();
        let least = mean.unwrap_or(0.0) * LEAST_SHARE * real_len(slots.len());
        let poured = waterfill::fill_shares(&base, &most, &open, least.max(real_len(certificates)));
        let total: f64 = poured.iter().sum();
        let floor = total * LEAST_OF_MEAN / real_len(slots.len());
        let shares: Vec<f64> = if total > 0.0 {
            let shares = poured.iter().zip(&open);
            shares
                .map(|(poured, open)| poured.max(floor * open))
                .collect()
        } else {
            open
        };
        let a_week = length(7 * 24 * HOUR / slot_seconds);
        let whole_days = length(24 * HOUR / slot_seconds).max(1);
        let repeated = if slots.len() >= a_week {
            a_week
        } else {
            (slots.len() / whole_days * whole_days).max(slots.len().min(whole_days))
        };
        Self {
            slot_seconds,
            first: first.span.from.slot(slot_seconds),
            slots: shares
                .into_iter()
                .zip(most)
                .map(|(share, most)| Room { share, most })
                .collect(),
            repeated,
            closed: Vec::new(),
            allow: Vec::new(),
            zone: Tz::UTC,
        }
    }

    /// The same without slots in which the CA fails day by day, as long as others remain.
    #[must_use]
    pub fn avoiding(mut self, failing: &[bool]) -> Self {
        let fails = |number: usize| failing.get(number).copied().unwrap_or(false);
        let mut left = self.slots.iter().enumerate();
        if left.any(|(number, room)| !fails(number) && room.share > 0.0) {
            for (number, room) in self.slots.iter_mut().enumerate() {
                if fails(number) {
                    room.share = 0.0;
                }
            }
        }
        self
    }

    /// The same, limited to these hours of the local day in `zone`; if there are none, all hours.
    #[must_use]
    pub fn allowing(self, allow: Vec<ClockSpan>, zone: Tz) -> Self {
        Self {
            allow,
            zone,
            ..self
        }
    }

    /// The same without a limit to certain hours.
    pub(super) fn at_all_hours(&self) -> Self {
        Self {
            allow: Vec::new(),
            ..self.clone()
        }
    }

    /// Whether only some hours of the day are allowed.
    pub(super) const fn has_hours(&self) -> bool {
        !self.allow.is_empty()
    }

    /// The length of a slot, in seconds.
    pub(super) const fn slot_seconds(&self) -> i64 {
        self.slot_seconds
    }

    /// The open parts of `range`, in pieces so short that a window of `shortest_seconds` contains
    /// some of them, as far as the limit on their number allows.
    pub(super) fn pieces(&self, range: Span, shortest_seconds: i64) -> Vec<Piece> {
        let piece_seconds = self.piece_seconds(range, shortest_seconds);
        let mut pieces = Vec::new();
        for open in open_within(range, &self.allow, self.zone, &self.closed) {
            let mut from = open.from;
            while from < open.to {
                let end = Timestamp::from_unix((from.slot(piece_seconds) + 1) * piece_seconds);
                let span = Span {
                    from,
                    to: end.min(open.to),
                };
                let room = self.room(from);
                let part = real(span.seconds()) / real(self.slot_seconds);
                if room.share > 0.0 && room.most > 0.0 {
                    pieces.push(Piece {
                        span,
                        share: room.share * part,
                        most: room.most * part,
                    });
                }
                from = span.to;
            }
        }
        pieces
    }

    fn piece_seconds(&self, range: Span, shortest_seconds: i64) -> i64 {
        let fits = |seconds: &&i64| {
            self.slot_seconds % **seconds == 0 && range.seconds() / **seconds < MOST_PIECES
        };
        let usable: Vec<i64> = PIECE_SECONDS.iter().filter(fits).copied().collect();
        // Four, so that at least two lie entirely inside, wherever the window begins.
        let fine = usable
            .iter()
            .find(|seconds| **seconds * 4 <= shortest_seconds);
        let finest = usable.last().copied().unwrap_or(self.slot_seconds);
        fine.copied().unwrap_or(finest)
    }

    fn room(&self, at: Timestamp) -> Room {
        let place = (at.slot(self.slot_seconds) - self.first).max(0);
        let known = signed(self.slots.len());
        let repeated = signed(self.repeated.max(1));
        let place = if place < known {
            place
        } else {
            known - repeated + (place - known) % repeated
        };
        self.slots[length(place).min(self.slots.len() - 1)]
    }
}

/// How many more certificates a slot can take.
fn most_of(slot: &SlotOutlook) -> f64 {
    if slot.capacity.share <= 0.0 {
        return 0.0;
    }
    let left = |ceiling: f64| (ceiling - slot.load.expected()).max(0.0);
    slot.capacity.ceiling.map_or(f64::INFINITY, left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::forecast::Load;
    use crate::policy::capacity::SlotCapacity;
    use crate::publication::best_time::clock_spans;
    use crate::time::DAY;

    /// A Saturday, midnight.
    const START: Timestamp = Timestamp::from_unix(1_795_219_200 - 1_795_219_200 % DAY);

    fn outlook(loads: &[f64], ceiling: Option<f64>) -> Vec<SlotOutlook> {
        let slot = |(n, unsteered): (usize, &f64)| {
            let from = START + signed(n) * HOUR;
            SlotOutlook {
                span: Span {
                    from,
                    to: from + HOUR,
                },
                load: Load {
                    steered: 0.0,
                    unsteered: *unsteered,
                },
                capacity: SlotCapacity {
                    share: 1.0,
                    ceiling,
                    bound_by: None,
                },
            }
        };
        loads.iter().enumerate().map(slot).collect()
    }

    #[test]
    fn slots_that_fail_are_left_out_while_there_are_others() {
        let day = Span {
            from: START,
            to: START + DAY,
        };
        let loads = outlook(&[0.0; 24], None);
        let of = |failing: &[bool]| {
            let demand = Demand::of_forecast(&loads, Some(1.0), 10).avoiding(failing);
            let pieces = demand.pieces(day, HOUR);
            let at = |piece: &Piece| piece.span.from.second_of_day() / HOUR;
            let hours: std::collections::BTreeSet<i64> = pieces.iter().map(at).collect();
            hours.len()
        };
        let mut failing = [false; 24];
        failing[20] = true;
        assert_eq!((of(&[]), of(&failing), of(&[true; 24])), (24, 23, 24));
    }

    #[test]
    fn a_small_fleet_is_not_poured_into_the_quietest_hour_alone() {
        let slots = outlook(&[100.0, 50.0, 60.0, 190.0], None);
        let demand = Demand::of_forecast(&slots, Some(100.0), 4);
        let pieces = demand.pieces(
            Span {
                from: START,
                to: START + 4 * HOUR,
            },
            DAY,
        );
        // 200 are poured, so the level is (100 + 50 + 60 + 200) / 3.
        let shares: Vec<f64> = pieces
            .iter()
            .map(|piece| (piece.share * 10.0).round())
            .collect();
        assert_eq!(shares, [367.0, 867.0, 767.0, 50.0]);
    }

    #[test]
    fn a_ceiling_is_what_it_leaves() {
        let slots = outlook(&[100.0, 50.0], Some(120.0));
        let demand = Demand::of_forecast(&slots, Some(75.0), 10);
        let pieces = demand.pieces(
            Span {
                from: START,
                to: START + 90 * MINUTE,
            },
            DAY,
        );
        assert!((pieces[0].most - 20.0).abs() < 1e-9);
        // Half an hour of a capacity of 70.
        assert!((pieces[1].most - 35.0).abs() < 1e-9);
    }

    #[test]
    fn a_week_comes_again_behind_the_forecast() {
        let loads: Vec<f64> = (0..200).map(|n| f64::from(n % 168)).collect();
        let demand = Demand::of_forecast(&outlook(&loads, Some(1_000.0)), Some(80.0), 1);
        let most = |hour: i64| demand.room(START + hour * HOUR).most;
        for hour in [200, 250, 400, 5_000] {
            let expected = 1_000.0 - real(hour % 168);
            assert!((most(hour) - expected).abs() < 1e-9, "{hour}");
        }
    }

    #[test]
    fn pieces_lie_in_allowed_hours_and_within_slots() {
        let demand = Demand::even().allowing(clock_spans("22:30-01:10").unwrap(), Tz::UTC);
        let day = Span {
            from: START + 12 * HOUR,
            to: START + 36 * HOUR,
        };
        let lengths: Vec<i64> = demand
            .pieces(day, DAY)
            .iter()
            .map(|piece| piece.span.seconds() / MINUTE)
            .collect();
        assert_eq!(lengths, [30, 60, 60, 10]);
        let fine = demand.pieces(day, 20 * MINUTE);
        assert_eq!(fine.len(), 160 / 5);
    }
}
