//! The queue of held requests: the order of service, and fairness among accounts.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::moment::Moment;
use super::ranked::Ranked;

/// Identifies a held request: ascending in the order of arrival, never reused.
pub type Ticket = u64;

/// What determines a request's place in the queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    /// The class of service; lower classes are served first, whatever else is true.
    pub(super) class: u8,
    /// The account. Accounts get equal shares of each class.
    pub(super) party: u64,
    /// How long it may be held, in nanoseconds.
    pub(super) patience_nanos: i64,
}

/// The order of service: by class, then by the end of the hold, then by arrival.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    class: u8,
    due: Moment,
    ticket: Ticket,
}

/// One account's requests of one class.
type Lane = (u8, u64);

/// The held requests.
///
/// In each class the first request of each account has a place in the order of service. Among
/// these, the one whose hold ends first is served first (earliest deadline first, Liu and Layland
/// 1973). Then the account's next request gets a place as if it had just arrived. Accounts thus
/// take turns, however many requests one of them has (round robin, Nagle, RFC 970).
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    order: Ranked<Place>,
    held: HashMap<Ticket, Held>,
    lanes: HashMap<Lane, VecDeque<Ticket>>,
    /// The class of each lane, its number of requests, and its account.
    lengths: BTreeSet<(u8, usize, u64)>,
    by_end: BTreeSet<(Moment, Ticket)>,
    next_ticket: Ticket,
}

/// A held request.
#[derive(Clone, Copy, Debug)]
struct Held {
    standing: Standing,
    until: Moment,
    /// `None` if earlier requests of its account are waiting.
    place: Option<Place>,
}

impl Line {
    /// The number of held requests.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// An upper bound for how many requests would be served before one that arrives now: for each
    /// of its own account's requests every account gets a turn, but there are no more than are
    /// held.
    pub(super) fn ahead_of(&self, now: Moment, standing: Standing) -> usize {
        let rank = self.order.rank(&self.place(now, standing));
        let turns = self.own(standing);
        rank.saturating_add(turns.saturating_mul(self.order.len()))
            .min(self.held.len())
    }

    /// Whether a request that arrives now would be served before the last one.
    pub(super) fn is_before_last(&self, now: Moment, standing: Standing) -> bool {
        let Some(last) = self.last() else {
            return false;
        };
        let place = self.place(now, standing);
        let last_place = self.held.get(&last).and_then(|held| held.place);
        let worst = self
            .lengths
            .last()
            .map_or((0, 0), |(class, length, _)| (*class, length - 1));
        let own = (standing.class, self.own(standing));
        own < worst || own == worst && last_place.is_some_and(|last| place < last)
    }

    /// Holds a request.
    pub(super) fn push(&mut self, now: Moment, standing: Standing) -> Ticket {
        let ticket = self.next_ticket;
        let until = now + standing.patience_nanos;
        let is_first = self.own(standing) == 0;
        let place = is_first.then(|| self.place(now, standing));
        if let Some(place) = place {
            self.order.insert(place);
        }
        self.lane(standing, |lane| lane.push_back(ticket));
        self.by_end.insert((until, ticket));
        let held = Held {
            standing,
            until,
            place,
        };
        self.held.insert(ticket, held);
        self.next_ticket += 1;
        ticket
    }

    /// Removes the next request to serve.
    pub(super) fn pop(&mut self, now: Moment) -> Option<Ticket> {
        let place = self.order.first()?;
        self.remove(now, place.ticket);
        Some(place.ticket)
    }

    /// Removes the last request in the order of service.
    pub(super) fn pop_last(&mut self, now: Moment) -> Option<Ticket> {
        let last = self.last()?;
        self.remove(now, last);
        Some(last)
    }

    /// Removes a request whose hold has ended.
    pub(super) fn pop_ended(&mut self, now: Moment) -> Option<Ticket> {
        let (until, ticket) = *self.by_end.first()?;
        if until > now {
            return None;
        }
        self.remove(now, ticket);
        Some(ticket)
    }

