//! Two servers side by side: the same load in turns, one generator, one core each.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use offpeak::domain::math::number::real;

use super::figures::median;
use super::load::{Ask, Expect, Load, Outcome, Stream};
use super::process::{Core, Process, on, output_of};
use super::setup::Size;

/// Connections of a generator: enough that the server always has the next request, few enough that
/// both sides' events stay in the cache.
pub(super) const CONNECTIONS: usize = 64;

/// A server that uses less of its core was not what held the rate down: the generator was, or
/// another process on that core. What the kernel does on the server's behalf in interrupts is not in it.
const USED_UP: f64 = 0.9;

/// One of those that are compared.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) process: &'a Process,
    pub(super) address: SocketAddr,
    pub(super) ask: Ask,
    pub(super) expect: Expect,
    pub(super) connections: usize,
}

/// What a side reached in each round.
#[derive(Debug, Default)]
pub(super) struct Rates {
    pub(super) per_second: Vec<f64>,
    /// By the second of the server's own processor time.
    pub(super) per_cpu_second: Vec<f64>,
    /// How much of their cores the server and the generator used, of 1.
    server_share: Vec<f64>,
    generator_share: Vec<f64>,
}

/// How long a side's answers took in each round, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    pub(super) p50: Vec<f64>,
    pub(super) p99: Vec<f64>,
    pub(super) p999: Vec<f64>,
}

impl Side<'_> {
    pub(super) fn stream(&self, rate: Option<f64>, seed: u64) -> Stream {
        Stream {
            ask: self.ask.clone(),
            expect: self.expect.clone(),
            connections: self.connections,
            rate,
            seed,
        }
    }
}

impl Rates {
    pub(super) fn median(&self) -> f64 {
        median(&self.per_second).unwrap_or(f64::NAN)
    }

    /// Whose core was used up: what says which of the two was measured.
    pub(super) fn shares(&self) -> String {
        let median = |shares: &[f64]| median(shares).unwrap_or(f64::NAN);
        let (server, generator) = (median(&self.server_share), median(&self.generator_share));
        let warning = if server < USED_UP {
            " (**not all: what was measured is something else's limit**)"
        } else {
            ""
        };
        format!(
            "server {:.0} % of its core{warning}, generator {:.0} % of its own",
            100.0 * server,
            100.0 * generator
        )
    }
}

/// As many requests a second as there can be, of each side, in alternating rounds.
pub(super) fn most<const N: usize>(
    sides: &[Side<'_>; N],
    size: &Size,
) -> anyhow::Result<[Rates; N]> {
    let mut rates = std::array::from_fn(|_| Rates::default());
    for round in 0..size.rounds {
        for (side, rates) in sides.iter().zip(&mut rates) {
            let stream = side.stream(None, seed(round));
            let load = Load::closed(side.address, size.round_seconds, stream);
            let before = side.process.cpu_seconds();
            let outcome = generate(&load)?;
            let used = side.process.cpu_seconds() - before;
            rates.per_second.push(outcome.streams[0].per_second);
            let answers = i64::try_from(outcome.answers_in_all).unwrap_or(i64::MAX);
            rates.per_cpu_second.push(real(answers) / used);
            rates.server_share.push(used / outcome.elapsed_seconds);
            let generators = outcome.cpu_seconds / outcome.elapsed_seconds;
            rates.generator_share.push(generators);
        }
    }
    Ok(rates)
}

/// How long answers take at these rates, in alternating rounds: from when a request was due, so
/// that one that had to wait for others counts as late (coordinated omission corrected).
pub(super) fn latencies<const N: usize>(
    sides: &[Side<'_>; N],
    rates: [f64; N],
    size: &Size,
) -> anyhow::Result<[Latencies; N]> {
    let mut latencies = std::array::from_fn(|_| Latencies::default());
    for round in 0..size.rounds {
        for ((side, rate), latencies) in sides.iter().zip(rates).zip(&mut latencies) {
            let stream = side.stream(Some(rate), seed(round));
            let load = Load::closed(side.address, size.round_seconds, stream);
            let measured = &generate(&load)?.streams[0];
            latencies.p50.push(measured.p50_micros);
            latencies.p99.push(measured.p99_micros);
            latencies.p999.push(measured.p999_micros);
        }
    }
    Ok(latencies)
}

/// Runs a generator as a process of its own, on its core. Answers that are not what they should be
/// are an error: what was measured then is something else.
pub(super) fn generate(load: &Load) -> anyhow::Result<Outcome> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("a path that is no text")?;
    let printed = output_of(
        on(Core::Generator, program)
            .arg("load")
            .arg(serde_json::to_string(load)?),
    )?;
    all_right(serde_json::from_str(&printed)?)
}

/// What came of a run in which no answer was wrong.
pub(super) fn all_right(outcome: Outcome) -> anyhow::Result<Outcome> {
    for measured in &outcome.streams {
        if measured.wrong > 0 {
            let first = measured.first_wrong.as_deref().unwrap_or_default();
            bail!("{} wrong answers, the first: {first}", measured.wrong);
        }
    }
    Ok(outcome)
}

pub(super) fn seed(round: usize) -> u64 {
    u64::try_from(round).unwrap_or(0)
}
