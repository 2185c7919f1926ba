//! The queue of held requests: who is next, who stands where, and fairness between accounts.

use std::collections::{BTreeSet, HashMap};

use super::moment::Moment;
use super::ranked::Ranked;

/// The name of a held request: ascending in the order of arrival, never used twice.
pub type Ticket = u64;

/// One round of virtual time, in its units: fixed point, so that it can be compared exactly.
const ROUND: u64 = 1 << 20;

/// What a request stands in the queue with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    /// Less comes first, whatever else is: the class of service.
    pub(super) class: u8,
    /// Whose it is: accounts get equal shares of each class.
    pub(super) party: u64,
    /// Until when it may be held.
    pub(super) until: Moment,
}

/// The order of service: by class; in it by round, in which each account has one request; in it by who has
/// to be answered first; then by arrival.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place {
    class: u8,
    round: u64,
    until: Moment,
    ticket: Ticket,
}

/// Held requests.
///
/// Accounts take turns by start-time fair queueing (Goyal, Vin, Cheng 1996): a request gets the virtual
/// time at its arrival as its tag, or one round after the last one of its account, and virtual time
/// advances by one round when each account in the queue was served once. Of the same round those come
/// first that have to be answered first (earliest deadline first).
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    order: Ranked<Place>,
    held: HashMap<Ticket, (Place, u64)>,
    by_end: BTreeSet<(Moment, Ticket)>,
    parties: HashMap<u64, Party>,
    virtual_time: u64,
    next_ticket: Ticket,
}

/// What an account has in the queue.
#[derive(Clone, Copy, Debug)]
struct Party {
    requests: u32,
    /// The tag of the last one.
    tag: u64,
}

impl Line {
    /// How many requests are held.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// How many would be served before a request that came now.
    pub(super) fn ahead_of(&self, standing: Standing) -> usize {
        self.order.rank(&self.place(standing))
    }

    /// Whether a request that came now would be served before the last one that is held.
    pub(super) fn is_before_last(&self, standing: Standing) -> bool {
        let place = self.place(standing);
        self.order.last().is_some_and(|last| place < last)
    }

    /// Holds a request.
    pub(super) fn push(&mut self, standing: Standing) -> Ticket {
        let place = self.place(standing);
        let tag = self.tag(standing.party);
        let party = self
            .parties
            .entry(standing.party)
            .or_insert(Party { requests: 0, tag });
        party.requests += 1;
        party.tag = tag;
        self.order.insert(place);
        self.by_end.insert((place.until, place.ticket));
        self.held.insert(place.ticket, (place, standing.party));
        self.next_ticket += 1;
        place.ticket
    }

