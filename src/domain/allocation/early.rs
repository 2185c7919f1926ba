//! The cost of early renewals, and tables that keep it low.
//!
//! A client that renews early shortens the life of its certificate, so more are issued. In lives of a
//! few days a band of one day is a large part: a client that renews in the middle of it adds a sixth to
//! issuance. There the latest slots of the band are filled first, and `max_extra` bounds the cost:
//! while the windows cost more, the level is raised, so that more of them fit into late slots.

use super::band::{SHORTEST_WINDOW_SECONDS, usual_slots};
use super::level::spans;
use super::rates::{Arrivals, Forecast};
use crate::allocation::slots::SlotRange;
use crate::certificate::{SHORT_LIFE_SECONDS, own_rule_seconds};
use crate::math::number::{length, real};
use crate::policy::capacity::SlotCapacity;
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{Span, Timestamp};

/// A count of a few arrivals in one slot is uncertain: a count of 20 varies by about a quarter by
/// chance (√20 / 20). So the count is pulled towards the mean with the weight of this many arrivals.
const LIKE_THE_MEAN: f64 = 20.0;

/// The limit is never stricter than the cost of the latest slot alone times this factor. Otherwise all
/// windows would lie in that one slot.
const LEAST_ABOVE_LATEST: f64 = 1.15;

/// How early renewals are in each slot of a table, and how early they may be on average.
#[derive(Clone, Debug)]
pub(super) struct Thrift {
    /// For each slot, seconds before the client's own rule.
    early: Vec<f64>,
    /// The most seconds before the own rule, averaged over the renewals that follow.
    most: f64,
    /// How many certificates are to be placed during the length of a slot.
    pub(super) arriving: f64,
}

impl Thrift {
    /// `None` if an evenly filled band costs less than the operator's limit. Then each slot is filled
    /// step by step, and later steps correct the errors of earlier ones.
    pub(super) fn of(
        range: SlotRange,
        capacity: &[SlotCapacity],
        arrivals: &Arrivals,
        forecast: &Forecast<'_>,
    ) -> Option<Self> {
        let Forecast {
            policy,
            ledger,
            now,
            life_seconds,
            ..
        } = *forecast;
        let own = own_rule_seconds(life_seconds);
        let early: Vec<f64> = spans(range)
            .map(|slot| real(early_seconds(slot, now - policy.backdate_seconds + own)))
            .collect();
        let usual =
            usual_slots(policy, life_seconds, range.slot_seconds).min(range.end - range.first);
        let middle = early.len().checked_sub(length(usual / 2) + 1)?;
        let evenly = early[middle] / real(own.max(1));
        if life_seconds >= SHORT_LIFE_SECONDS && evenly <= policy.max_extra {
            return None;
        }
        let cycle = Span {
            from: now - own,
            to: now + GRAIN_SECONDS,
        };
        let (issued, counted) = ledger.early_of_life(life_seconds, cycle);
        // The ledger counts from issuance, clients count from `notBefore`.
        let spent = counted - real(policy.backdate_seconds) * arrivals.follow * issued;
        let saved = (policy.max_extra * real(own) * issued - spent.max(0.0)).max(0.0);
        let arriving = arrivals
            .recent
            .max(arrivals.steered * LIKE_THE_MEAN / (LIKE_THE_MEAN + arrivals.recent));
        let allowed =
            policy.max_extra * real(own) / arrivals.follow.max(0.01) + saved / arriving.max(1e-9);
        let latest = early
            .iter()
            .zip(capacity)
            .rfind(|(_, slot)| slot.share > 0.0);
        let least = latest.map_or(0.0, |(early, _)| early * LEAST_ABOVE_LATEST);
        Some(Self {
            early,
            most: allowed.max(least),
            arriving,
        })
    }

    /// Whether these amounts are, on average, as late as the limit asks.
    pub(super) fn allows(&self, given: &[f64]) -> bool {
        let all: f64 = given.iter().sum();
        let early = given.iter().zip(&self.early);
        early.map(|(given, early)| given * early).sum::<f64>() <= self.most * all
    }

    /// The amounts when all that arrives goes to the latest slots with room.
    pub(super) fn latest_first(&self, room: &[f64]) -> Vec<f64> {
        let mut left = self.arriving;
        let mut given: Vec<f64> = room
            .iter()
            .rev()
            .map(|room| {
                let here = room.min(left);
                left -= here;
                here
            })
            .collect();
        given.reverse();
        given
    }
}

/// How many seconds before `own_rule_at` the renewals of a slot happen, on average.
fn early_seconds(slot: Span, own_rule_at: Timestamp) -> i64 {
    let window = (slot.seconds() / 4).max(SHORTEST_WINDOW_SECONDS);
    (own_rule_at - slot.from - i64::midpoint(slot.seconds(), window)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::level::all_open;
    use crate::demand::profile::Profile;
    use crate::demand::series::Series;
    use crate::ledger::Ledger;
    use crate::policy::ca::{CaName, CaPolicy};
    use crate::time::HOUR;

    #[test]
    fn clients_count_from_not_before_and_not_from_issuance() {
        let now = Timestamp::from_unix(1_795_219_200);
        let profile = Profile::learn(&Series::default(), now, HOUR, &[]);
        let first = (now + 54 * HOUR).slot(900);
        let range = SlotRange {
            slot_seconds: 900,
            first,
            end: first + 96,
            widest_first: first,
            latest_end: first + 96,
        };
        let latest = |backdate_seconds: i64| {
            let forecast = Forecast {
                policy: &CaPolicy {
                    backdate_seconds,
                    ..CaPolicy::named(CaName::default())
                },
                ledger: &Ledger::default(),
                profile: &profile,
                now,
                life_seconds: 160 * HOUR,
            };
            let arrivals = Arrivals::measure(900, &forecast);
            let thrift = Thrift::of(range, &all_open(96), &arrivals, &forecast).unwrap();
            thrift.early[95]
        };
        assert!((latest(0) - real(2 * HOUR + 900 - 750)).abs() < 1e-9);
        assert!((latest(HOUR) - real(HOUR + 900 - 750)).abs() < 1e-9);
    }

    fn thrift(most: f64) -> Thrift {
        Thrift {
            early: vec![400.0, 300.0, 200.0, 100.0],
            most,
            arriving: 5.0,
        }
    }

    #[test]
    fn the_latest_slots_with_room_are_filled_first() {
        let given = thrift(0.0).latest_first(&[9.0, 2.0, 0.0, 4.0]);
        assert_eq!(given, [0.0, 1.0, 0.0, 4.0]);
        let all = thrift(0.0).latest_first(&[1.0, 1.0, 0.0, 1.0]);
        assert_eq!(all, [1.0, 1.0, 0.0, 1.0], "no more than there is room");
    }

    #[test]
    fn the_mean_of_what_is_given_may_be_as_early_as_the_limit() {
        let given = [0.0, 1.0, 0.0, 1.0];
        assert!(thrift(200.0).allows(&given) && !thrift(199.0).allows(&given));
        assert!(thrift(0.0).allows(&[0.0; 4]));
    }

    #[test]
    fn windows_lie_in_their_slot_and_run_over_into_the_next() {
        let from = Timestamp::from_unix(0);
        let slot = |seconds: i64| Span {
            from,
            to: from + seconds,
        };
        assert_eq!(
            early_seconds(slot(3_600), from + 10_000),
            10_000 - 1_800 - 450
        );
        assert_eq!(early_seconds(slot(900), from + 10_000), 10_000 - 450 - 300);
        assert_eq!(early_seconds(slot(900), from), 0);
    }
}
