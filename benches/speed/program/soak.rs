//! Full load for minutes, with resident memory looked at all the while.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::figures::median;
use super::generator;
use super::load::{Ask, Expect, Load, Outcome, Stream};
use super::service::Offpeak;
use super::setup::Setup;
use super::side::{CONNECTIONS, all_right, generate};

/// Growth that is none: what an allocator keeps comes and goes.
const MOST_GROWTH: f64 = 1.05;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Looks whose median counts as the memory of a moment: ten seconds.
const LOOKS: usize = 20;
/// The part of the time after which memory is to stay flat: of ten minutes, six. The first sweep
/// comes after five, finds a million certificates that were polled, and hands what they showed to
/// the store.
const SETTLED_AFTER: f64 = 0.6;

pub(super) fn soak(setup: &Setup, minutes: f64, out: &mut impl Write) -> anyhow::Result<()> {
    let rows = setup.size.certificates;
    let database = setup.registry(rows, "soak")?;
    let server = Offpeak::start(&database, &setup.path("offpeak"))?;
    let load = everything(server.public, rows, minutes * 60.0);
    let (outcome, looks) = watched(&server, &load)?;
    let seen = |looks: &[f64]| median(looks).unwrap_or(f64::NAN) / 1e6;
    let settled = looks
        .iter()
        .filter(|look| look.0 >= SETTLED_AFTER * load.seconds);
    let settled: Vec<f64> = settled.map(|look| look.1).collect();
    if settled.len() < 2 * LOOKS {
        bail!("the soak was too short: {} looks at memory", settled.len());
    }
    let (before, after) = (
        seen(&settled[..LOOKS]),
        seen(&settled[settled.len() - LOOKS..]),
    );
    let answers = outcome.answers_in_all;
    writeln!(
        out,
        "soak: {minutes} minutes, {answers} answers, all right; {:.0} requests/s; resident memory \
         {before:.0} MB after three fifths of the time, {after:.0} MB at the end",
        outcome.streams[0].per_second
    )?;
    server.process.stop()?;
    // NaN is no growth that is small enough.
    if (after / before).partial_cmp(&MOST_GROWTH) != Some(std::cmp::Ordering::Less) {
        bail!("resident memory grew from {before:.0} to {after:.0} MB");
    }
    Ok(())
}

/// `renewalInfo` of registered certificates as fast as it comes, and beside it of unknown ones and
/// `ranking.json`, enough of both to see a leak of some octets a request.
fn everything(address: SocketAddr, rows: u64, seconds: f64) -> Load {
    let stream = |ask, expect, connections, rate| Stream {
        ask,
        expect,
        connections,
        rate,
        seed: 1,
    };
    let ranking = Expect {
        statuses: vec![200],
        body_octets: None,
        begins: "{\"schemaVersion\":".to_owned(),
    };
    let path = Ask::Path("/ranking.json".to_owned());
    Load {
        address,
        warm_up_seconds: 0.0,
        seconds,
        most_requests: None,
        streams: vec![
            stream(Ask::Registered(rows), Expect::window(), CONNECTIONS, None),
            stream(Ask::Unknown, Expect::refusal(&[404]), 8, Some(1_000.0)),
            stream(path, ranking, 8, Some(200.0)),
        ],
    }
}

/// The same load on a server that runs already.
pub(super) fn ask(
    address: SocketAddr,
    rows: u64,
    seconds: f64,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let outcome = all_right(generator::run(&everything(address, rows, seconds))?)?;
    writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// Runs the load: what came of it, and resident octets by the seconds since it began.
fn watched(server: &Offpeak, load: &Load) -> anyhow::Result<(Outcome, Vec<(f64, f64)>)> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let generator = scope.spawn(|| generate(load));
        let mut looks = Vec::new();
        while !generator.is_finished() {
            let octets = server.process.resident_octets();
            looks.push((began.elapsed().as_secs_f64(), octets));
            std::thread::sleep(LOOK);
        }
        match generator.join() {
            Ok(outcome) => Ok((outcome?, looks)),
            Err(_) => bail!("the generator panicked"),
        }
    })
}
