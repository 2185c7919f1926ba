//! When each kind of client orders, by second of the day.

use super::behaviours::{Behaviour, parts};
use crate::domain::math::number::{length, real};
use crate::domain::time::{DAY, HOUR};
use crate::scenario::{Client, ClientKind, Scenario, Ticks};

/// A kind of client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    /// Its name.
    pub(super) name: String,
    /// How it reacts to a late answer or an error.
    pub(super) behaviour: Behaviour,
    /// Whether its orders succeed.
    pub(super) succeeds: bool,
    /// New orders a day.
    per_day: f64,
    /// When its orders come.
    when: When,
    /// Seconds from a failed run to the next one.
    pub(super) next_run_seconds: i64,
}

/// When orders come.
#[derive(Clone, Debug, PartialEq)]
enum When {
    /// In proportion to these loads of the hours of the day; mean 1.
    Hours([f64; 24]),
    /// At moments that clients share: shares of a period's orders by second of the period. Each run
    /// begins up to `delay` seconds late.
    Moments {
        every: i64,
        at: Vec<(i64, f64)>,
        /// The remaining share, at each whole multiple of `grain` seconds.
        rest: f64,
        grain: i64,
        delay: i64,
    },
    /// Evenly over the first seconds of each period.
    Drawn { every: i64, up_to: i64 },
}

/// The client kinds of a scenario.
pub(super) fn kinds(scenario: &Scenario) -> Vec<Kind> {
    let clients = scenario.clients.iter();
    clients
        .flat_map(|client| of_client(scenario, client))
        .collect()
}

/// The new orders of all kinds in a day.
pub(super) fn per_day(kinds: &[Kind]) -> f64 {
    kinds.iter().map(|kind| kind.per_day).sum()
}

/// A lower bound for the mean number of clients that fail among those arriving in the second of
/// midnight: each gives up after a known time, and until then the CA can handle only so many.
pub(super) fn fewest_that_fail(kinds: &[Kind], capacity: f64) -> f64 {
    let longest = kinds
        .iter()
        .filter_map(|kind| kind.behaviour.gives_up_seconds);
    let bounds = longest.map(|longest| {
        let gives_up = |kind: &&Kind| {
            let seconds = kind.behaviour.gives_up_seconds;
            kind.succeeds && seconds.is_some_and(|seconds| seconds <= longest)
        };
        let come: f64 = kinds
            .iter()
            .filter(gives_up)
            .map(|kind| kind.in_second(0))
            .sum();
        come - capacity * real(longest + 1)
    });
    bounds.fold(0.0, f64::max)
}

fn of_client(scenario: &Scenario, client: &Client) -> Vec<Kind> {
    let succeeds = client.kind != ClientKind::NeverSucceeds;
    let renewals = client.share * scenario.certificates_per_hour * real(DAY / HOUR);
    // One certificate a cycle means one order a cycle; a client that never succeeds orders at each
    // tick.
    let per_day = if succeeds {
        renewals
    } else {
        let ticks = DAY / period(client);
        renewals * f64::from(scenario.first_cycle_days) * real(ticks)
    };
    let parts = parts(&client.name);
    let kinds = parts.into_iter().map(|(name, share, behaviour)| Kind {
        name,
        behaviour,
        succeeds,
        per_day: per_day * share,
        when: when(scenario, client),
        next_run_seconds: period(client),
    });
    kinds.collect()
}

/// The period of a client. A daemon that gives up tries again a day later.
fn period(client: &Client) -> i64 {
    match client.ticks {
        Some(Ticks::Fixed { every_seconds, .. } | Ticks::Random { every_seconds, .. })
            if client.kind != ClientKind::Ticking =>
        {
            every_seconds
        }
        _ => DAY,
    }
}

fn when(scenario: &Scenario, client: &Client) -> When {
    match &client.ticks {
        // Such a short period does not change the shape of an hour.
        Some(Ticks::Fixed { every_seconds, .. }) if *every_seconds < HOUR => {
            When::Hours(scenario.hours)
        }
        Some(Ticks::Fixed {
            every_seconds,
            at,
            grain_seconds,
            delay_seconds,
        }) => When::Moments {
            every: *every_seconds,
            at: at.iter().map(|phase| (phase.second, phase.share)).collect(),
            rest: 1.0 - at.iter().map(|phase| phase.share).sum::<f64>(),
            grain: *grain_seconds,
            delay: (*delay_seconds).max(1),
        },
        Some(Ticks::Random {
            every_seconds,
            up_to_seconds,
        }) => When::Drawn {
            every: *every_seconds,
            up_to: (*up_to_seconds).min(*every_seconds),
        },
        Some(Ticks::Wandering { .. }) | None => When::Hours(scenario.hours),
    }
}

impl Kind {
    /// The mean number of its orders in a second of the day.
    pub(super) fn in_second(&self, second_of_day: i64) -> f64 {
        match &self.when {
            When::Hours(hours) => {
                self.per_day / real(DAY) * hours[length(second_of_day.rem_euclid(DAY) / HOUR)]
            }
            When::Drawn { every, up_to } => {
                let comes = second_of_day.rem_euclid(*every) < *up_to;
                let share = if comes { 1.0 / real(*up_to) } else { 0.0 };
                self.per_day * real(*every) / real(DAY) * share
            }
            When::Moments {
                every,
                at,
                rest,
                grain,
                delay,
            } => {
                let second = second_of_day.rem_euclid(*every);
                let within = |from: i64| (second - from).rem_euclid(*every) < *delay;
                let moments = at.iter().filter(|(from, _)| within(*from));
                let shared: f64 = moments.map(|(_, share)| share / real(*delay)).sum();
                // The number of multiples of the grain that began within the delay before this
                // second.
                let begun = real(second.div_euclid(*grain) - (second - delay).div_euclid(*grain));
                let others = rest * real(*grain) / real(*every) * begun / real(*delay);
                self.per_day * real(*every) / real(DAY) * (shared + others)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    fn realistic() -> Scenario {
        let files = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        Scenario::parse("realistic", shipped("realistic").unwrap().text, &files).unwrap()
    }

    #[test]
    fn the_seconds_of_a_day_are_all_of_it() {
        for kind in kinds(&realistic()) {
            let sum: f64 = (0..DAY).map(|second| kind.in_second(second)).sum();
            assert!(
                (sum / kind.per_day - 1.0).abs() < 1e-6,
                "{}: {sum}",
                kind.name
            );
        }
    }

    #[test]
    fn the_busiest_second_is_that_of_the_cycles_simulator() {
        let kinds = kinds(&realistic());
        let mean = per_day(&kinds) / real(DAY);
        let all = |second: i64| kinds.iter().map(|kind| kind.in_second(second)).sum::<f64>();
        let busiest = (0..DAY).max_by(|a, b| all(*a).total_cmp(&all(*b))).unwrap();
        assert_eq!(busiest, 0, "midnight");
        // docs/simulation.md: 6,259 under `none`, with random variation.
        assert!(
            (5_900.0..6_500.0).contains(&(all(busiest) / mean)),
            "{}",
            all(busiest) / mean
        );
    }
}
