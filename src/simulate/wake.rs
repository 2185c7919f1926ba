//! When clients wake.

use super::density::Density;
use super::scenario::{Client, ClientKind, Phase, Ticks};
use crate::domain::math::number::{length, real, real_len, signed};
use crate::domain::time::HOUR;
use crate::domain::time::timeline::GRAIN_SECONDS;

/// Grains in an hour.
const HOUR_GRAINS: i64 = HOUR / GRAIN_SECONDS;

/// How the clients of one kind wake, in grains.
#[derive(Clone, Debug)]
pub(super) enum Wake {
    /// They run all the time.
    Always,
    /// Each at its own grain of the period.
    Fixed {
        /// The share of the clients that wakes in each grain of the period.
        shares: Vec<f64>,
    },
    /// Once in each period, at random in its first grains.
    Random {
        /// Grains in a period.
        every: i64,
        /// The longest delay in grains.
        up_to: i64,
    },
    /// At a random time after the last wake.
    Wandering {
        /// The mean number of grains between two wakes.
        every: i64,
        /// For each number of hours, the share that next wakes that long after a random instant.
        residual: Vec<f64>,
    },
}

impl Wake {
    pub(super) fn new(ticks: Option<&Ticks>) -> Self {
        match ticks {
            Some(Ticks::Fixed {
                every_seconds, at, ..
            }) if *every_seconds > GRAIN_SECONDS => Self::Fixed {
                shares: by_grain(*every_seconds, at),
            },
            None | Some(Ticks::Fixed { .. }) => Self::Always,
            Some(Ticks::Random {
                every_seconds,
                up_to_seconds,
            }) => Self::Random {
                every: (every_seconds / GRAIN_SECONDS).max(1),
                // A delay longer than the period makes runs rarer, not later in their period.
                up_to: (up_to_seconds.min(every_seconds) / GRAIN_SECONDS).max(1),
            },
            Some(Ticks::Wandering {
                least_seconds,
                most_seconds,
            }) => Self::Wandering {
                every: i64::midpoint(*least_seconds, *most_seconds) / GRAIN_SECONDS,
                residual: residual(*least_seconds, *most_seconds),
            },
        }
    }

    /// The approximate number of grains between two wakes.
    pub(super) fn period(&self) -> i64 {
        match self {
            Self::Always => 0,
            Self::Fixed { shares } => signed(shares.len()),
            Self::Random { every, .. } | Self::Wandering { every, .. } => *every,
        }
    }

    /// When clients that have taken the instants `taken` renew: at their first wake after these.
    /// `known` is a grain in which clients of fixed ticks wake, if it is known.
    ///
    /// A client that draws again at each run counts as drawing once. If windows are no longer than
    /// its period, that is the same; otherwise its renewals come a little late in the window.
    pub(super) fn after(&self, taken: &Density, known: Option<i64>) -> Density {
        match self {
            Self::Always => taken.clone(),
            Self::Fixed { shares } => fixed(taken, shares, known),
            Self::Random { every, up_to } => random(taken, *every, *up_to),
            Self::Wandering { residual, .. } => wandering(taken, residual),
        }
    }
}

/// When clients renew by the windows they were given.
pub(super) fn renewals(
    client: &Client,
    wake: &Wake,
    taken: &Density,
    known: Option<i64>,
) -> Density {
    match client.kind {
        ClientKind::Ticking | ClientKind::CronNextTick => {
            wake.after(&taken.earlier(wake.period()), known)
        }
        _ => wake.after(taken, known),
    }
}

/// The share of clients with a tick in each grain of the period.
fn by_grain(every_seconds: i64, at: &[Phase]) -> Vec<f64> {
    let grains = length(every_seconds / GRAIN_SECONDS);
    let common: f64 = at.iter().map(|phase| phase.share).sum();
    let mut shares = vec![(1.0 - common).max(0.0) / real_len(grains); grains];
    for phase in at {
        shares[length(phase.second / GRAIN_SECONDS) % grains] += phase.share;
    }
    shares
}

/// At the first tick after the taken instant.
fn fixed(taken: &Density, shares: &[f64], known: Option<i64>) -> Density {
    let period = signed(shares.len());
    let up_to = taken.up_to();
    let mut woken = Density {
        first: taken.first,
        shares: vec![0.0; taken.shares.len() + shares.len() - 1],
    };
    let end = woken.end();
    let mut wake = |grain: i64, share: f64| {
        let since = up_to.grain(grain) - up_to.grain(grain - period);
        woken.shares[length(grain - taken.first)] += share * since;
    };
    if let Some(known) = known {
        let mut grain = taken.first + (known - taken.first).rem_euclid(period);
        while grain < end {
            wake(grain, 1.0);
            grain += period;
        }
    } else {
        for grain in taken.first..end {
            wake(grain, shares[length(grain.rem_euclid(period))]);
        }
    }
    woken
}

