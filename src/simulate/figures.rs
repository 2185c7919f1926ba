//! Computes the figures of an outcome from the course of a run.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Poisson};

use super::brought::Brought;
use super::outcome::{Cycle, Note, PeakSeconds, RuleOutcome};
use super::population::Population;
use super::scenario::{Client, ClientKind, Rule, Scenario, Ticks};
use crate::course::Ran;
use crate::domain::math::number::{length, real, real_len, signed};
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, HOUR, Span, Timestamp};

/// Seconds in a grain.
const SECONDS: usize = 300;
/// How many grains before and after the busiest moment are reported by the second.
const GRAINS_AROUND: usize = 1;
/// The parts of a cycle that are left out, at its beginning a twelfth and at its end a tenth. At the
/// turn of a cycle two generations overlap, because the first of the next generation come early. That
/// is caused by the sudden beginning of the population, not by a rule.
const TURN_BEGINS: (i64, i64) = (1, 12);
const TURN_ENDS: (i64, i64) = (1, 10);
/// An echo has ended if its peak is at most this many times that of the last cycle.
const FADED: f64 = 1.05;

/// The cycles after the first, without their turns.
pub(super) fn cycles(scenario: &Scenario) -> Vec<Span> {
    let long = i64::from(scenario.first_cycle_days) * DAY;
    let part = |(n, of): (i64, i64)| long * n / of / HOUR * HOUR;
    (1..=i64::from(scenario.cycles))
        .map(|cycle| Span {
            from: scenario.start + cycle * long + part(TURN_BEGINS),
            to: scenario.start + (cycle + 1) * long - part(TURN_ENDS),
        })
        .collect()
}

/// The figures of one rule, as multiples of `mean`, in certificates per slot.
pub(super) fn figures(scenario: &Scenario, rule: Rule, ran: Ran<'_>, mean: f64) -> RuleOutcome {
    let slot_grains = length(scenario.policy.slot_seconds / GRAIN_SECONDS);
    let load: Vec<f64> = ran
        .attempts
        .chunks(slot_grains)
        .map(|grains| grains.iter().sum())
        .collect();
    let slot_of = |at: Timestamp| length((at - scenario.start) / scenario.policy.slot_seconds);
    let in_cycle =
        |span: &Span| &load[slot_of(span.from).min(load.len())..slot_of(span.to).min(load.len())];
    let spans = cycles(scenario);
    let cycles: Vec<Cycle> = spans
        .iter()
        .map(|span| Cycle {
            span: *span,
            peak_to_mean: highest(in_cycle(span)) / mean,
            p99_to_mean: quantile(in_cycle(span), 0.99) / mean,
        })
        .collect();
    let settled: Vec<f64> = spans.iter().flat_map(in_cycle).copied().collect();
    let seconds = Seconds::of(scenario, &ran.population, &spans);
    let after_first = slot_of(scenario.first_steered());
    let all_days = highest(&load[after_first.min(load.len())..]) / mean;
    let notes: Vec<Note> = ran
        .notes
        .into_iter()
        .map(|(name, value)| Note { name, value })
        .collect();
    RuleOutcome {
        rule,
        peak_to_mean: highest(&settled) / mean,
        peak_to_mean_all_days: all_days,
        p99_to_mean: quantile(&settled, 0.99) / mean,
        worst_minute_to_mean: seconds.worst_minute * slots_in(scenario, 60) / mean,
        worst_second_to_mean: seconds.worst_second * slots_in(scenario, 1) / mean,
        extra_issuance: ran.population.extra_issuance(),
        echo_cycles: echo(scenario, &cycles),
        cycles,
        peaks: seconds.peaks,
        notes,
        load,
        beside_none: None,
        with_chance: Vec::new(),
    }
}

/// How many times this many seconds fit into a slot.
fn slots_in(scenario: &Scenario, seconds: i64) -> f64 {
    real(scenario.policy.slot_seconds) / real(seconds)
}

fn highest(load: &[f64]) -> f64 {
    load.iter().copied().fold(0.0, f64::max)
}

/// The value that this share of the loads does not exceed.
fn quantile(load: &[f64], share: f64) -> f64 {
    let mut sorted = load.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = length(crate::domain::math::number::whole(
        (real_len(sorted.len()) * share).ceil(),
    ));
    sorted
        .get(at.max(1).min(sorted.len()).wrapping_sub(1))
        .copied()
        .unwrap_or(0.0)
}

