//! Instructions in user space for each request, counted by callgrind: hardly different from machine to
//! machine, and from run to run.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use offpeak::domain::math::number::real;

use super::figures::{Figures, median};
use super::generator;
use super::http;
use super::load::{Ask, Expect, Load, Stream};
use super::nginx::{self, Nginx, Processes};
use super::process::{Core, Process, on, output_of};
use super::rows::Part;
use super::service::{self, Offpeak};
use super::serving::renewal_info_page;
use super::setup::{FEW_CERTIFICATES, Setup, free_address};

/// Only so many of the certificates are asked for, so that what is done at a client's first poll
/// is done before anything is counted.
const ASKED: u64 = 1_000;
/// Before anything is counted: five for each certificate, so that e^-5 of them, 7, were left out.
const WARM_UP: u64 = 5 * ASKED;
/// In each round, in short runs and long ones: the 16 connections that are opened for it are two in
/// a thousand requests.
const REQUESTS: u64 = 8_000;
/// For how long it is counted what a server does by itself: its ticks are half a second apart.
const IDLE: Duration = Duration::from_secs(5);
/// As many at once as a server under load has to do with.
const CONNECTIONS: usize = 16;

/// offpeak and nginx: each is started once, and is counted from when it has nothing of its start
/// left to do. Only the thread that answers counts, less what it does by itself: that goes by the
/// clock, which runs 50 times faster for a program under callgrind, and faster still on a busy machine.
pub(super) fn instructions(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (window, ranking) = pages(setup)?;
    let rounds = setup.size.rounds;
    let path = |name: &str| {
        let folder = setup.path(&format!("callgrind-{name}"));
        fs::create_dir_all(&folder)?;
        anyhow::Ok(folder)
    };
    let folder = path("offpeak")?;
    let database = setup.registry(FEW_CERTIFICATES, "counted")?;
    let ours = Offpeak::start_by(counting(service::PROGRAM, &folder), &database, &folder)?;
    // It sums up its registry after it has begun to answer.
    ours.settle()?;
    let (asking, expect) = (Ask::Registered(ASKED), Expect::window());
    let cost = Counter::new(&ours.process, &folder).rounds(rounds, &|requests| {
        ask_all(ours.public, asking.clone(), expect.clone(), requests)
    })?;
    ours.process.stop()?;
    figures.put("renewal_info_instructions", &cost.per_request)?;
    let note = format!(
        "callgrind, {FEW_CERTIFICATES} certificates, {CONNECTIONS} connections, {rounds} rounds of \
         {REQUESTS} requests. By itself offpeak's thread that answers used {:.0} instructions a second, \
         which are taken off; its other threads used {:.0} for each request.",
        cost.idle_per_second, cost.beside_per_request
    );

    let one = |folder: &Path, site: &str| {
        let command = counting(&nginx::path(), folder);
        Nginx::start(command, folder, Processes::One, free_address()?, site)
    };
    let folder = path("return")?;
    let returning = one(&folder, &nginx::returning(&window))?;
    let cost = Counter::new(&returning.process, &folder).rounds(rounds, &|requests| {
        ask_all(returning.address, asking.clone(), expect.clone(), requests)
    })?;
    returning.process.stop()?;
    figures.put("nginx_return_instructions", &cost.per_request)?;

    let folder = path("file")?;
    let filing = one(&folder, &nginx::filing(&ranking, &folder.join("files"))?)?;
    let expect = Expect {
        statuses: vec![200],
        body_octets: Some(ranking.body.len()),
        begins: String::new(),
    };
    let asking = Ask::Path("/ranking.json".to_owned());
    let cost = Counter::new(&filing.process, &folder).rounds(rounds, &|requests| {
        ask_all(filing.address, asking.clone(), expect.clone(), requests)
    })?;
    filing.process.stop()?;
    figures.put("nginx_file_instructions", &cost.per_request)?;
    figures.note(Part::Instructions, note);
    Ok(())
}

/// What nginx imitates.
fn pages(setup: &Setup) -> anyhow::Result<(http::Page, http::Page)> {
    let database = setup.registry(FEW_CERTIFICATES, "imitated")?;
    let server = Offpeak::start(&database, &setup.path("imitated-log"))?;
    let window = renewal_info_page(&server)?;
    Ok((window, http::get(server.public, "/ranking.json")?))
}

fn counting(program: &str, folder: &Path) -> Command {
    // On one core, for which a runtime starts one thread: more would count each other's wake-ups.
    let mut command = on(Core::Server, "valgrind");
    command
        .args([
            "--tool=callgrind",
            "--trace-children=no",
            "--separate-threads=yes",
            "--log-file=/dev/null",
        ])
        .arg(format!("--callgrind-out-file={}/counted", folder.display()))
        .arg(program);
    command
}

fn ask_all(address: SocketAddr, ask: Ask, expect: Expect, requests: u64) -> anyhow::Result<()> {
    let outcome = generator::run(&Load {
        address,
        warm_up_seconds: 0.0,
        // An hour: the requests are counted, not the seconds.
        seconds: 3_600.0,
        most_requests: Some(requests),
        streams: vec![Stream {
            ask,
            expect,
            connections: CONNECTIONS,
            rate: None,
            seed: 1,
        }],
    })?;
    let cost = &outcome.streams[0];
    if cost.wrong > 0 || outcome.answers_in_all != requests {
        bail!("{requests} requests became {outcome:?}");
    }
    Ok(())
}

