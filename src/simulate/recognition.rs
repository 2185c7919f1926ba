//! What a server learns about when clients wake: the polls of one client of each kind and tick,
//! recorded and evaluated by the server's own code.

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

/// The ages at which the record of polls is evaluated: when some schedules can be recognised, when most
/// are, and at the end of a life of 90 days.
pub(super) const RECORD_AGES_SECONDS: [i64; 3] = [3 * DAY, 14 * DAY, 60 * DAY];
/// How many sampled clients represent all those without fixed ticks.
const SAMPLES: i64 = 8;
/// A tick is recognised correctly if it is this close, in seconds.
const NEAR_SECONDS: i64 = 10 * MINUTE;
/// The most common timer with a random delay, as which a server treats all of them: twice a day, up to
/// 12 h late.
const HALF_DAY_GRAINS: i64 = 12 * HOUR / GRAIN_SECONDS;

/// What is recognised of the clients of one kind, after each of [`RECORD_AGES_SECONDS`].
#[derive(Clone, Debug)]
pub(super) struct Recognition {
    stages: [Stage; 3],
}

/// What the records of one age show.
#[derive(Clone, Debug)]
struct Stage {
    /// The recognised schedules by the grain of the period in which clients wake; of clients without
    /// ticks, of some samples.
    schedules: Vec<Schedule>,
    /// The share of the clients whose schedule is correct.
    right: f64,
    /// The recognised schedules of all clients together, used if it is not known at which ticks they
    /// wake.
    together: Vec<Recognised>,
}

/// Clients with the same recognised schedule.
#[derive(Clone, Debug, PartialEq)]
struct Recognised {
    /// Their share.
    share: f64,
    /// The recognised schedule.
    schedule: Schedule,
    /// For schedules with ticks, the share of clients at each grain of the period.
    ticks: Vec<f64>,
}

/// A part of a cohort, as a server expects it.
pub(super) struct Part {
    /// Its share of the cohort.
    pub(super) share: f64,
    /// When it comes, if it follows its windows.
    pub(super) density: Density,
    /// How it responds to windows.
    pub(super) response: Response,
}

impl Recognition {
    /// For one kind of clients; `None` if they never poll.
    pub(super) fn of(scenario: &Scenario, client: &Client, wake: &Wake) -> Option<Self> {
        if matches!(client.kind, ClientKind::NoAri | ClientKind::NeverSucceeds) {
            return None;
        }
        let samples = match wake {
            Wake::Fixed { shares } => signed(shares.len()),
            Wake::Always | Wake::Random { .. } | Wake::Wandering { .. } => SAMPLES,
        };
        let weight = |sample: usize| match wake {
            Wake::Fixed { shares } => shares[sample],
            _ => 1.0 / real(samples),
        };
        let stages = RECORD_AGES_SECONDS.map(|seconds| {
            let mut dice = StdRng::seed_from_u64(scenario.seed);
            let schedules: Vec<Schedule> = (0..samples)
                .map(|sample| {
                    let second = sample * GRAIN_SECONDS;
                    recorded_polls(scenario, client, second, seconds, &mut dice).schedule()
                })
                .collect();
            let right = schedules.iter().enumerate().filter(|(sample, schedule)| {
                is_right(client, wake, signed(*sample) * GRAIN_SECONDS, **schedule)
            });
            Stage {
                right: right.map(|(sample, _)| weight(sample)).sum(),
                together: together(&schedules, weight),
                schedules,
            }
        });
        Some(Self { stages })
    }

    /// The share of the clients whose schedule is recognised correctly after one of [`RECORD_AGES_SECONDS`].
    pub(super) fn share(&self, stage: usize) -> f64 {
        self.stages[stage].right
    }

    /// The schedule that is recognised in the end for a client that woke in a grain.
    pub(super) fn schedule(&self, grain: i64) -> Schedule {
        self.stages[2].of(grain)
    }

    /// When a server expects renewals by the windows `drawn`, after the stage `stage` of the polls.
    /// `woken` is a grain in which all of them wake, if there is one.
    pub(super) fn expected(&self, stage: usize, drawn: &Density, woken: Option<i64>) -> Vec<Part> {
        let stage = &self.stages[stage];
        let Some(grain) = woken else {
            let parts = stage.together.iter();
            return parts.map(|recognised| recognised.part(drawn)).collect();
        };
        vec![Recognised::one(stage.of(grain)).part(drawn)]
    }
}

impl Stage {
    fn of(&self, grain: i64) -> Schedule {
        let known = signed(self.schedules.len());
        self.schedules[length(grain.rem_euclid(known))]
    }
}

/// The recognised schedules with their weights, each kind once.
fn together(schedules: &[Schedule], weight: impl Fn(usize) -> f64) -> Vec<Recognised> {
    let mut all: Vec<Recognised> = Vec::new();
    for (sample, schedule) in schedules.iter().enumerate() {
        let share = weight(sample);
        let one = Recognised::one(*schedule);
        if share <= 0.0 {
            continue;
        }
        let same = |recognised: &&mut Recognised| recognised.schedule.code() == schedule.code();
        let Some(recognised) = all.iter_mut().find(same) else {
            all.push(one.scaled(share));
            continue;
        };
        recognised.share += share;
        for (sum, part) in recognised.ticks.iter_mut().zip(one.ticks) {
            *sum += part * share;
        }
    }
    for recognised in &mut all {
        for part in &mut recognised.ticks {
            *part /= recognised.share;
        }
    }
    all
}

