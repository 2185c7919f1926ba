//! What an attacker, or a client of ours gone wild, can do to those who behave.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::exhausting;
use super::figures::Figures;
use super::http;
use super::load::{Ask, Expect, Load, Stream};
use super::process::{Core, on};
use super::rows::Part;
use super::service::{Offpeak, PROGRAM, TOKEN};
use super::setup::Setup;
use super::side::{generate, seed};
use super::upload::{Lines, Upload};

/// At once, beside `renewalInfo`.
const UPLOADS: usize = 8;
/// In each of them: it takes a second or so, and the next one follows.
const LINES: u64 = 5_000;
/// Of a bad line: as long as a certificate in PEM.
const BAD_LINE_OCTETS: usize = 2_000;
/// From clients who behave: a hundredth of what one core can answer.
const ASKED_PER_SECOND: f64 = 1_000.0;
/// Enough that each request finds one free: 1,000 a second that take 20 ms are 20 at once.
const CONNECTIONS: usize = 32;
/// Rows from here on are in no other part's registry.
const ROWS_FROM: u64 = 1 << 33;
/// Between the end of a rebalance or a publication and the beginning of the next.
const REST: Duration = Duration::from_millis(10);

/// What goes on beside the answers: once, to be done again.
type Work<'a> = &'a (dyn Fn() -> anyhow::Result<()> + Sync);

pub(super) fn hostile(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let database = setup.registry(setup.size.certificates, "hostile")?;
    let server = Offpeak::start(&database, &setup.path("hostile-log"))?;
    beside_all(&server, setup, figures)?;
    server.process.stop()?;
    rebuild(setup, &database, figures)?;
    exhausting::memory(setup, figures)?;
    exhausting::log(setup, figures)?;
    exhausting::half_heads(setup, figures)
}

/// Answers beside whatever the admin listener does.
fn beside_all(server: &Offpeak, setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (admin, now) = (server.admin, setup.began);
    let next = AtomicU64::new(ROWS_FROM);
    let good = || {
        let (from, lines) = (next.fetch_add(LINES, Ordering::Relaxed), LINES);
        Upload::certificates(Lines::Good { from, lines, now }).taken(admin)
    };
    let bad = || {
        let (lines, octets) = (LINES, BAD_LINE_OCTETS);
        Upload::certificates(Lines::Bad { lines, octets }).taken(admin)
    };
    let rebalance = || posted(admin, "/v1/rebalance", "{}");
    let publication = || posted(admin, "/v1/publish", "");
    let works: [(_, _, _, Work<'_>, _); 4] = [
        (
            "uploads of good lines",
            "hostile_good_p50",
            "hostile_good_p99",
            &good,
            UPLOADS,
        ),
        (
            "uploads of bad lines",
            "hostile_bad_p50",
            "hostile_bad_p99",
            &bad,
            UPLOADS,
        ),
        (
            "rebalances",
            "hostile_rebalance_p50",
            "hostile_rebalance_p99",
            &rebalance,
            1,
        ),
        (
            "publications",
            "hostile_publication_p50",
            "hostile_publication_p99",
            &publication,
            1,
        ),
    ];
    let mut done = Vec::new();
    for (name, p50, p99, work, at_once) in works {
        let latencies = beside(server.public, setup, work, at_once);
        let latencies = latencies.with_context(|| format!("beside {name}"))?;
        figures.put(p50, &latencies.p50_millis)?;
        figures.put(p99, &latencies.p99_millis)?;
        done.push(format!("{} {name}", latencies.done));
    }
    figures.note(
        Part::Hostile,
        format!(
            "{ASKED_PER_SECOND:.0} requests a second over {CONNECTIONS} connections, {} rounds of {} s \
             beside each: {}; {LINES} lines in an upload.",
            setup.size.rounds,
            setup.size.round_seconds,
            done.join(", ")
        ),
    );
    Ok(())
}

/// How long answers took beside a work.
#[derive(Debug, Default)]
struct Latencies {
    p50_millis: Vec<f64>,
    p99_millis: Vec<f64>,
    /// How often the work was done meanwhile.
    done: u64,
}

impl Latencies {
    fn ask(&mut self, public: SocketAddr, setup: &Setup) -> anyhow::Result<()> {
        let latencies = &generate(&load(public, setup, self.p50_millis.len()))?.streams[0];
        self.p50_millis.push(latencies.p50_micros / 1e3);
        self.p99_millis.push(latencies.p99_micros / 1e3);
        Ok(())
    }
}

/// Asks while the work is done again and again, so many times side by side.
fn beside(
    public: SocketAddr,
    setup: &Setup,
    work: Work<'_>,
    at_once: usize,
) -> anyhow::Result<Latencies> {
    let (ended, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let again_and_again = || {
        while !ended.load(Ordering::Relaxed) {
            work()?;
            done.fetch_add(1, Ordering::Relaxed);
        }
        anyhow::Ok(())
    };
    let mut latencies = Latencies::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(again_and_again)).collect();
        let asked = (0..setup.size.rounds).try_for_each(|_| latencies.ask(public, setup));
        ended.store(true, Ordering::Relaxed);
        for worker in workers {
            let worked = worker.join();
            worked.unwrap_or_else(|_| bail!("what went on beside it panicked"))?;
        }
        asked
    })?;
    latencies.done = done.into_inner();
    Ok(latencies)
}

/// Answers while the registry is summed up: after a start with what the last run left, it answers
/// before that.
fn rebuild(setup: &Setup, database: &str, figures: &mut Figures) -> anyhow::Result<()> {
    let mut latencies = Latencies::default();
    for _ in 0..setup.size.rounds {
        let command = on(Core::Server, PROGRAM);
        let server = Offpeak::start_by(command, database, &setup.path("rebuild-log"))?;
        latencies.ask(server.public, setup)?;
        server.settle()?;
        server.process.stop()?;
    }
    figures.put("hostile_rebuild_p50", &latencies.p50_millis)?;
    figures.put("hostile_rebuild_p99", &latencies.p99_millis)
}

fn load(public: SocketAddr, setup: &Setup, round: usize) -> Load {
    Load {
        address: public,
        warm_up_seconds: 0.0,
        seconds: setup.size.round_seconds,
        most_requests: None,
        streams: vec![Stream {
            ask: Ask::Registered(setup.size.certificates),
            expect: Expect::window(),
            connections: CONNECTIONS,
            rate: Some(ASKED_PER_SECOND),
            seed: seed(round),
        }],
    }
}

fn posted(admin: SocketAddr, path: &str, body: &str) -> anyhow::Result<()> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nAuthorization: Bearer \
         {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let page = http::exchange(admin, request.as_bytes())?;
    // "Busy; retry later" is an answer too.
    if !matches!(page.status, 200 | 503) {
        let text = String::from_utf8_lossy(&page.body);
        bail!("{path} got {}: {text}", page.status);
    }
    std::thread::sleep(REST);
    Ok(())
}
