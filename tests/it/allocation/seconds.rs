//! By the second: windows do not begin together, and who draws from them does not come together.

use std::collections::BTreeMap;

use super::*;

/// An hour's load of the base population: 11.1 a second.
const PER_HOUR: u64 = 40_000;
/// The hours of a band on a registry's first day.
const FIRST_SLOTS: u64 = 22;
/// What the busiest of 3,600 seconds does not exceed in 9,999 of 10,000 hours: P(X > 33) of a
/// Poisson count of mean 11.11 is 2.7 × 10⁻⁸, and 3,600 times that is 9.5 × 10⁻⁵.
const MOST_IN_A_SECOND: u64 = 33;

/// Counts by second.
#[derive(Default)]
struct Seconds(BTreeMap<i64, u64>);

impl Seconds {
    fn count(&mut self, at: Timestamp) {
        *self.0.entry(at.unix()).or_default() += 1;
    }

    /// How many there are in an hour, and in the busiest of its seconds.
    fn of_hour(&self, hour: i64) -> (u64, u64) {
        let seconds = self.0.range(hour * HOUR..(hour + 1) * HOUR);
        let counts: Vec<u64> = seconds.map(|(_, count)| *count).collect();
        (counts.iter().sum(), counts.into_iter().max().unwrap_or(0))
    }
}

#[test]
fn no_second_of_a_normal_hour_has_more_than_chance_gives_it() {
    let mut registry = Registry::new(policy(), nothing_known());
    let clients = HashKey::new(*b"what they draw!!");
    let (mut starts, mut renewals) = (Seconds::default(), Seconds::default());
    // The windows of a band of which each slot gets an hour's load.
    for n in 0..FIRST_SLOTS * PER_HOUR {
        let draw = Draw {
            policy: &registry.policy,
            profile: &registry.profile,
            now: NOW,
            schedule: Schedule::Unknown,
            certificates: 1,
        };
        let validity = life(NOW, 90 * DAY);
        let window = registry
            .allocator
            .draw(draw, validity, NOW, hash(n))
            .unwrap();
        let window = window.window;
        starts.count(window.from);
        let drawn = lower_unit(clients.hash(Purpose::Cohort, &id(n), 0));
        renewals.count(window.from + whole(drawn * real(window.seconds())));
    }
    let first = starts.0.keys().next().unwrap().div_euclid(HOUR);
    // Renewals of the first hour lack the windows of the hour before.
    for hour in first + 1..first + FIRST_SLOTS.cast_signed() {
        for seconds in [&starts, &renewals] {
            let (all, busiest) = seconds.of_hour(hour);
            let expected = PER_HOUR..=PER_HOUR;
            println!("{hour}: {all} {busiest} {expected:?}");
            assert!(
                busiest <= MOST_IN_A_SECOND,
                "hour {hour}: {busiest} of {all}"
            );
        }
    }
}