/// One run in each period, at a random time. Clients whose taken instant is before that of their run
/// renew at it, the others in the next period.
fn random(taken: &Density, every: i64, up_to: i64) -> Density {
    let first = taken.first.div_euclid(every) * every;
    let periods = (taken.end() - 1).div_euclid(every) - taken.first.div_euclid(every) + 2;
    let mut woken = Density {
        first,
        shares: vec![0.0; length(periods * every)],
    };
    let chance = 1.0 / real(up_to);
    let sums = taken.up_to();
    let mut late = 0.0;
    for period in 0..periods {
        let begins = first + period * every;
        let before = sums.grain(begins - 1);
        for n in 0..up_to {
            // Of instants in the same grain, half are before the run.
            let here = begins + n;
            let since = f64::midpoint(sums.grain(here), sums.grain(here - 1)) - before;
            woken.shares[length(here - first)] += chance * (since + late);
        }
        let here = (0..every).map(|n| begins + n);
        late = here
            .map(|grain| {
                let share = sums.grain(grain) - sums.grain(grain - 1);
                share * ((real(grain - begins) + 0.5) * chance).min(1.0)
            })
            .sum();
    }
    woken
}

/// The chance that, after a random instant, the next of wakes `least` to `most` seconds apart comes
/// after this many hours.
fn residual(least: i64, most: i64) -> Vec<f64> {
    // The mean, over each hour, of the chance that an interval is longer.
    let longer = |hours: f64| {
        let seconds = hours * real(HOUR);
        ((real(most) - seconds) / real((most - least).max(1))).clamp(0.0, 1.0)
    };
    let hours = (most + HOUR - 1) / HOUR;
    let chances: Vec<f64> = (0..hours).map(|hour| longer(real(hour) + 0.5)).collect();
    let total: f64 = chances.iter().sum();
    if total <= 0.0 {
        return vec![1.0];
    }
    chances.iter().map(|chance| chance / total).collect()
}