/// After how many cycles a burst's echo had ended.
fn echo(scenario: &Scenario, cycles: &[Cycle]) -> Option<u32> {
    let burst = scenario.bursts.iter().map(|burst| burst.span.to).max()?;
    let after: Vec<&Cycle> = cycles
        .iter()
        .filter(|cycle| cycle.span.from >= burst)
        .collect();
    let last = after.last()?.peak_to_mean;
    let faded = after
        .iter()
        .rposition(|cycle| cycle.peak_to_mean > FADED * last)
        .map_or(0, |cycle| cycle + 1);
    u32::try_from(faded).ok().filter(|cycles| *cycles > 0)
}

/// The load by the second: Poisson counts, drawn around the means given by the clients' ticks.
struct Seconds {
    worst_second: f64,
    worst_minute: f64,
    peaks: Vec<PeakSeconds>,
}

impl Seconds {
    fn of(scenario: &Scenario, population: &Population<'_>, spans: &[Span]) -> Self {
        let mut dice = StdRng::seed_from_u64(scenario.seed ^ 0x5ec0);
        let mut worst = (0.0, 0);
        let mut worst_minute = 0.0_f64;
        let grain_at = |at: Timestamp| length((at - scenario.start) / GRAIN_SECONDS);
        for span in spans {
            let grains = grain_at(span.from)..grain_at(span.to).min(population.grains);
            for grain in grains {
                let drawn = draw(&means(population, grain), &mut dice);
                let second = drawn.iter().copied().fold(0.0, f64::max);
                if second > worst.0 {
                    worst = (second, grain);
                }
                let minutes = drawn.chunks(60).map(|minute| minute.iter().sum::<f64>());
                worst_minute = minutes.fold(worst_minute, f64::max);
            }
        }
        let mut dice = StdRng::seed_from_u64(scenario.seed ^ 0x5ec1);
        let first = worst.1.saturating_sub(GRAINS_AROUND);
        let last = (worst.1 + GRAINS_AROUND).min(population.grains - 1);
        let per_second =
            (first..=last).flat_map(|grain| draw(&means(population, grain), &mut dice));
        let peak = PeakSeconds {
            from: population.at(first),
            per_second: per_second
                .map(|count| {
                    u32::try_from(crate::domain::math::number::whole(count)).unwrap_or(u32::MAX)
                })
                .collect(),
        };
        Self {
            worst_second: worst.0,
            worst_minute,
            peaks: vec![peak],
        }
    }
}

fn draw(means: &[f64; SECONDS], dice: &mut StdRng) -> Vec<f64> {
    let second = |mean: &f64| {
        if *mean > 0.0 {
            Poisson::new(*mean).map_or(*mean, |law| law.sample(dice))
        } else {
            0.0
        }
    };
    means.iter().map(second).collect()
}

/// The expected load of each second of a grain.
fn means(population: &Population<'_>, grain: usize) -> [f64; SECONDS] {
    let mut means = [0.0; SECONDS];
    let at = population.at(grain);
    let mut even = 0.0;
    for (n, group) in population.groups.iter().enumerate() {
        even += group.outside[grain];
        let back = group.back[grain];
        if back > 0.0 && !at_ticks(population.client(n), at, back, &mut means) {
            even += back;
        }
    }
    for (client, vain) in population.vain_clients(grain) {
        if !at_ticks(client, at, vain, &mut means) {
            even += vain;
        }
    }
    for mean in &mut means {
        *mean += even / real_len(SECONDS);
    }
    means
}