impl Recognised {
    fn one(schedule: Schedule) -> Self {
        let fixed = schedule.period_seconds().zip(schedule.tick());
        let ticks = fixed.filter(|(period, _)| *period > GRAIN_SECONDS);
        let ticks = ticks.map_or_else(Vec::new, |(period, tick)| {
            let mut ticks = vec![0.0; length(period / GRAIN_SECONDS)];
            ticks[length(tick.second_of_day() % period / GRAIN_SECONDS)] = 1.0;
            ticks
        });
        Self {
            share: 1.0,
            schedule,
            ticks,
        }
    }

    fn scaled(mut self, share: f64) -> Self {
        self.share = share;
        for part in &mut self.ticks {
            *part *= share;
        }
        self
    }

    /// The same as [`Response::arrivals`] for one client: the first tick after the draw, a run in each
    /// half of the day, or the window itself. Clients with ticks every ten minutes come at their draw.
    fn part(&self, drawn: &Density) -> Part {
        let density = match self.schedule {
            Schedule::Daily { .. }
            | Schedule::Hourly { .. }
            | Schedule::SixHourly { .. }
            | Schedule::TwiceDaily { .. } => {
                let shares = self.ticks.clone();
                Wake::Fixed { shares }.after(drawn, None)
            }
            Schedule::Random => {
                let (every, up_to) = (HALF_DAY_GRAINS, HALF_DAY_GRAINS);
                Wake::Random { every, up_to }.after(drawn, None)
            }
            Schedule::Steered | Schedule::TenMinutely { .. } | Schedule::Unknown => drawn.clone(),
        };
        Part {
            share: self.share,
            density,
            response: Response::of(self.schedule),
        }
    }
}

/// The record of the polls, over `age_seconds` seconds, of a client that wakes at `second` of its period.
fn recorded_polls(
    scenario: &Scenario,
    client: &Client,
    second: i64,
    age_seconds: i64,
    dice: &mut StdRng,
) -> Polls {
    let base = scenario.policy.retry_after_seconds;
    let from = scenario.start - scenario.start.second_of_day();
    let until = from + age_seconds;
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

/// Seconds until such a client polls again.
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
        // A daemon that ignores `Retry-After`: a random time between four and eight hours.
        None => 4 * HOUR + below(dice, 4 * HOUR),
    }
}

fn below(dice: &mut StdRng, most: i64) -> i64 {
    whole((dice.random::<f64>() * real(most)).floor())
}

/// Whether the recognised schedule describes correctly how these clients renew.
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
    let (Some(found), Some(tick)) = (schedule.period_seconds(), schedule.tick()) else {
        return false;
    };
    let off = (tick.second_of_day() - second).rem_euclid(period);
    found == period && (off <= sleep + NEAR_SECONDS || period - off <= NEAR_SECONDS)
}

/// The share of all polling clients whose schedule is recognised correctly after one of
/// [`RECORD_AGES_SECONDS`], weighed by the certificates from outside.
pub(super) fn recognised(
    scenario: &Scenario,
    known: &[Option<Recognition>],
    stage: usize,
) -> Option<f64> {
    let asking = || {
        let clients = scenario.clients.iter().zip(known);
        clients.filter_map(|(client, known)| Some((client.share, known.as_ref()?.share(stage))))
    };
    let all: f64 = asking().map(|(share, _)| share).sum();
    let right: f64 = asking().map(|(share, right)| share * right).sum();
    (all > 0.0).then(|| right / all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shipped;

    #[test]
    fn the_kinds_of_the_realistic_mix_are_recognised() {
        let text = shipped("realistic").unwrap().text;
        let none = |_: &str| Err(std::io::Error::other("no files"));
        let scenario = Scenario::parse("realistic", text, &none).unwrap();
        for client in &scenario.clients {
            let wake = Wake::new(client.ticks.as_ref());
            let known = Recognition::of(&scenario, client, &wake);
            let asks = !matches!(client.kind, ClientKind::NoAri | ClientKind::NeverSucceeds);
            assert_eq!(known.is_some(), asks, "{}", client.name);
            if let Some(known) = known {
                let shares = [0, 1, 2].map(|stage| known.share(stage));
                assert!(shares[2] > 0.8, "{}: {shares:?}", client.name);
                let noon = Density::at(scenario.start + 12 * HOUR);
                for stage in 0..3 {
                    let parts = known.expected(stage, &noon, None);
                    let all: f64 = parts.iter().map(|part| part.share).sum();
                    assert!((all - 1.0).abs() < 1e-6, "{}: {all}", client.name);
                    for part in parts {
                        let sum: f64 = part.density.shares.iter().sum();
                        assert!((sum - 1.0).abs() < 1e-6, "{}: {sum}", client.name);
                    }
                }
            }
        }
    }
}
