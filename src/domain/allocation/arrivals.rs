//! Where the clients of ordinary windows arrive: most of them in their windows, some at their first
//! tick after the window opens, which may be in another slot.
//!
//! A client whose schedule is unknown gets a window like any other. Earlier clients show which share of
//! such clients wakes at ticks, for example twice a day, half of them at midnight and noon. Windows in
//! the afternoon bring that share to midnight, windows in the morning bring it to noon.
//! [`ArrivalModel::lowered`] weighs this effect against a level day.

use super::level::{slot_span, sum};
use crate::allocation::slots::SlotRange;
use crate::client::schedule::{Response, Schedule};
use crate::ledger::{ScheduleMix, Ticks};
use crate::math::number::{length, real, real_len};
use crate::policy::capacity::SlotCapacity;
use crate::time::DAY;

/// The price of a slot is the third power of its load, which is how much Σ load⁴ rises with one more
/// certificate. With the second power a quiet day would count for more than a lower peak. With a much
/// higher power all windows would move into one half of the day, to lower a peak that other load causes
/// by a thousandth.
const PRICE_POWER: i32 = 3;
/// Prices whose relative difference is smaller than this count as equal.
const SAME_PRICE: f64 = 0.01;
/// The most exchanges for each slot. With 24 slots, about two for each are enough.
const MOST_EXCHANGES: usize = 12;
/// The smallest capacity share used to weigh a slot: clients come at their ticks even in slots that are
/// closed.
const LEAST_SHARE: f64 = 0.05;
/// Below this share of clients that arrive outside their windows, the effect is ignored.
const LEAST_ELSEWHERE: f64 = 0.001;

/// For each slot of a range, how the amount assigned to it is distributed over the slots in which it
/// arrives.
#[derive(Clone, Debug)]
pub(super) struct ArrivalModel {
    rows: Vec<Vec<f64>>,
    /// The load that is expected already, in the slots in which it arrives.
    base: Vec<f64>,
}

/// The load that is expected in the slots of a range, in certificates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    /// U: the unsteered load.
    pub(super) unsteered: &'a [f64],
    /// G: the load that windows have promised.
    pub(super) promised: &'a [f64],
    /// The part of G whose arrival at ticks or by timers is known. How the rest wakes is not known,
    /// because its band has been open for a day only.
    pub(super) timed: &'a [f64],
}

impl ArrivalModel {
    /// `None` if all clients arrive in their windows. Load that arrives after the end of the range is
    /// moved back by whole days until it falls into the range, because the day before brings as much.
    pub(super) fn of(
        schedule_mix: &ScheduleMix,
        range: SlotRange,
        spill: f64,
        expected: Expected<'_>,
    ) -> Option<Self> {
        if schedule_mix.elsewhere() < LEAST_ELSEWHERE {
            return None;
        }
        let in_window = (1.0 - schedule_mix.elsewhere()).max(0.0);
        let count = range.len();
        let day_slots = length(DAY / range.slot_seconds).max(1);
        let rows = (0..count).map(|slot| {
            let mut row = vec![0.0; count];
            let mut add = |mut at: usize, share: f64| {
                while at >= count && at >= day_slots {
                    at -= day_slots;
                }
                if let Some(sum) = row.get_mut(at) {
                    *sum += share;
                }
            };
            add(slot, in_window * (1.0 - spill));
            add(slot + 1, in_window * spill);
            let span = slot_span(range, slot);
            for Ticks {
                period_seconds: period,
                second_of_day,
                share,
            } in &schedule_mix.ticks
            {
                let ahead = (second_of_day - span.from.second_of_day()).rem_euclid(*period);
                // A tick inside the window's slot brings those clients whose window lies before it.
                let before = real(ahead) / real(range.slot_seconds);
                if before < 1.0 {
                    add(slot, share * before);
                    let next = length((ahead + period) / range.slot_seconds);
                    add(slot + next, share * (1.0 - before));
                } else {
                    add(slot + length(ahead / range.slot_seconds), *share);
                }
            }
            if schedule_mix.random > 0.0 {
                for (piece, share) in Response::of(Schedule::Random).arrivals(span, None) {
                    let first = (piece.from - range.from()) / range.slot_seconds;
                    let last = (piece.to - 1 - range.from()) / range.slot_seconds;
                    for at in first..=last {
                        let overlap = piece.overlap_seconds(slot_span(range, length(at)));
                        let part = real(overlap) / real(piece.seconds().max(1));
                        add(length(at), schedule_mix.random * share * part);
                    }
                }
            }
            row
        });
        let Expected {
            unsteered,
            promised,
            timed,
        } = expected;
        let mut arrival_model = Self {
            rows: rows.collect(),
            base: sum(unsteered, timed),
        };
        let plain: Vec<f64> = promised.iter().zip(timed).map(|(a, b)| a - b).collect();
        arrival_model.base = arrival_model.with(&plain);
        Some(arrival_model)
    }