    /// The first end of a hold.
    pub(super) fn first_end(&self) -> Option<Moment> {
        self.by_end.first().map(|(until, _)| *until)
    }

    /// Removes a request; false if it is not held.
    pub(super) fn remove(&mut self, now: Moment, ticket: Ticket) -> bool {
        let Some(held) = self.held.remove(&ticket) else {
            return false;
        };
        self.by_end.remove(&(held.until, ticket));
        let next = self.lane(held.standing, |lane| {
            let at = lane.iter().position(|other| *other == ticket);
            at.and_then(|at| lane.remove(at));
            lane.front().copied()
        });
        if let Some(place) = held.place {
            self.order.remove(&place);
            if let Some(next) = next {
                self.give_place(now, next);
            }
        }
        true
    }

    /// Gives the next request of the same account a place.
    fn give_place(&mut self, now: Moment, ticket: Ticket) {
        if let Some(held) = self.held.get_mut(&ticket) {
            let place = Place {
                class: held.standing.class,
                due: now + held.standing.patience_nanos,
                ticket,
            };
            held.place = Some(place);
            self.order.insert(place);
        }
    }

    /// The last request of the longest lane of the lowest-priority class. If all lanes have one
    /// request, the last of all.
    fn last(&self) -> Option<Ticket> {
        let (class, length, party) = *self.lengths.last()?;
        if length > 1 {
            self.lanes.get(&(class, party))?.back().copied()
        } else {
            self.order.last().map(|place| place.ticket)
        }
    }

    /// The number of held requests with the same account and class.
    fn own(&self, standing: Standing) -> usize {
        self.lanes
            .get(&(standing.class, standing.party))
            .map_or(0, VecDeque::len)
    }

    /// Changes a lane and updates its recorded length.
    fn lane<T>(&mut self, of: Standing, change: impl FnOnce(&mut VecDeque<Ticket>) -> T) -> T {
        let (class, party) = (of.class, of.party);
        let lane = self.lanes.entry((class, party)).or_default();
        self.lengths.remove(&(class, lane.len(), party));
        let changed = change(lane);
        if lane.is_empty() {
            self.lanes.remove(&(class, party));
        } else {
            self.lengths.insert((class, lane.len(), party));
        }
        changed
    }

