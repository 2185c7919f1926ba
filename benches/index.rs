//! `cargo bench --profile dist --bench index [-- CERTIFICATES…]`: what a certificate costs in memory,
//! and how fast the index answers, at ten million certificates unless numbers are given, without a
//! store. It prints `name value unit`, a line each.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::hash::HashKey;
use offpeak::domain::certificate::{Basis, Cause, Certificate, Validity};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use offpeak::engine::Index;

/// A Saturday.
const NOW: i64 = 1_795_219_200;
/// Reads are counted for so long.
const MEASURED: Duration = Duration::from_secs(2);
/// Entries that are polled at most: more are no slower each, and a poll has its place in an entry
/// from the beginning.
const POLLED: u64 = 10_000_000;
/// Certificates that are put in and expire again beside the reads: a import's speed.
const BESIDE: u64 = 300_000;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let counts: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let counts = if counts.is_empty() {
        vec![10_000_000]
    } else {
        counts
    };
    for count in counts {
        measure(count)?;
    }
    Ok(())
}

fn measure(count: u64) -> Outcome {
    let mut out = std::io::stdout().lock();
    let before = resident_octets()?;
    let index = Index::standalone(HashKey::new([7; 16]));
    let begun = Instant::now();
    of_all(count, |n| {
        index.insert(&certificate(n)?);
        Ok(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let name = |what: &str| format!("index_{count}_{what}");
    writeln!(out, "{} {:.0} /s", name("puts"), real(count) / seconds)?;
    let now = Timestamp::from_unix(NOW + HOUR);
    let polled = count.min(POLLED);
    let begun = Instant::now();
    of_all(polled, |n| {
        let known = index.asked(&certid(n)?, now, 6 * HOUR);
        known
            .map(drop)
            .ok_or_else(|| format!("certificate {n} is not there").into())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(
        out,
        "{} {:.0} /s",
        name("first_polls"),
        real(polled) / seconds
    )?;
    let after = resident_octets()?;
    let each = real(after - before) / real(count);
    writeln!(out, "{} {each:.2} octets", name("resident_growth_each"))?;
    let each = real(after) / real(count);
    writeln!(out, "{} {each:.2} octets", name("resident_each"))?;
    writeln!(out, "{} {:.0} /s", name("reads"), reads(&index, count, 0)?)?;
    writeln!(
        out,
        "{} {:.0} /s",
        name("reads_unknown"),
        reads(&index, count, count)?
    )?;
    beside_writes(&index, count, &mut out)
}

/// Does something with every certificate, by a thread for each core.
fn of_all(count: u64, each: impl Fn(u64) -> Outcome + Sync) -> Outcome {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let each = &each;
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads)
            .map(|thread| {
                let numbers = count * thread / threads..count * (thread + 1) / threads;
                scope.spawn(move || {
                    let mut numbers = numbers;
                    numbers.try_for_each(|n| each(n).map_err(|error| error.to_string()))
                })
            })
            .collect();
        for thread in working {
            thread.join().map_err(|_| "a thread failed")??;
        }
        Ok(())
    })
}

/// Reads a second of random CertIDs from the `first` one on.
fn reads(index: &Index, count: u64, first: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let (mut read, mut found, mut state) = (0_u64, 0_u64, 1_u64);
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        for _ in 0..1_000 {
            state = mixed(state);
            let id = certid(first + state % count)?;
            found += u64::from(index.window(&id).is_some());
        }
        read += 1_000;
    }
    let seconds = begun.elapsed().as_secs_f64();
    if found != if first == 0 { read } else { 0 } {
        return Err(format!("{found} of {read} were found").into());
    }
    Ok(real(read) / seconds)
}

/// Reads while another thread writes.
fn beside_writes(index: &Index, count: u64, out: &mut impl std::io::Write) -> Outcome {
    let done = AtomicBool::new(false);
    let (read, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut writes = 0.0;
    std::thread::scope(|scope| -> Outcome {
        let reader = scope.spawn(|| {
            let mut state = 1_u64;
            while !done.load(Ordering::Relaxed) {
                state = mixed(state);
                let Ok(id) = certid(state % count) else {
                    return;
                };
                let begun = Instant::now();
                if index.window(&id).is_some() {
                    read.fetch_add(1, Ordering::Relaxed);
                }
                let nanoseconds = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                slowest.fetch_max(nanoseconds, Ordering::Relaxed);
            }
        });
        let begun = Instant::now();
        for n in count..count + BESIDE {
            index.insert(&certificate(n)?);
        }
        writes = real(BESIDE) / begun.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let seconds = begun.elapsed().as_secs_f64();
        if reader.join().is_err() {
            return Err("the reader failed".into());
        }
        let read = real(read.load(Ordering::Relaxed)) / seconds;
        writeln!(out, "index_{count}_puts_beside_reads {writes:.0} /s")?;
        writeln!(out, "index_{count}_reads_beside_puts {read:.0} /s")?;
        let slowest = real(slowest.load(Ordering::Relaxed)) / 1e6;
        writeln!(
            out,
            "index_{count}_slowest_read_beside_puts {slowest:.2} ms"
        )?;
        Ok(())
    })
}

fn certid(n: u64) -> Result<CertId, Box<dyn std::error::Error>> {
    let serial = [mixed(n).to_be_bytes(), n.to_be_bytes()].concat();
    Ok(CertId {
        key_identifier: KeyIdentifier::new(&[9; 20])?,
        serial: Serial::new(&serial)?,
    })
}

/// A certificate of ninety days, issued some time in the last sixty.
fn certificate(n: u64) -> Result<Certificate, Box<dyn std::error::Error>> {
    let seconds = |of: i64, what: u64| (mixed(n ^ what << 40) >> 33).cast_signed() % of;
    let issued_at = Timestamp::from_unix(NOW - seconds(60 * DAY, 1));
    let not_before = issued_at - 3_510;
    let start = not_before + 59 * DAY + seconds(DAY, 2);
    Ok(Certificate {
        id: certid(n)?,
        validity: Validity {
            not_before,
            not_after: not_before + 90 * DAY - 1,
        },
        issued_at,
        hour_known: true,
        steered: n.is_multiple_of(3),
        registered_at: issued_at + seconds(300, 3),
        window: Span {
            from: start,
            to: start + 900,
        },
        basis: Basis::Table(1),
        cause: Cause::Registration,
        follows: Some(real(n % 50) / 100.0),
        successor: None,
    })
}

/// The finalizer of splitmix64: spreads what is near.
const fn mixed(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// What the process holds in memory.
fn resident_octets() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    Ok(kib.ok_or("no VmRSS in /proc/self/status")? * 1_024)
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
const fn real(n: u64) -> f64 {
    n as f64
}