    /// The load of each slot with these amounts assigned.
    fn with(&self, assigned: &[f64]) -> Vec<f64> {
        let mut load = self.base.clone();
        for (row, assigned) in self.rows.iter().zip(assigned) {
            if *assigned > 0.0 {
                for (sum, share) in load.iter_mut().zip(row) {
                    *sum += assigned * share;
                }
            }
        }
        load
    }

    /// Moves parts of `assigned` to other slots, as long as a move lowers Σ c · (load / c)⁴ noticeably.
    /// c is the slot's share of the normal capacity. The load is the expected load plus what arrives
    /// from `assigned` and `others`. If all clients arrive in their windows, water-filling has this
    /// result already.
    pub(super) fn lowered(
        &self,
        mut assigned: Vec<f64>,
        others: &[f64],
        capacity: &[SlotCapacity],
    ) -> Vec<f64> {
        let mut load = self.with(&sum(&assigned, others));
        let unit = load.iter().sum::<f64>() / real_len(load.len().max(1));
        if unit <= 0.0 {
            return assigned;
        }
        let shares: Vec<f64> = capacity
            .iter()
            .map(|slot| slot.share.max(LEAST_SHARE))
            .collect();
        let takes: Vec<bool> = capacity
            .iter()
            .map(|slot| slot.share > 0.0 && slot.ceiling.is_none())
            .collect();
        for _ in 0..MOST_EXCHANGES * assigned.len() {
            let slots = load.iter().zip(&shares);
            let prices: Vec<f64> = slots
                .map(|(load, share)| (load / unit / share).max(0.0).powi(PRICE_POWER))
                .collect();
            let price = |slot: usize| -> f64 {
                let row = self.rows[slot].iter().zip(&prices);
                row.map(|(share, price)| share * price).sum()
            };
            let all: Vec<f64> = (0..assigned.len()).map(price).collect();
            let by_price = |a: &usize, b: &usize| all[*a].total_cmp(&all[*b]);
            let dearest = (0..assigned.len())
                .filter(|n| assigned[*n] > 0.0)
                .max_by(by_price);
            let cheapest = (0..assigned.len()).filter(|n| takes[*n]).min_by(by_price);
            let (Some(from), Some(to)) = (dearest, cheapest) else {
                break;
            };
            let gain = all[from] - all[to];
            if gain <= SAME_PRICE * all[from] {
                break;
            }
            let change: Vec<f64> = self.rows[to]
                .iter()
                .zip(&self.rows[from])
                .map(|(to, from)| to - from)
                .collect();
            let bend: f64 = (0..change.len())
                .map(|n| {
                    let relative = (load[n] / unit / shares[n]).max(0.0);
                    f64::from(PRICE_POWER) * relative.powi(PRICE_POWER - 1) / shares[n]
                        * change[n]
                        * change[n]
                })
                .sum();
            let amount = (unit * gain / bend.max(1e-9)).min(assigned[from]);
            assigned[from] -= amount;
            assigned[to] += amount;
            for (load, change) in load.iter_mut().zip(&change) {
                *load += amount * change;
            }
        }
        assigned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::level::all_open;
    use crate::time::{HOUR, Timestamp};

    /// A day's band from midnight.
    fn range() -> SlotRange {
        let first = "2027-01-15T00:00:00Z".parse::<Timestamp>().unwrap();
        let first = first.slot(HOUR);
        SlotRange {
            slot_seconds: HOUR,
            first,
            end: first + 24,
            widest_first: first,
            latest_end: first + 24,
        }
    }

    /// Half of the share wakes at midnight and noon, the other half at four and every six hours from
    /// then.
    fn schedule_mix(share: f64) -> ScheduleMix {
        let ticks = |period_seconds, second_of_day| Ticks {
            period_seconds,
            second_of_day,
            share: share / 2.0,
        };
        ScheduleMix {
            ticks: vec![ticks(12 * HOUR, 0), ticks(6 * HOUR, 4 * HOUR)],
            daily: 0.0,
            random: 0.0,
        }
    }

    fn peak(load: &[f64]) -> f64 {
        load.iter().copied().fold(0.0, f64::max)
    }

    /// The model with nothing promised yet.
    fn adjusted(schedule_mix: &ScheduleMix, spill: f64, unsteered: &[f64]) -> Option<ArrivalModel> {
        let none = vec![0.0; unsteered.len()];
        let expected = Expected {
            unsteered,
            promised: &none,
            timed: &none,
        };
        ArrivalModel::of(schedule_mix, range(), spill, expected)
    }

    #[test]
    fn what_is_promised_lands_as_well() {
        let (mut promised, mut timed) = (vec![0.0; 24], vec![0.0; 24]);
        (promised[8], timed[8]) = (3.0, 1.0);
        let expected = Expected {
            unsteered: &[0.5; 24],
            promised: &promised,
            timed: &timed,
        };
        let arrival_model = ArrivalModel::of(&schedule_mix(1.0), range(), 0.0, expected).unwrap();
        for (slot, want) in [(7, 0.5), (8, 1.5), (10, 1.5), (12, 1.5), (22, 0.5)] {
            assert!(
                (arrival_model.base[slot] - want).abs() < 1e-9,
                "{:?}",
                arrival_model.base
            );
        }
    }

    #[test]
    fn each_comes_once_at_its_next_tick() {
        let arrival_model = adjusted(&schedule_mix(0.4), 0.125, &[0.0; 24]).unwrap();
        for (slot, row) in arrival_model.rows.iter().enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{slot}");
        }
        let lands = |slot: usize| {
            let row = arrival_model.rows[slot].iter().enumerate();
            row.filter(|(_, share)| **share > 0.15)
                .map(|(at, _)| at)
                .collect::<Vec<_>>()
        };
        // In the window; at noon and at ten; or at midnight and at four of the next day.
        assert_eq!(lands(8), [8, 10, 12]);
        assert_eq!(lands(22), [0, 4, 22]);
        // A tick in the middle of an hour brings the clients whose window lies before it.
        let mut half_past = schedule_mix(0.0);
        half_past.ticks[0].share = 1.0;
        half_past.ticks[0].second_of_day = HOUR / 2;
        let row = &adjusted(&half_past, 0.0, &[0.0; 24]).unwrap().rows[12];
        assert!((row[12] - 0.5).abs() < 1e-9 && (row[0] - 0.5).abs() < 1e-9);
    }