    fn place(&self, now: Moment, standing: Standing) -> Place {
        Place {
            class: standing.class,
            due: now + standing.patience_nanos,
            ticket: self.next_ticket,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::admission::moment::{SECOND, nanos};

    fn standing(class: u8, party: u64, hold: i64) -> Standing {
        Standing {
            class,
            party,
            patience_nanos: hold * SECOND,
        }
    }

    fn at(seconds: f64) -> Moment {
        Moment::from_second(1_000) + nanos(seconds)
    }

    #[test]
    fn classes_then_deadlines_with_turns_then_arrival() {
        let mut line = Line::default();
        let mut push = |class, party, hold| line.push(at(0.0), standing(class, party, hold));
        let a = push(2, 1, 20);
        let b = push(2, 2, 20);
        let a_again = push(2, 1, 20);
        let impatient = push(2, 3, 19);
        let better = push(1, 4, 40);
        assert_eq!(line.ahead_of(at(1.0), standing(2, 5, 20)), 4);
        assert_eq!(line.ahead_of(at(1.0), standing(2, 1, 20)), 5);
        assert_eq!(line.ahead_of(at(1.0), standing(2, 5, 17)), 1);
        assert_eq!(line.ahead_of(at(9.0), standing(0, 5, 30)), 0);
        assert!(
            line.is_before_last(at(9.0), standing(2, 5, 20)),
            "before a's second"
        );
        assert!(
            !line.is_before_last(at(9.0), standing(2, 1, 20)),
            "a's third"
        );
        let served: Vec<Ticket> = std::iter::from_fn(|| line.pop(at(9.0))).collect();
        assert_eq!(served, [better, impatient, a, b, a_again]);
        assert_eq!(line.len(), 0);
        assert!(line.lanes.is_empty() && line.lengths.is_empty());
    }

    #[test]
    fn whoever_waits_too_long_is_found() {
        let mut line = Line::default();
        let late = line.push(at(0.0), standing(1, 1, 30));
        let soon = line.push(at(0.0), standing(1, 2, 20));
        assert_eq!(line.first_end(), Some(at(20.0)));
        assert_eq!(line.pop_ended(at(19.9)), None);
        assert_eq!(line.pop_ended(at(20.0)), Some(soon));
        assert_eq!(line.pop_last(at(20.0)), Some(late));
        assert_eq!(line.first_end(), None);
    }

    #[test]
    fn the_last_is_the_last_of_whoever_has_most() {
        let mut line = Line::default();
        let better: Vec<Ticket> = (0..9)
            .map(|_| line.push(at(0.0), standing(1, 1, 20)))
            .collect();
        let many: Vec<Ticket> = (0..3)
            .map(|_| line.push(at(0.0), standing(2, 2, 20)))
            .collect();
        let one = line.push(at(0.1), standing(2, 3, 20));
        let last: Vec<Ticket> = std::iter::from_fn(|| line.pop_last(at(1.0)))
            .take(5)
            .collect();
        assert_eq!(last, [many[2], many[1], one, many[0], better[8]]);
    }

    proptest! {
        /// One account asks for far more than its share; others ask for one order at a time,
        /// repeatedly.
        #[test]
        fn nobody_starves_and_nobody_gets_more_than_a_turn(others in 1_u32..20, greedy in 20..200_usize) {
            let mut line = Line::default();
            for _ in 0..greedy {
                line.push(at(0.0), standing(1, 0, 20));
            }
            let mut owners = HashMap::new();
            for party in 1..=others {
                owners.insert(line.push(at(0.0), standing(1, party.into(), 20)), party);
            }
            let mut served_greedy = 0_u32;
            let rounds = 10;
            for n in 0..rounds * (others + 1) {
                let now = at(f64::from(n) / 5.0);
                match line.pop(now).and_then(|ticket| owners.remove(&ticket)) {
                    None => served_greedy += 1,
                    Some(party) => {
                        owners.insert(line.push(now, standing(1, party.into(), 20)), party);
                    }
                }
            }
            prop_assert!(served_greedy.abs_diff(rounds) <= 1, "{served_greedy} of {rounds}");
        }

        #[test]
        fn what_is_in_it_is_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((0_u8..6, 0_u8..4, 0_u64..5, 0_i64..60), 1..500),
        ) {
            let mut line = Line::default();
            let mut held = BTreeSet::new();
            for (n, (step, class, party, hold)) in (0..).zip(steps) {
                let now = at(f64::from(n) / 10.0);
                let gone = match step {
                    0 => line.pop(now),
                    1 => line.pop_last(now),
                    2 => line.pop_ended(now),
                    _ => {
                        prop_assert!(held.insert(line.push(now, standing(class, party, hold))));
                        continue;
                    }
                };
                if let Some(ticket) = gone {
                    prop_assert!(held.remove(&ticket));
                    prop_assert!(!line.remove(now, ticket));
                }
                let of_lanes: usize = line.lanes.values().map(VecDeque::len).sum();
                prop_assert_eq!((line.len(), line.by_end.len()), (held.len(), held.len()));
                prop_assert_eq!((of_lanes, line.lengths.len()), (held.len(), line.lanes.len()));
                prop_assert_eq!(line.order.len(), line.lanes.len());
            }
            let rest: BTreeSet<Ticket> = std::iter::from_fn(|| line.pop(at(0.0))).collect();
            prop_assert_eq!(rest, held);
        }
    }
}