    /// Takes out whoever is next.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        let place = self.order.first()?;
        let parties = u64::try_from(self.parties.len()).unwrap_or(u64::MAX).max(1);
        self.virtual_time += ROUND.div_ceil(parties);
        self.remove(place.ticket);
        Some(place.ticket)
    }

    /// Takes out whoever is last.
    pub(super) fn pop_last(&mut self) -> Option<Ticket> {
        let place = self.order.last()?;
        self.remove(place.ticket);
        Some(place.ticket)
    }

    /// Takes out one that may not be held any longer.
    pub(super) fn pop_ended(&mut self, now: Moment) -> Option<Ticket> {
        let (until, ticket) = *self.by_end.first()?;
        if until > now {
            return None;
        }
        self.remove(ticket);
        Some(ticket)
    }

    /// When the first may not be held any longer.
    pub(super) fn first_end(&self) -> Option<Moment> {
        self.by_end.first().map(|(until, _)| *until)
    }

    /// Takes one out; false where it is not held.
    pub(super) fn remove(&mut self, ticket: Ticket) -> bool {
        let Some((place, party)) = self.held.remove(&ticket) else {
            return false;
        };
        self.order.remove(&place);
        self.by_end.remove(&(place.until, ticket));
        if let Some(of_party) = self.parties.get_mut(&party) {
            of_party.requests -= 1;
            if of_party.requests == 0 {
                self.parties.remove(&party);
            }
        }
        true
    }

    fn place(&self, standing: Standing) -> Place {
        Place {
            class: standing.class,
            round: self.tag(standing.party) / ROUND,
            until: standing.until,
            ticket: self.next_ticket,
        }
    }

    fn tag(&self, party: u64) -> u64 {
        let own = self.parties.get(&party);
        own.map_or(self.virtual_time, |own| {
            self.virtual_time.max(own.tag.saturating_add(ROUND))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing(class: u8, party: u64, until: i64) -> Standing {
        let until = Moment::from_second(until);
        Standing {
            class,
            party,
            until,
        }
    }

    #[test]
    fn classes_then_turns_then_deadlines_then_arrival() {
        let mut line = Line::default();
        let a = line.push(standing(2, 1, 20));
        let a_again = line.push(standing(2, 1, 20));
        let b = line.push(standing(2, 2, 20));
        let impatient = line.push(standing(2, 3, 19));
        let better = line.push(standing(1, 4, 40));
        assert_eq!(line.ahead_of(standing(2, 5, 30)), 4);
        assert_eq!(line.ahead_of(standing(0, 5, 30)), 0);
        assert!(!line.is_before_last(standing(2, 1, 1)), "its third turn");
        let served: Vec<Ticket> = std::iter::from_fn(|| line.pop()).collect();
        assert_eq!(served, [better, impatient, a, b, a_again]);
        assert_eq!(line.len(), 0);
        assert!(line.parties.is_empty());
    }

    #[test]
    fn whoever_waits_too_long_is_found() {
        let mut line = Line::default();
        let late = line.push(standing(1, 1, 30));
        let soon = line.push(standing(1, 2, 20));
        assert_eq!(line.first_end(), Some(Moment::from_second(20)));
        assert_eq!(line.pop_ended(Moment::from_second(19)), None);
        assert_eq!(line.pop_ended(Moment::from_second(20)), Some(soon));
        assert_eq!(line.pop_last(), Some(late));
        assert_eq!(line.first_end(), None);
    }

    proptest! {
        /// One account asks for far more than its share; others ask for one at a time, again and again.
        #[test]
        fn nobody_starves_and_nobody_gets_more_than_a_turn(others in 1_u64..20, greedy in 20..200_usize) {
            let mut line = Line::default();
            for _ in 0..greedy {
                line.push(standing(1, 0, 20));
            }
            let mut owners = HashMap::new();
            for party in 1..=others {
                owners.insert(line.push(standing(1, party, 20)), party);
            }
            let mut served_greedy = 0_u64;
            let rounds = 10;
            for _ in 0..rounds * (others + 1) {
                match line.pop().and_then(|ticket| owners.remove(&ticket)) {
                    None => served_greedy += 1,
                    Some(party) => {
                        owners.insert(line.push(standing(1, party, 20)), party);
                    }
                }
            }
            prop_assert!(served_greedy >= rounds - 2, "{served_greedy} of {rounds}");
            prop_assert!(served_greedy <= rounds + 2, "{served_greedy} of {rounds}");
        }

        #[test]
        fn what_is_in_it_is_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((0_u8..5, 0_u8..4, 0_u64..5, 0_i64..60), 1..500),
        ) {
            let mut line = Line::default();
            let mut held = BTreeSet::new();
            for (n, (step, class, party, until)) in (0..).zip(steps) {
                let gone = match step {
                    0 => line.pop(),
                    1 => line.pop_last(),
                    2 => line.pop_ended(Moment::from_second(n / 10)),
                    _ => {
                        prop_assert!(held.insert(line.push(standing(class, party, until))));
                        continue;
                    }
                };
                if let Some(ticket) = gone {
                    prop_assert!(held.remove(&ticket));
                    prop_assert!(!line.remove(ticket));
                }
                prop_assert_eq!(line.len(), held.len());
            }
            let of_parties: u32 = line.parties.values().map(|party| party.requests).sum();
            prop_assert_eq!(usize::try_from(of_parties).unwrap(), held.len());
            prop_assert_eq!(line.by_end.len(), held.len());
        }
    }
}