    #[test]
    fn timers_come_within_the_day_after() {
        let timers = ScheduleMix {
            random: 1.0,
            ..ScheduleMix::default()
        };
        let arrival_model = adjusted(&timers, 0.125, &[0.0; 24]).unwrap();
        for row in &arrival_model.rows {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            assert!(peak(row) < 0.2, "{row:?}");
        }
    }

    #[test]
    fn where_all_come_in_their_windows_nothing_lands_elsewhere() {
        assert!(adjusted(&ScheduleMix::default(), 0.125, &[0.0; 24]).is_none());
        assert!(adjusted(&schedule_mix(0.0005), 0.125, &[0.0; 24]).is_none());
    }

    #[test]
    fn what_would_come_at_a_busy_tick_is_given_before_a_quiet_one() {
        let mut base = vec![0.3; 24];
        base[0] = 2.0;
        let arrival_model = adjusted(&schedule_mix(0.3), 0.125, &base).unwrap();
        let plain = vec![1.0; 24];
        let open = all_open(24);
        let lowered = arrival_model.lowered(plain.clone(), &[0.0; 24], &open);
        assert!((lowered.iter().sum::<f64>() - 24.0).abs() < 1e-9);
        assert!(lowered.iter().all(|assigned| *assigned >= 0.0));
        let (before, after) = (arrival_model.with(&plain), arrival_model.with(&lowered));
        assert!(
            peak(&after) < 0.95 * peak(&before),
            "{before:?}\n{after:?}\n{lowered:?}"
        );
        let half = |assigned: &[f64], from: usize| assigned[from..from + 12].iter().sum::<f64>();
        assert!(half(&lowered, 0) > half(&lowered, 12) + 2.0, "{lowered:?}");
    }

    #[test]
    fn nothing_is_moved_into_what_is_closed_or_has_a_ceiling() {
        let mut base = vec![0.3; 24];
        base[0] = 2.0;
        let arrival_model = adjusted(&schedule_mix(0.3), 0.125, &base).unwrap();
        let mut capacity = all_open(24);
        let mut plain = vec![1.0; 24];
        for slot in 5..8 {
            capacity[slot].share = 0.0;
            plain[slot] = 0.0;
        }
        capacity[8].ceiling = Some(1.0);
        plain[8] = 0.1;
        let lowered = arrival_model.lowered(plain, &[0.0; 24], &capacity);
        assert!(
            lowered[5..8].iter().all(|assigned| *assigned <= 0.0),
            "{lowered:?}"
        );
        assert!(lowered[8] <= 0.1, "{lowered:?}");
    }

    #[test]
    fn a_level_day_stays_as_it_is() {
        // The same ticks in every hour: nothing is to be gained.
        let ticks = (0..12).map(|hour| Ticks {
            period_seconds: 12 * HOUR,
            second_of_day: hour * HOUR,
            share: 0.02,
        });
        let even = ScheduleMix {
            ticks: ticks.collect(),
            ..ScheduleMix::default()
        };
        let arrival_model = adjusted(&even, 0.0, &[0.5; 24]).unwrap();
        let plain = vec![1.0; 24];
        assert_eq!(
            arrival_model.lowered(plain.clone(), &[0.0; 24], &all_open(24)),
            plain
        );
    }
}
