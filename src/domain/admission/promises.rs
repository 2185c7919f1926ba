//! The seconds ahead: how many requests are assigned to each, and which.
//!
//! Rejected requests are assigned to seconds by quota. A second takes as many as the upstream can
//! handle in it. Within the next ten minutes the least filled second is chosen, so that all fill
//! evenly. Drawing seconds at random would overfill some of them, and a constant for everyone would
//! make the next peak.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::time::{DAY, HOUR};

/// The shortest time until an assigned second. Clients that honour `Retry-After` at all honour a
/// minute.
pub(super) const SOONEST_SECONDS: i64 = 60;
/// While there is capacity, the longest time. acme.sh gives up above 600 s, and few clients wait as
/// long.
pub(super) const WILLING_SECONDS: i64 = 600;
/// The longest time in any case.
pub(super) const LATEST_SECONDS: i64 = DAY;

/// A request one second early counts as on time, because its way back took less than a second.
const EARLY_SECONDS: i64 = 1;
/// Clients sleep a little longer than asked and then fetch a nonce first, so a minute late is on
/// time.
const LATE_SECONDS: i64 = 60;

/// The number of assigned clients tracked, 48 octets each: at most 50 MB. Beyond that, a rejected
/// client still gets a second but is treated as new when it returns.
const MOST_ASSIGNED: usize = 1_000_000;

/// How a request relates to its assigned second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// It has none, or is far too late.
    New,
    /// It comes before this assigned second.
    Early(i64),
    /// It comes in its assigned second.
    OnTime,
}

/// The number of requests assigned to each second, and their clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    /// The second of the first entry of `booked`, counted from 1970.
    first: i64,
    booked: VecDeque<Booked>,
    assigned: HashMap<u64, i64>,
    by_second: BTreeMap<i64, Vec<u64>>,
    /// Where the search for the least filled second begins. Golden-section steps, so that
    /// successive requests get seconds far apart.
    turn: i64,
    /// All seconds before this one are full, as far as they are more than ten minutes away.
    full_before: i64,
}

/// The requests assigned to one second.
#[derive(Clone, Copy, Debug, Default)]
struct Booked {
    /// Requests with a verified account.
    verified: u32,
    /// All requests. A flood of unverified ones takes no room from verified ones.
    anybody: u32,
}

/// A request to be assigned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Booking {
    /// The keyed hash of the party and its names.
    pub(super) order: u64,
    /// Whether the account was verified. Unverified requests get no priority over new ones.
    pub(super) is_verified: bool,
    /// The earliest time, in seconds from now.
    pub(super) after_seconds: i64,
}

impl Promises {
    /// Drops seconds in the past. `now`, as all seconds here, is counted from 1970.
    pub(super) fn advance(&mut self, now: i64) {
        let oldest = now - LATE_SECONDS;
        while self.first < oldest && !self.booked.is_empty() {
            self.booked.pop_front();
            self.first += 1;
        }
        if self.booked.is_empty() {
            self.first = oldest;
        }
        while let Some(entry) = self.by_second.first_entry() {
            if *entry.key() >= oldest {
                break;
            }
            for order in entry.remove() {
                // It may have been assigned another second since.
                if self
                    .assigned
                    .get(&order)
                    .is_some_and(|second| *second < oldest)
                {
                    self.assigned.remove(&order);
                }
            }
        }
    }

    /// How a request relates to its assigned second.
    pub(super) fn arrival(&self, order: u64, now: i64) -> Arrival {
        match self.assigned.get(&order) {
            Some(second) if *second - EARLY_SECONDS > now => Arrival::Early(*second),
            Some(second) if now <= *second + LATE_SECONDS => Arrival::OnTime,
            _ => Arrival::New,
        }
    }

    /// A request is served now, so its assigned second is released.
    pub(super) fn settle(&mut self, order: u64, now: i64, is_verified: bool) {
        if let Some(second) = self.assigned.remove(&order)
            && second > now
            && let Some(booked) = self.second_mut(second)
        {
            *booked.of_mut(is_verified) = booked.of(is_verified).saturating_sub(1);
        }
    }