/// Adds the load of clients with fixed ticks in a grain to its seconds; returns whether the client has
/// such ticks.
fn at_ticks(client: &Client, at: Timestamp, count: f64, means: &mut [f64; SECONDS]) -> bool {
    let Some(Ticks::Fixed {
        every_seconds,
        at: phases,
        grain_seconds,
        delay_seconds,
    }) = &client.ticks
    else {
        return false;
    };
    if *every_seconds <= GRAIN_SECONDS {
        return false;
    }
    let begins = at.second_of_day() % every_seconds;
    let here = phases
        .iter()
        .filter(|phase| (begins..begins + GRAIN_SECONDS).contains(&phase.second));
    let common: f64 = phases.iter().map(|phase| phase.share).sum();
    let rest = (1.0 - common).max(0.0) * real(GRAIN_SECONDS) / real(*every_seconds);
    let of_phases: f64 = here.clone().map(|phase| phase.share).sum();
    let all = of_phases + rest;
    if all <= 0.0 {
        return false;
    }
    // A delay beyond the end of the grain is cut off, so that its load stays in this grain.
    let late = (delay_seconds + 1).min(GRAIN_SECONDS);
    let mut put = |second: i64, count: f64| {
        for n in 0..late {
            means[length((second + n) % GRAIN_SECONDS)] += count / real(late);
        }
    };
    for phase in here {
        put(phase.second - begins, count * phase.share / all);
    }
    let step = (*grain_seconds).min(GRAIN_SECONDS);
    let moments = GRAIN_SECONDS / step;
    for n in 0..moments {
        put(n * step, count * rest / all / real(moments));
    }
    true
}

/// The lowest peak that any rule could reach, as a multiple of the mean: the largest of 1, the peak of
/// the load that cannot be steered (`unsteerable`, in certificates per slot over the cycles), and the
/// peak of its average day with the clients of fixed ticks added, those with several ticks a day at the
/// best of them.
pub(super) fn floor(scenario: &Scenario, population: &Population<'_>, brought: Brought) -> f64 {
    let mean = brought.all();
    let slot_seconds = scenario.policy.slot_seconds;
    let slot_grains = length(slot_seconds / GRAIN_SECONDS);
    let day_slots = length(DAY / slot_seconds);
    let mut peak = 0.0_f64;
    let mut day = vec![0.0; day_slots];
    let mut slots = 0.0;
    for span in cycles(scenario) {
        let first = length((span.from - scenario.start) / slot_seconds);
        let end =
            length((span.to - scenario.start) / slot_seconds).min(population.grains / slot_grains);
        for slot in first..end {
            let grains = slot * slot_grains..(slot + 1) * slot_grains;
            let load: f64 = grains.map(|grain| population.unsteerable(grain)).sum();
            peak = peak.max(load);
            let at = population.at(slot * slot_grains);
            day[length(at.second_of_day() / slot_seconds)] += load;
            slots += 1.0;
        }
    }
    if slots <= 0.0 {
        return 1.0;
    }
    let days = slots / real_len(day_slots);
    for load in &mut day {
        *load /= days;
    }
    let mut movable = Vec::new();
    for client in &scenario.clients {
        let fixed = !matches!(client.kind, ClientKind::NoAri | ClientKind::NeverSucceeds);
        if let Some(Ticks::Fixed {
            every_seconds, at, ..
        }) = &client.ticks
            && fixed
            && *every_seconds >= 6 * HOUR
        {
            // Each of them orders once a cycle; the repeated orders of clients that never succeed are
            // not included.
            let per_day = brought.of_share(client.share) * real_len(day_slots);
            movable.push((*every_seconds, at, per_day));
        }
    }
    // Clients with fewer ticks first, because they have fewer choices.
    movable.sort_by_key(|(every, _, _)| -every);
    for (every, phases, load) in movable {
        let period_slots = length(every / slot_seconds);
        let common: f64 = phases.iter().map(|phase| phase.share).sum();
        for first in 0..period_slots {
            let begins = signed(first) * slot_seconds;
            let here = phases
                .iter()
                .filter(|phase| (begins..begins + slot_seconds).contains(&phase.second));
            let share: f64 = here.map(|phase| phase.share).sum::<f64>()
                + (1.0 - common).max(0.0) / real_len(period_slots);
            let choices: Vec<usize> = (first..day_slots).step_by(period_slots).collect();
            fill(&mut day, &choices, load * share);
        }
    }
    (highest(&day) / mean).max(peak / mean).max(1.0)
}

/// Adds an amount to some slots so that the highest is as low as possible.
fn fill(day: &mut [f64], choices: &[usize], amount: f64) {
    let base: Vec<f64> = choices.iter().map(|slot| day[*slot]).collect();
    let limits = vec![f64::INFINITY; base.len()];
    let shares = vec![1.0; base.len()];
    let level = crate::domain::math::waterfill::level(&base, &limits, &shares, amount);
    for slot in choices {
        day[*slot] = day[*slot].max(level);
    }
}
