//! Two replicas on one PostgreSQL: what is imported, what is registered singly, and how soon the other one
//! knows. Side by side with bare `INSERT`s, and with an earlier version's program where
//! `OFFPEAK_BENCH_BEFORE` names one.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use offpeak::domain::math::number::real;

use super::figures::{Figures, median};
use super::http;
use super::postgres::{database, sql};
use super::posts::post;
use super::process::{Core, on, output_of, seconds_of};
use super::registry::{Columns, cert_id};
use super::rows::Part;
use super::service::{self, Offpeak, PROGRAM, TOKEN};
use super::setup::Setup;

/// The program of an earlier version.
const BEFORE: &str = "OFFPEAK_BENCH_BEFORE";
/// How many write at once.
const WRITERS: [u64; 2] = [1, 8];
/// Rows of each writer are in no import, and no other writer's.
const WRITER_ROWS: u64 = 1 << 32;
/// … and those by which it is seen when the other one knows.
const SEEN_ROWS: u64 = WRITER_ROWS * 64;
/// How long another replica may take: the feed is read twice a second.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// What an `INSERT` of pgbench brings: as many columns as a registration fills.
const INSERT: &str = r"\set n random(1, 9000000000000000000)
INSERT INTO certificates (key_identifier, serial, not_before, not_after, issued_at, hour_known, steered, registered_at, window_start, window_end, table_number) VALUES ('\x69885b6b87464041e1b37b847ba0ae2cde01c8d4', int8send(:n) || '\x0405060708090a0b0c0d', 1800000000, 1807775999, 1800000000, true, true, 1800000000, 1805000000, 1805003600, 1) ON CONFLICT DO NOTHING;
";

/// What one version reached in each round.
#[derive(Debug, Default)]
struct Reached {
    imported: Vec<f64>,
    /// For each number of writers.
    single: [Vec<f64>; 2],
    delays: [Vec<f64>; 2],
}

pub(super) fn feed(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let before = std::env::var(BEFORE).ok();
    let (mut ours, mut theirs) = (Reached::default(), Reached::default());
    let mut inserted: [Vec<f64>; 2] = Default::default();
    for round in 0..setup.size.import_rounds {
        reach(setup, PROGRAM, &format!("feed-{round}"), &mut ours)?;
        if let Some(program) = &before {
            reach(setup, program, &format!("before-{round}"), &mut theirs)?;
        }
        for (writers, rates) in WRITERS.into_iter().zip(&mut inserted) {
            rates.push(inserts(setup, writers)?);
        }
    }
    figures.put("feed_import", &ours.imported)?;
    let names = [
        ["feed_single_1", "feed_single_1_to_insert", "feed_insert_1"],
        ["feed_single_8", "feed_single_8_to_insert", "feed_insert_8"],
    ];
    for (at, [single, ratio, insert]) in names.into_iter().enumerate() {
        figures.put(single, &ours.single[at])?;
        figures.put(insert, &inserted[at])?;
        figures.put_ratios(ratio, &ours.single[at], &inserted[at])?;
    }
    figures.put("feed_told_1", &ours.delays[0])?;
    figures.put("feed_told_8", &ours.delays[1])?;
    if before.is_some() {
        figures.put("feed_import_before", &theirs.imported)?;
        figures.put_ratios("feed_import_to_before", &ours.imported, &theirs.imported)?;
        figures.put("feed_single_1_before", &theirs.single[0])?;
        figures.put_ratios(
            "feed_single_1_to_before",
            &ours.single[0],
            &theirs.single[0],
        )?;
        figures.put("feed_single_8_before", &theirs.single[1])?;
        figures.put_ratios(
            "feed_single_8_to_before",
            &ours.single[1],
            &theirs.single[1],
        )?;
        figures.put("feed_told_1_before", &theirs.delays[0])?;
        figures.put("feed_told_8_before", &theirs.delays[1])?;
    }
    figures.note(
        Part::Feed,
        format!(
            "{} certificates imported while two replicas serve; writers on a connection each, which is \
             closed after each registration, for {} s; nothing is tied to a core.",
            setup.size.imported, setup.size.round_seconds
        ),
    );
    Ok(())
}

fn reach(setup: &Setup, program: &str, name: &str, reached: &mut Reached) -> anyhow::Result<()> {
    let server = &setup.postgres;
    let database = database(server, &format!("offpeak_{}", name.replace('-', "_")))?;
    let start = |replica: &str| -> anyhow::Result<Offpeak> {
        let folder = setup.path(&format!("{name}-{replica}"));
        let started = Offpeak::start_by(on(Core::Any, program), &database, &folder)?;
        started.settle()?;
        Ok(started)
    };
    let (writing, reading) = (start("writing")?, start("reading")?);
    let rows = setup.size.imported;
    let csv = setup.csv(&format!("{name}.csv"), rows, Columns::IdFirst)?;
    sql(server, "CHECKPOINT")?;
    let mut import = service::import_by(Core::Any, program, &database);
    let seconds = seconds_of(import.arg(&csv))?;
    std::fs::remove_file(csv)?;
    reached.imported.push(real(i64::try_from(rows)?) / seconds);
    let mut from = WRITER_ROWS;
    for (at, writers) in WRITERS.into_iter().enumerate() {
        let (rate, ()) = beside(setup, writing.admin, writers, &mut from, |lasts| {
            std::thread::sleep(lasts);
            Ok(())
        })?;
        reached.single[at].push(rate);
        let seen_from = SEEN_ROWS * (1 + u64::try_from(at)?);
        let (_, delays) = beside(setup, writing.admin, writers, &mut from, |lasts| {
            told_after(&writing, &reading, seen_from, setup.began, lasts)
        })?;
        reached.delays[at].push(delays);
    }
    reading.process.stop()?;
    writing.process.stop()
}