    /// Assigns a request to a second and returns it. `quota` is the capacity of a second.
    pub(super) fn book(&mut self, booking: Booking, now: i64, quota: impl Fn(i64) -> u32) -> i64 {
        let soonest = now
            + booking
                .after_seconds
                .clamp(SOONEST_SECONDS, LATEST_SECONDS - HOUR);
        let willing = now + WILLING_SECONDS;
        let is_verified = booking.is_verified;
        let second = self
            .least_filled(soonest, willing, is_verified, &quota)
            .or_else(|| self.first_with_room(soonest.max(willing), now, is_verified, &quota))
            .unwrap_or_else(|| self.least_booked(now + LATEST_SECONDS - HOUR));
        if let Some(booked) = self.second_mut(second) {
            *booked.of_mut(is_verified) += 1;
        }
        if self.assigned.len() < MOST_ASSIGNED {
            self.assigned.insert(booking.order, second);
            self.by_second
                .entry(second)
                .or_default()
                .push(booking.order);
        }
        second
    }

    /// The number of requests assigned to a second.
    #[cfg(test)]
    pub(super) fn booked(&self, second: i64) -> u32 {
        let booked = self.get(second);
        booked.verified + booked.anybody
    }

    /// The second with capacity that has the lowest ratio of assignments to quota, from `from` to
    /// before `to`.
    fn least_filled(
        &mut self,
        from: i64,
        to: i64,
        is_verified: bool,
        quota: &impl Fn(i64) -> u32,
    ) -> Option<i64> {
        let seconds = to - from;
        if seconds <= 0 {
            return None;
        }
        // Steps of 0.618 of the range keep successive starting points as far apart as possible.
        self.turn = (self.turn + seconds * 618 / 1_000 + 1) % seconds;
        let mut least: Option<(i64, u32, u32)> = None;
        for n in 0..seconds {
            let second = from + (self.turn + n) % seconds;
            let (booked, takes) = (self.get(second).seen(is_verified), quota(second));
            if booked >= takes {
                continue;
            }
            // a / b < c / d is the same as a d < c b.
            let fewer = |(_, other, of): (i64, u32, u32)| {
                u64::from(booked) * u64::from(of) < u64::from(other) * u64::from(takes)
            };
            if least.is_none_or(fewer) {
                least = Some((second, booked, takes));
            }
            if booked == 0 {
                break;
            }
        }
        least.map(|(second, _, _)| second)
    }

    /// The first second with capacity beyond the time that most clients wait. The sooner it is, the
    /// more still wait.
    fn first_with_room(
        &mut self,
        from: i64,
        now: i64,
        is_verified: bool,
        quota: &impl Fn(i64) -> u32,
    ) -> Option<i64> {
        let begins_at_willing = from == now + WILLING_SECONDS;
        let from = if begins_at_willing && is_verified {
            from.max(self.full_before)
        } else {
            from
        };
        let found = (from..now + LATEST_SECONDS)
            .find(|second| self.get(*second).seen(is_verified) < quota(*second));
        if begins_at_willing && is_verified {
            // If none has capacity, next time only newly added seconds are searched.
            self.full_before = found.unwrap_or(now + LATEST_SECONDS);
        }
        found
    }

    /// If no second within a day has capacity, the least filled one of the day's last hour.
    fn least_booked(&self, from: i64) -> i64 {
        (from..from + HOUR)
            .min_by_key(|second| self.get(*second).seen(false))
            .unwrap_or(from)
    }

    fn get(&self, second: i64) -> Booked {
        let at = usize::try_from(second - self.first).ok();
        at.and_then(|at| self.booked.get(at).copied())
            .unwrap_or_default()
    }

    fn second_mut(&mut self, second: i64) -> Option<&mut Booked> {
        let at = usize::try_from(second - self.first).ok()?;
        if at >= self.booked.len() {
            self.booked.resize(at + 1, Booked::default());
        }
        self.booked.get_mut(at)
    }
}

impl Booked {
    /// The assignments that take capacity from a request of this kind.
    const fn seen(self, is_verified: bool) -> u32 {
        if is_verified {
            self.verified
        } else {
            self.verified.saturating_add(self.anybody)
        }
    }

    const fn of(self, is_verified: bool) -> u32 {
        if is_verified {
            self.verified
        } else {
            self.anybody
        }
    }