/// Instructions by thread.
type Counts = BTreeMap<String, i64>;

/// What was counted.
#[derive(Debug)]
struct Cost {
    /// By the thread that answers, in each round.
    per_request: Vec<f64>,
    /// By that thread, where nothing was asked.
    idle_per_second: f64,
    /// By all other threads, in the middle one of the rounds.
    beside_per_request: f64,
}

/// Reads the counts of a program under callgrind.
#[derive(Debug)]
struct Counter<'a> {
    process: &'a Process,
    folder: PathBuf,
    /// How often they were written out: what the files are called by.
    parts: u32,
}

impl<'a> Counter<'a> {
    fn new(process: &'a Process, folder: &Path) -> Self {
        Self {
            process,
            folder: folder.to_owned(),
            parts: 0,
        }
    }

    fn rounds(
        mut self,
        rounds: usize,
        ask: &dyn Fn(u64) -> anyhow::Result<()>,
    ) -> anyhow::Result<Cost> {
        ask(WARM_UP)?;
        self.since_the_last()?;
        let began = Instant::now();
        std::thread::sleep(IDLE);
        let idle = (self.since_the_last()?, began.elapsed().as_secs_f64());
        let mut counted = Vec::new();
        for _ in 0..rounds {
            let began = Instant::now();
            ask(REQUESTS)?;
            let counts = self.since_the_last()?;
            counted.push((counts, began.elapsed().as_secs_f64()));
        }
        cost(&counted, &idle, REQUESTS)
    }

    /// What was counted since the last call, or since the start.
    fn since_the_last(&mut self) -> anyhow::Result<Counts> {
        self.parts += 1;
        let id = self.process.id();
        output_of(Command::new("vgdb").args([&format!("--pid={id}"), "dump"]))?;
        let prefix = format!("counted.{}-", self.parts);
        let mut counts = Counts::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(thread) = name.strip_prefix(&prefix) {
                let profile = fs::read_to_string(entry.path())?;
                counts.insert(thread.to_owned(), total(&profile)?);
            }
        }
        if counts.is_empty() {
            bail!("callgrind left no profile");
        }
        Ok(counts)
    }
}

/// Makes figures of rounds of so many requests, and of a time without any, which each lasted so many
/// seconds.
fn cost(rounds: &[(Counts, f64)], idle: &(Counts, f64), requests: u64) -> anyhow::Result<Cost> {
    let of = |counts: &Counts, thread: &str| real(counts.get(thread).copied().unwrap_or(0));
    let mut sums = Counts::new();
    for (thread, count) in rounds.iter().flat_map(|(counts, _)| counts) {
        *sums.entry(thread.clone()).or_default() += count;
    }
    let answering = sums.iter().max_by_key(|(_, count)| **count);
    let (answering, _) = answering.context("nothing was counted")?;
    let requests = real(i64::try_from(requests)?);
    let idle_per_second = of(&idle.0, answering) / idle.1;
    let per_request = rounds
        .iter()
        .map(|(counts, seconds)| (of(counts, answering) - idle_per_second * seconds) / requests);
    let beside: Vec<f64> = rounds
        .iter()
        .map(|(counts, _)| {
            let others = counts.iter().filter(|(thread, _)| *thread != answering);
            real(others.map(|(_, count)| count).sum::<i64>()) / requests
        })
        .collect();
    Ok(Cost {
        per_request: per_request.collect(),
        idle_per_second,
        beside_per_request: median(&beside).unwrap_or(f64::NAN),
    })
}

/// Of a callgrind profile.
fn total(profile: &str) -> anyhow::Result<i64> {
    let totals = profile.lines().find_map(|line| {
        let (name, counts) = line.split_once(": ")?;
        let is_total = matches!(name, "summary" | "totals");
        is_total.then(|| counts.split(' ').next()?.parse().ok())?
    });
    totals.context("callgrind's profile has no totals")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts<const N: usize>(counts: [(&str, i64); N]) -> Counts {
        counts
            .map(|(thread, count)| (thread.to_owned(), count))
            .into()
    }

    #[test]
    fn neither_other_threads_nor_what_goes_by_the_clock_is_counted_for_a_request() {
        // 16,000 a request, and 1,000,000 a second by itself, on a machine that is busy in the
        // second round; another thread learns in the third.
        let rounds = [
            (counts([("02", 18_000_000), ("07", 1_000)]), 2.0),
            (counts([("02", 26_000_000), ("07", 2_000)]), 10.0),
            (counts([("02", 18_000_000), ("07", 9_000_000)]), 2.0),
        ];
        let idle = (counts([("02", 5_000_000), ("07", 80_000_000)]), 5.0);
        let cost = cost(&rounds, &idle, 1_000).unwrap();
        for per_request in &cost.per_request {
            assert!((per_request - 16_000.0).abs() < 1e-6, "{cost:?}");
        }
        assert!((cost.beside_per_request - 2.0).abs() < 1e-9, "{cost:?}");
    }

    #[test]
    fn the_total_is_the_first_number_of_its_line() {
        let profile = "version: 1\nevents: Ir\nfn=(1) a\n1 2\nsummary: 1234 5\ntotals: 1234\n";
        assert_eq!(total(profile).unwrap(), 1_234);
        assert!(total("events: Ir\n").is_err());
    }
}
