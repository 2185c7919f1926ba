//! What runs out: memory, the disk, connections.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::http;
use super::rows::Part;
use super::service::Offpeak;
use super::setup::{Setup, sqlite_url};
use super::upload::{Lines, Upload};

/// Nearly as long as lines are taken.
const HUGE_LINES: Lines = Lines::Bad {
    lines: 200,
    octets: 1_000_000,
};
/// Side by side, and what each of them brings.
const WRITERS: usize = 4;
const OBSERVATIONS: u64 = 300_000;
/// How soon after the last answer the log is looked at again.
const LOG_RESTS: Duration = Duration::from_secs(10);
/// Between two looks at a file: a log grows by a megabyte meanwhile.
const LOOK: Duration = Duration::from_millis(10);
/// As many as the listeners take at most, and more than that.
const PUBLIC_HALF_HEADS: usize = 8_192;
const ADMIN_HALF_HEADS: usize = 300;
/// A connection that the kernel does not take by then has failed, and where so many have, no more
/// are tried: a minute at most.
const CONNECTED_WITHIN: Duration = Duration::from_secs(3);
const MOST_FAILED: usize = 20;
/// Until when somebody new has to be answered: heads that are never ended are given up before.
const ANSWERED_WITHIN: Duration = Duration::from_mins(2);
/// What a health check asks for.
const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: half\r\n";

/// The most memory for one request of huge lines, all bad.
pub(super) fn memory(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (server, _) = fresh(setup, "huge")?;
    let idle = server.process.resident_octets();
    Upload::certificates(HUGE_LINES).taken(server.admin)?;
    let most = server.process.peak_octets()?;
    figures.put("hostile_memory", &[(most - idle) / 1e6])?;
    server.process.stop()
}

/// How long SQLite's log gets under writers who never pause, and is afterwards.
pub(super) fn log(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (server, folder) = fresh(setup, "log")?;
    let file = folder.join("offpeak.db-wal");
    let observations = if setup.size.is_quick() {
        OBSERVATIONS / 10
    } else {
        OBSERVATIONS
    };
    let upload = Upload::observations(observations, setup.began);
    let ended = AtomicBool::new(false);
    let began = Instant::now();
    let most = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = octets(&file);
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(LOOK);
                most = most.max(octets(&file));
            }
            most
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| scope.spawn(|| upload.taken(server.admin)))
            .collect();
        let taken: Vec<_> = writers.into_iter().map(ScopedJoinHandle::join).collect();
        ended.store(true, Ordering::Relaxed);
        for taken in taken {
            taken.unwrap_or_else(|_| bail!("a writer panicked"))?;
        }
        watch.join().ok().context("the watch panicked")
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let database = octets(&folder.join("offpeak.db"));
    std::thread::sleep(LOG_RESTS);
    figures.put("hostile_log_most", &[most / 1e6])?;
    figures.put("hostile_log_after", &[octets(&file) / 1e6])?;
    figures.note(
        Part::Hostile,
        format!(
            "{WRITERS} uploads of {observations} observations side by side took {seconds:.1} s; the \
             database had {:.0} MB then.",
            database / 1e6
        ),
    );
    server.process.stop()
}

/// How long somebody new waits while others hold connections whose heads they never end.
pub(super) fn half_heads(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let (server, _) = fresh(setup, "half-heads")?;
    let mut held = Vec::new();
    for (name, address, count, path) in [
        (
            "hostile_half_heads_public",
            server.public,
            PUBLIC_HALF_HEADS,
            "/directory",
        ),
        (
            "hostile_half_heads_admin",
            server.admin,
            ADMIN_HALF_HEADS,
            "/healthz",
        ),
    ] {
        let sockets = halves(address, count);
        let seconds = seconds_until_answered(address, path)?;
        figures.put(name, &[seconds])?;
        held.push(format!("{} of {count}", sockets.len()));
    }
    figures.note(
        Part::Hostile,
        format!(
            "Half heads held: {} public and {} admin ones.",
            held[0], held[1]
        ),
    );
    server.process.stop()
}

/// A service on an empty database in a folder of its own.
fn fresh(setup: &Setup, name: &str) -> anyhow::Result<(Offpeak, std::path::PathBuf)> {
    let folder = setup.path(name);
    fs::create_dir(&folder)?;
    Ok((Offpeak::start(&sqlite_url(&folder), &folder)?, folder))
}

/// Of a file, or none where there is none.
fn octets(file: &Path) -> f64 {
    let length = fs::metadata(file).map_or(0, |metadata| metadata.len());
    real(i64::try_from(length).unwrap_or(i64::MAX))
}

/// Opens as many connections and begins a request on each; one that the kernel drops is tried again.
fn halves(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let half = || {
        let mut socket = TcpStream::connect_timeout(&address, CONNECTED_WITHIN)?;
        socket.write_all(HEAD.as_bytes())?;
        std::io::Result::Ok(socket)
    };
    let (mut sockets, mut failed) = (Vec::with_capacity(count), 0);
    while sockets.len() < count && failed < MOST_FAILED {
        match half() {
            Ok(socket) => sockets.push(socket),
            Err(_) => failed += 1,
        }
    }
    sockets
}

fn seconds_until_answered(address: SocketAddr, path: &str) -> anyhow::Result<f64> {
    let began = Instant::now();
    // Who is refused, or waits for longer than a client does, tries again.
    while http::get(address, path).is_err() {
        if began.elapsed() > ANSWERED_WITHIN {
            bail!("{path} was not answered within {ANSWERED_WITHIN:?}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(began.elapsed().as_secs_f64())
}