/// By hours: an instant at any part of an hour, and an interval with any part of an hour, add up to one
/// hour or the next.
fn wandering(taken: &Density, residual: &[f64]) -> Density {
    let hours = taken.shares.len().div_ceil(length(HOUR_GRAINS));
    let mut by_hour = vec![0.0; hours + residual.len()];
    for (n, taken) in taken.shares.chunks(length(HOUR_GRAINS)).enumerate() {
        let share: f64 = taken.iter().sum();
        for (m, chance) in residual.iter().enumerate() {
            by_hour[n + m] += 0.5 * share * chance;
            by_hour[n + m + 1] += 0.5 * share * chance;
        }
    }
    let grains = by_hour
        .iter()
        .flat_map(|share| std::iter::repeat_n(share / real(HOUR_GRAINS), length(HOUR_GRAINS)));
    Density {
        first: taken.first,
        shares: grains.collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::given::Given;
    use super::*;
    use crate::domain::time::{MINUTE, Span, Timestamp};

    /// A midnight.
    const FIRST: i64 = 1_795_219_200 / GRAIN_SECONDS;

    fn sum(density: &Density) -> f64 {
        density.shares.iter().sum()
    }

    fn ticks(every: i64, at: &[(i64, f64)]) -> Wake {
        Wake::new(Some(&Ticks::Fixed {
            every_seconds: every,
            at: at
                .iter()
                .map(|(second, share)| Phase {
                    second: *second,
                    share: *share,
                })
                .collect(),
            grain_seconds: MINUTE,
            delay_seconds: 0,
        }))
    }

    fn client(kind: ClientKind) -> Client {
        Client {
            name: "any".to_owned(),
            share: 1.0,
            kind,
            replaces: false,
            honours_retry_after: false,
            ticks: None,
            source: String::new(),
        }
    }

    /// Taken evenly over six hours from 03:00.
    fn morning() -> Density {
        Density {
            first: FIRST + 36,
            shares: vec![1.0 / 72.0; 72],
        }
    }

    #[test]
    fn fixed_ticks_come_after_what_was_taken() {
        let six_hourly = ticks(6 * HOUR, &[(0, 0.5)]);
        let woken = six_hourly.after(&morning(), Some(FIRST));
        let at: Vec<(i64, f64)> = woken.grains().filter(|(_, share)| *share > 0.0).collect();
        let grains: Vec<i64> = at.iter().map(|(grain, _)| grain - FIRST).collect();
        assert_eq!(grains, [72, 144]);
        // Up to and including the grain of the tick.
        assert!((at[0].1 - 37.0 / 72.0).abs() < 1e-12);
        assert!((sum(&woken) - 1.0).abs() < 1e-12);
        // Unknown ticks: half at six, the others evenly.
        let woken = six_hourly.after(&morning(), None);
        assert!((sum(&woken) - 1.0).abs() < 1e-9, "{}", sum(&woken));
        let six = woken.shares[36];
        assert!(
            (six - (0.5 + 0.5 / 72.0) * 37.0 / 72.0).abs() < 1e-12,
            "{six}"
        );
    }

    #[test]
    fn the_last_tick_before_a_draw_is_a_period_earlier() {
        let client = client(ClientKind::CronNextTick);
        let daily = ticks(24 * HOUR, &[]);
        let noon = Density {
            first: FIRST + 144,
            shares: vec![1.0],
        };
        let woken = renewals(&client, &daily, &noon, Some(FIRST));
        assert_eq!(
            woken.grains().find(|(_, share)| *share > 0.0),
            Some((FIRST, 1.0))
        );
    }

    #[test]
    fn random_runs_come_once_in_each_half_of_the_day() {
        let timer = Wake::new(Some(&Ticks::Random {
            every_seconds: 12 * HOUR,
            up_to_seconds: 12 * HOUR,
        }));
        // Taken at six in the morning: half have run by then and come in the afternoon.
        let six = Density {
            first: FIRST + 72,
            shares: vec![1.0],
        };
        let woken = timer.after(&six, None);
        let share = |from: i64, to: i64| -> f64 {
            let grains = woken.grains();
            let within = grains.filter(|(grain, _)| (FIRST + from..FIRST + to).contains(grain));
            within.map(|(_, share)| share).sum()
        };
        assert!(share(0, 72).abs() < 1e-12);
        assert!((share(72, 144) - 0.5).abs() < 0.01, "{}", share(72, 144));
        assert!((share(144, 288) - 0.5).abs() < 0.01);
        assert!((sum(&woken) - 1.0).abs() < 1e-9, "{}", sum(&woken));
        let whole = timer.after(&morning(), None);
        assert!((sum(&whole) - 1.0).abs() < 1e-9, "{}", sum(&whole));
    }

    #[test]
    fn wandering_clients_come_within_the_longest_while() {
        let mod_md = Wake::new(Some(&Ticks::Wandering {
            least_seconds: 6 * HOUR,
            most_seconds: 18 * HOUR,
        }));
        let woken = mod_md.after(&morning(), None);
        assert!((sum(&woken) - 1.0).abs() < 1e-9);
        let mean = |density: &Density| -> f64 {
            let grains = density.grains();
            grains
                .map(|(grain, share)| real(grain - FIRST) * share)
                .sum()
        };
        // For an interval X between 6 and 18 h, E X² / 2 E X is (12² + 12²/12) / 24 = 6.5 h.
        let later = (mean(&woken) - mean(&morning())) / 12.0;
        assert!((later - 6.5).abs() < 0.1, "{later}");
        assert_eq!(mod_md.period(), 12 * 12);
    }

    fn any_wake() -> impl Strategy<Value = Wake> {
        let fixed = (
            prop::sample::select(vec![MINUTE, HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR]),
            prop::collection::vec((0..24 * HOUR, 0.0..0.5), 0..3),
        );
        let fixed = fixed.prop_map(|(every, at)| ticks(every, &at));
        let random = (1_i64..=24, 1_i64..=30).prop_map(|(every, up_to)| {
            Wake::new(Some(&Ticks::Random {
                every_seconds: every * HOUR,
                up_to_seconds: up_to * HOUR,
            }))
        });
        let wandering = (0_i64..=24, 1_i64..=24).prop_map(|(least, more)| {
            let (least_seconds, most_seconds) = (least * HOUR, (least + more) * HOUR);
            Wake::new(Some(&Ticks::Wandering {
                least_seconds,
                most_seconds,
            }))
        });
        prop_oneof![Just(Wake::Always), fixed, random, wandering]
    }

    fn any_windows() -> impl Strategy<Value = Given> {
        let window = (0_i64..3 * 24 * HOUR, 1_i64..24 * HOUR, 1.0..10.0);
        prop::collection::vec(window, 1..6).prop_map(|windows| {
            let all: f64 = windows.iter().map(|(_, _, part)| part).sum();
            let window = |(from, long, part): (i64, i64, f64)| {
                let from = Timestamp::from_unix(FIRST * GRAIN_SECONDS + from);
                let to = from + long;
                (Span { from, to }, part / all)
            };
            Given(windows.into_iter().map(window).collect())
        })
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_nobody_comes_before_the_window(
            given in any_windows(),
            wake in any_wake(),
            known in prop::option::of(0_i64..288),
        ) {
            use ClientKind::{CronNextTick, CronRedraw, Exact, ModMd, StartOfWindow, Ticking};
            let opens = given.drawn().first;
            for kind in [Exact, Ticking, CronRedraw, CronNextTick, StartOfWindow, ModMd] {
                let client = client(kind);
                let woken = renewals(&client, &wake, &given.taken(kind), known.map(|n| FIRST + n));
                prop_assert!((sum(&woken) - 1.0).abs() < 1e-9, "{kind:?}: {}", sum(&woken));
                let early = match kind {
                    Ticking | CronNextTick => wake.period(), // at a tick before the draw
                    ModMd => 12 * HOUR_GRAINS, // half a window of a day at most
                    _ => 0,
                };
                let mut soon = woken.grains().take_while(|(grain, _)| *grain < opens - early);
                prop_assert!(soon.all(|(_, share)| share < 1e-12), "{kind:?}: before {opens}");
            }
        }
    }
}
