//! Instructions in user space for each request, counted by callgrind: the same on every machine.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use offpeak::domain::number::real;

use super::figures::Figures;
use super::generator;
use super::http;
use super::load::{Ask, Expect, Load, Stream};
use super::nginx::{self, Nginx, Processes};
use super::process::{Core, on};
use super::rows::Part;
use super::service::{self, Offpeak};
use super::serving::renewal_info_page;
use super::setup::{FEW_CERTIFICATES, Setup, free_address};

/// A program starts 50 times slower under callgrind.
pub(super) const READY_WITHIN: Duration = Duration::from_mins(1);
/// Requests of the first count, which the second has as well.
const FEWEST: u64 = 1_000;
/// As many at once as a server under load has to do with.
const CONNECTIONS: usize = 16;

/// offpeak and nginx: the difference of two runs, divided by that of their requests, so that
/// starting and ending do not count.
pub(super) fn instructions(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (window, ranking) = pages(setup)?;
    let more = setup.size.counted_requests;
    let per_request = |name: &str, run: &dyn Fn(&Path, u64) -> anyhow::Result<()>| {
        let count = |requests| {
            let folder = setup.path(&format!("callgrind-{name}-{requests}"));
            fs::create_dir_all(&folder)?;
            run(&folder, requests)?;
            total(&folder)
        };
        let fewer = count(FEWEST)?;
        let difference = count(FEWEST + more)? - fewer;
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        anyhow::Ok(real(difference) / real(more))
    };
    let ours = per_request("offpeak", &|folder, requests| {
        let database = setup.registry(FEW_CERTIFICATES, &format!("counted-{requests}"))?;
        let server = Offpeak::start_by(counting(service::PROGRAM, folder), &database, folder)?;
        let ask = Ask::Registered(FEW_CERTIFICATES);
        ask_all(server.public, ask, Expect::window(), requests)?;
        server.process.stop()
    })?;
    let one = |folder: &Path, site: &str| {
        let command = counting(&nginx::path(), folder);
        Nginx::start(command, folder, Processes::One, free_address()?, site)
    };
    let returning = per_request("return", &|folder, requests| {
        let server = one(folder, &nginx::returning(&window))?;
        let ask = Ask::Registered(FEW_CERTIFICATES);
        ask_all(server.address, ask, Expect::window(), requests)?;
        server.process.stop()
    })?;
    let filing = per_request("file", &|folder, requests| {
        let server = one(folder, &nginx::filing(&ranking, &folder.join("files"))?)?;
        let expect = Expect {
            statuses: vec![200],
            body_octets: Some(ranking.body.len()),
            begins: String::new(),
        };
        let ask = Ask::Path("/ranking.json".to_owned());
        ask_all(server.address, ask, expect, requests)?;
        server.process.stop()
    })?;
    figures.put("renewal_info_instructions", &[ours])?;
    figures.put("nginx_return_instructions", &[returning])?;
    figures.put("nginx_file_instructions", &[filing])?;
    figures.note(
        Part::Instructions,
        format!(
            "callgrind, {FEW_CERTIFICATES} certificates, {CONNECTIONS} connections, {more} requests \
             more in the second of two runs."
        ),
    );
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
            "--log-file=/dev/null",
        ])
        .arg(format!("--callgrind-out-file={}/counted", folder.display()))
        .arg(program);
    command
}

fn ask_all(
    address: std::net::SocketAddr,
    ask: Ask,
    expect: Expect,
    requests: u64,
) -> anyhow::Result<()> {
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
    let told = &outcome.streams[0];
    if told.wrong > 0 || outcome.answers_in_all != requests {
        bail!("{requests} requests became {outcome:?}");
    }
    Ok(())
}

/// Of a callgrind profile.
fn total(folder: &Path) -> anyhow::Result<i64> {
    let profile =
        fs::read_to_string(folder.join("counted")).context("callgrind left no profile")?;
    let totals = profile.lines().find_map(|line| {
        let (name, counts) = line.split_once(": ")?;
        let is_total = matches!(name, "summary" | "totals");
        is_total.then(|| counts.split(' ').next()?.parse().ok())?
    });
    totals.context("callgrind's profile has no totals")
}