/// What `act` says while so many write without pause, and how many certificates they registered in a
/// second. It is told how long it may take.
fn beside<T>(
    setup: &Setup,
    admin: SocketAddr,
    writers: u64,
    from: &mut u64,
    act: impl FnOnce(Duration) -> anyhow::Result<T>,
) -> anyhow::Result<(f64, T)> {
    let (ended, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let (said, failed) = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..writers {
            let rows = *from..*from + WRITER_ROWS;
            *from += WRITER_ROWS;
            let (ended, written) = (&ended, &written);
            threads.push(scope.spawn(move || -> anyhow::Result<()> {
                for row in rows {
                    if ended.load(Ordering::Relaxed) {
                        break;
                    }
                    post(admin, row, setup.began)?;
                    written.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        let said = act(Duration::from_secs_f64(setup.size.round_seconds));
        ended.store(true, Ordering::Relaxed);
        let ends = threads.into_iter().map(ScopedJoinHandle::join);
        let failed: Vec<_> = ends
            .filter_map(|end| match end {
                Ok(end) => end.err(),
                Err(_) => Some(anyhow::anyhow!("a writer panicked")),
            })
            .collect();
        (said, failed)
    });
    if let Some(error) = failed.into_iter().next() {
        return Err(error);
    }
    let count = real(i64::try_from(written.load(Ordering::Relaxed))?);
    Ok((count / began.elapsed().as_secs_f64(), said?))
}

/// The median of the milliseconds after which the other replica answers 404 for a certificate that it knew
/// and that was removed: what is in its index it does not ask the database for.
fn told_after(
    writing: &Offpeak,
    reading: &Offpeak,
    from: u64,
    now: u64,
    lasts: Duration,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut millis = Vec::new();
    for row in from.. {
        if began.elapsed() > lasts && !millis.is_empty() {
            break;
        }
        post(writing.admin, row, now)?;
        let id = cert_id(row);
        let id = std::str::from_utf8(&id)?;
        let path = format!("/renewal-info/{id}");
        until(reading.public, &path, 200)?;
        let removal = format!(
            "DELETE /v1/certificates/{id} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Authorization: Bearer {TOKEN}\r\n\r\n",
            writing.admin
        );
        let removed = http::exchange(writing.admin, removal.as_bytes())?;
        if removed.status != 204 {
            bail!("a removal got {}", removed.status);
        }
        let removed_at = Instant::now();
        until(reading.public, &path, 404)?;
        millis.push(removed_at.elapsed().as_secs_f64() * 1e3);
    }
    median(&millis).context("nothing was removed")
}

/// Asks until the answer has this status.
fn until(address: SocketAddr, path: &str, status: u16) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let page = http::get(address, path)?;
        if page.status == status {
            return Ok(());
        }
        if began.elapsed() > TOLD_WITHIN {
            bail!(
                "{path} is {} and not {status} after {TOLD_WITHIN:?}",
                page.status
            );
        }
    }
}

/// Rows a second that pgbench inserts into a table like ours, one after the other on each connection.
fn inserts(setup: &Setup, writers: u64) -> anyhow::Result<f64> {
    let to = service::migrated(&database(&setup.postgres, "offpeak_inserts")?)?;
    let script = setup.path(&format!("inserts-{writers}.sql"));
    std::fs::write(&script, INSERT)?;
    let seconds = format!("{:.0}", setup.size.round_seconds.ceil());
    let mut pgbench = Command::new("pgbench");
    pgbench
        .args(["--no-vacuum", "--protocol", "prepared"])
        .args(["--client", &writers.to_string(), "--time", &seconds])
        .arg("--file")
        .arg(&script)
        .arg(&to);
    let printed = output_of(&mut pgbench)?;
    rate(&printed).with_context(|| format!("pgbench printed no rate: {printed}"))
}

/// `tps = 1234.567 (without initial connection time)`.
fn rate(printed: &str) -> Option<f64> {
    let line = printed
        .lines()
        .find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_pgbench_prints_it() {
        let printed = "number of failed transactions: 0 (0.000%)\nlatency average = 1.2 ms\n\
                       tps = 833.250000 (without initial connection time)\n";
        assert_eq!(rate(printed), Some(833.25));
        assert_eq!(rate("tps"), None);
    }
}
