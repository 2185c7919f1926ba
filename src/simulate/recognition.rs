//! What a server makes of how clients wake: the polls of one client of each kind and tick, recorded
//! as the server records them.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::density::Density;
use super::scenario::{Client, ClientKind, Scenario, Ticks};
use super::wake::Wake;
use crate::domain::client::retry_after::{Ahead, retry_after_seconds};
use crate::domain::client::schedule::{Polls, Response, Schedule};
use crate::domain::math::number::{length, real, signed, whole};
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};

/// So long polls are listened to: two months, as of a certificate that is renewed now.
const LISTENED_SECONDS: i64 = 60 * DAY;
/// Of clients without fixed ticks so many stand for all.
const SAMPLES: i64 = 8;
/// A tick that is told to so many seconds is told rightly.
const NEAR_SECONDS: i64 = 10 * MINUTE;

/// What is made of the clients of one kind.
#[derive(Clone, Debug)]
pub(super) struct Recognition {
    /// By the grain of the period at which they wake; of those without ticks, of some of them.
    schedules: Vec<Schedule>,
    /// Which of these are right.
    right: Vec<bool>,
    /// The share of the clients for which it is right.
    pub(super) share: f64,
}

impl Recognition {
    /// Of one kind of clients; `None` where they never ask.
    pub(super) fn of(scenario: &Scenario, client: &Client, wake: &Wake) -> Option<Self> {
        if matches!(client.kind, ClientKind::NoAri | ClientKind::NeverSucceeds) {
            return None;
        }
        let mut dice = StdRng::seed_from_u64(scenario.seed);
        let samples = match wake {
            Wake::Fixed { shares } => signed(shares.len()),
            Wake::Always | Wake::Random { .. } | Wake::Wandering { .. } => SAMPLES,
        };
        let schedules: Vec<Schedule> = (0..samples)
            .map(|sample| heard(scenario, client, sample * GRAIN_SECONDS, &mut dice).schedule())
            .collect();
        let seen = (0..).map(|sample| sample * GRAIN_SECONDS).zip(&schedules);
        let right: Vec<bool> = seen
            .map(|(second, schedule)| is_right(client, wake, second, *schedule))
            .collect();
        let weighed = right.iter().enumerate().filter(|(_, right)| **right);
        let share = weighed
            .map(|(sample, _)| match wake {
                Wake::Fixed { shares } => shares[sample],
                _ => 1.0 / real(samples),
            })
            .sum();
        Some(Self {
            schedules,
            right,
            share,
        })
    }

    /// What is known of a client that woke in a grain.
    pub(super) fn schedule(&self, grain: i64) -> Schedule {
        let known = signed(self.schedules.len());
        self.schedules[length(grain.rem_euclid(known))]
    }

    /// How those renew, by what is known of most of them.
    pub(super) fn response(&self, woken: Option<i64>) -> Response {
        let at = woken.map_or_else(
            || self.right.iter().position(|right| *right).unwrap_or(0),
            |grain| length(grain.rem_euclid(signed(self.schedules.len()))),
        );
        Response::of(self.schedules.get(at).copied().unwrap_or_default())
    }

    /// When a server expects those to renew that were given windows of which `drawn` tells: rightly
    /// where it is right, in their windows else. `known` is a grain in which they wake, where it is
    /// known.
    pub(super) fn expected(
        &self,
        renewals: &Density,
        drawn: &Density,
        known: Option<i64>,
    ) -> Density {
        let share = match known {
            Some(grain) => {
                let known = signed(self.right.len());
                if self.right[length(grain.rem_euclid(known))] {
                    1.0
                } else {
                    0.0
                }
            }
            None => self.share,
        };
        renewals.mixed(share, drawn)
    }
}

/// The record of the polls of a client that wakes at `second` of its period.
fn heard(scenario: &Scenario, client: &Client, second: i64, dice: &mut StdRng) -> Polls {
    let base = scenario.policy.retry_after_seconds;
    let from = scenario.start - scenario.start.second_of_day();
    let until = from + LISTENED_SECONDS;
    let mut polls = Polls::default();
    let mut at = from + second;
    while at < until {
        let late = match &client.ticks {
            Some(Ticks::Fixed { delay_seconds, .. }) => below(dice, delay_seconds + 1),
            Some(Ticks::Random { up_to_seconds, .. }) => below(dice, *up_to_seconds),
            _ => 0,
        };
        polls = polls.seen(at + late, base);
        at = at + next(client, base, at, dice);
    }
    polls
}

/// Seconds until such a client asks again.
fn next(client: &Client, base: i64, at: Timestamp, dice: &mut StdRng) -> i64 {
    match &client.ticks {
        Some(Ticks::Fixed { every_seconds, .. } | Ticks::Random { every_seconds, .. }) => {
            *every_seconds
        }
        Some(Ticks::Wandering {
            least_seconds,
            most_seconds,
        }) => least_seconds + below(dice, most_seconds - least_seconds + 1),
        None if client.honours_retry_after => {
            let draws = (dice.random::<f64>(), dice.random::<f64>());
            let calm = Ahead {
                closed: &[],
                load: |_| 1.0,
            };
            retry_after_seconds(base, at, draws, &calm)
        }
        // A daemon of its own mind: somewhere between four and eight hours.
        None => 4 * HOUR + below(dice, 4 * HOUR),
    }
}

fn below(dice: &mut StdRng, most: i64) -> i64 {
    whole((dice.random::<f64>() * real(most)).floor())
}

/// Whether the schedule says how these clients renew.
fn is_right(client: &Client, wake: &Wake, second: i64, schedule: Schedule) -> bool {
    let Wake::Fixed { shares } = wake else {
        return match wake {
            Wake::Always => matches!(schedule, Schedule::Steered | Schedule::Unknown),
            _ => schedule == Schedule::Random,
        };
    };
    let period = signed(shares.len()) * GRAIN_SECONDS;
    let sleep = match client.ticks {
        Some(Ticks::Fixed { delay_seconds, .. }) => delay_seconds,
        _ => 0,
    };
    let (Some(told), Some(tick)) = (schedule.period_seconds(), schedule.tick()) else {
        return false;
    };
    let off = (tick.second_of_day() - second).rem_euclid(period);
    told == period && (off <= sleep + NEAR_SECONDS || period - off <= NEAR_SECONDS)
}

/// The share of all that ask whose schedule is told rightly, by what comes from outside.
pub(super) fn recognised(scenario: &Scenario, known: &[Option<Recognition>]) -> Option<f64> {
    let asking = || {
        let clients = scenario.clients.iter().zip(known);
        clients.filter_map(|(client, known)| Some((client.share, known.as_ref()?.share)))
    };
    let all: f64 = asking().map(|(share, _)| share).sum();
    let told: f64 = asking().map(|(share, right)| share * right).sum();
    (all > 0.0).then(|| told / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    #[test]
    fn the_kinds_of_the_realistic_mix_are_told() {
        let text = shipped("realistic").unwrap().text;
        let none = |_: &str| Err(std::io::Error::other("no files"));
        let scenario = Scenario::parse("realistic", text, &none).unwrap();
        for client in &scenario.clients {
            let wake = Wake::new(client.ticks.as_ref());
            let known = Recognition::of(&scenario, client, &wake);
            let asks = !matches!(client.kind, ClientKind::NoAri | ClientKind::NeverSucceeds);
            assert_eq!(known.is_some(), asks, "{}", client.name);
            if let Some(known) = known {
                assert!(known.share > 0.8, "{}: {}", client.name, known.share);
                assert!(known.schedules.len() >= 2);
            }
        }
    }
}