    const fn of_mut(&mut self, is_verified: bool) -> &mut u32 {
        if is_verified {
            &mut self.verified
        } else {
            &mut self.anybody
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_262_400;

    fn booking(order: u64) -> Booking {
        Booking {
            order,
            is_verified: true,
            after_seconds: 0,
        }
    }

    fn book(promises: &mut Promises, order: u64, quota: u32) -> i64 {
        promises.book(booking(order), NOW, |_| quota)
    }

    #[test]
    fn seconds_within_ten_minutes_fill_evenly_and_then_the_next_ones() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        for n in 0..540 * 7 {
            let second = book(&mut promises, n, 7);
            assert!((NOW + 60..NOW + 600).contains(&second));
            let level = u32::try_from(n / 540).unwrap();
            assert_eq!(
                promises.booked(second),
                level + 1,
                "the {n}th fills {second}"
            );
        }
        for n in 0..7 {
            assert_eq!(book(&mut promises, 10_000 + n, 7), NOW + 600);
        }
        assert_eq!(book(&mut promises, 20_000, 7), NOW + 601);
    }

    #[test]
    fn requests_that_arrive_together_get_distant_seconds() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        let assigned: Vec<i64> = (0..20).map(|n| book(&mut promises, n, 5)).collect();
        for two in assigned.windows(2) {
            assert!((two[0] - two[1]).abs() > 60, "{assigned:?}");
        }
    }

    #[test]
    fn a_closed_second_takes_nobody() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        let opens = NOW + 3 * HOUR;
        for n in 0..100 {
            let second = promises.book(booking(n), NOW, |second| u32::from(second >= opens) * 4);
            assert_eq!(second, opens + i64::try_from(n).unwrap() / 4);
        }
    }

    #[test]
    fn where_nothing_has_room_for_a_day_the_last_hour_is_shared() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        for n in 0..400 {
            let second = book(&mut promises, n, 0);
            assert!((NOW + DAY - HOUR..NOW + DAY).contains(&second));
            assert_eq!(promises.booked(second), 1);
        }
    }

    #[test]
    fn a_client_that_comes_at_its_promised_second_is_recognised() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        let second = book(&mut promises, 1, 5);
        assert_eq!(promises.arrival(2, second), Arrival::New);
        assert_eq!(promises.arrival(1, second - 2), Arrival::Early(second));
        assert_eq!(promises.arrival(1, second - 1), Arrival::OnTime);
        assert_eq!(promises.arrival(1, second + 60), Arrival::OnTime);
        assert_eq!(promises.arrival(1, second + 61), Arrival::New);
        promises.settle(1, second - 5, true);
        assert_eq!(promises.booked(second), 0);
        assert_eq!(promises.arrival(1, second), Arrival::New);
        let again = book(&mut promises, 3, 5);
        promises.advance(again.max(second) + 61);
        assert!(promises.assigned.is_empty() && promises.by_second.is_empty());
    }

    #[test]
    fn a_flood_of_the_unverified_takes_no_second_from_the_verified() {
        let mut promises = Promises::default();
        promises.advance(NOW);
        for order in 0..5_000 {
            let flood = Booking {
                is_verified: false,
                ..booking(order)
            };
            promises.book(flood, NOW, |_| 2);
        }
        assert!(book(&mut promises, 10_000, 2) < NOW + 600);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_second_is_booked_above_its_quota_and_all_lie_within_a_day(
            bookings in prop::collection::vec((0_i64..40_000, 0_i64..3), 1..1_000),
            quota in 1_u32..6,
        ) {
            let mut promises = Promises::default();
            let mut now = NOW;
            let mut counts: HashMap<i64, u32> = HashMap::new();
            for (order, (after_seconds, pause)) in (0..).zip(bookings) {
                now += pause;
                promises.advance(now);
                let booking = Booking { order, is_verified: true, after_seconds };
                let second = promises.book(booking, now, |second| {
                    if second % 10 == 0 { 0 } else { quota }
                });
                prop_assert!(second - now >= after_seconds.max(SOONEST_SECONDS));
                prop_assert!(second - now < LATEST_SECONDS);
                let count = counts.entry(second).or_default();
                *count += 1;
                prop_assert!(*count <= quota && second % 10 != 0, "{count} in {second}");
            }
        }
    }
}
