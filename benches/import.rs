//! `cargo bench --bench import [-- ROWS]`: how fast a CSV of certificates comes into SQLite, beside
//! `sqlite3 .import` of the same rows into the same table, in one run. With
//! `OFFPEAK_BENCH_POSTGRES` set to the URL of an empty database, into that as well.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// As many as the README's claim is about.
const ROWS: u64 = 1_000_000;
/// A 90-day certificate's last second.
const LIFE: u64 = 7_775_999;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ROWS);
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("certificates.csv");
    std::fs::write(&csv, certificates(rows)?)?;
    let mut out = std::io::stdout();
    let sqlite = format!("sqlite:{}", folder.path().join("offpeak.db").display());
    let ours = import(&sqlite, &csv)?;
    writeln!(out, "offpeak, SQLite      {}", ours.told(rows))?;
    match plain_import(folder.path(), &csv) {
        Ok(plain) => {
            writeln!(out, "sqlite3 .import      {}", plain.told(rows))?;
            let ratio = plain.seconds / ours.seconds;
            writeln!(out, "rows a second, offpeak ÷ sqlite3: {ratio:.2}")?;
        }
        Err(error) => writeln!(out, "sqlite3 .import      skipped: {error}")?,
    }
    if let Ok(postgres) = std::env::var("OFFPEAK_BENCH_POSTGRES") {
        let ours = import(&postgres, &csv)?;
        writeln!(out, "offpeak, PostgreSQL  {}", ours.told(rows))?;
    }
    Ok(())
}

struct Measured {
    seconds: f64,
    peak_kib: u64,
}

impl Measured {
    fn told(&self, rows: u64) -> String {
        let rows = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
        format!(
            "{:6.1} s  {:8.0} rows/s  {:5} MB at most",
            self.seconds,
            rows / self.seconds,
            self.peak_kib / 1_024
        )
    }
}

/// Issued over the last 88 days, in no order, with random serials, as CAs give them.
fn certificates(rows: u64) -> Result<String, std::fmt::Error> {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_secs());
    let mut text = String::from("cert_id,not_before,not_after\n");
    for row in 0..rows {
        let random = Sha256::digest(row.to_be_bytes());
        let mut serial = random[..18].to_vec();
        serial[0] = 4;
        let age = random[18..26]
            .iter()
            .fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet))
            % (88 * 86_400);
        let not_before = now - age;
        writeln!(
            text,
            "aYhba4dGQEHhs3uEe6CuLN4ByNQ.{},{not_before},{}",
            URL_SAFE_NO_PAD.encode(&serial),
            not_before + LIFE
        )?;
    }
    Ok(text)
}

fn import(database: &str, csv: &Path) -> Result<Measured, Box<dyn std::error::Error>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offpeak"));
    command
        .args(["--database", database, "import", "certificates"])
        .arg(csv);
    measured(command.stdout(Stdio::null()))
}

/// The table as offpeak has it, indexes and all, filled by SQLite's own loader.
fn plain_import(folder: &Path, csv: &Path) -> Result<Measured, Box<dyn std::error::Error>> {
    let script = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE certificates (id TEXT, not_before INTEGER, not_after INTEGER, UNIQUE (id));
         CREATE INDEX by_end ON certificates (not_after);\n\
         .import --csv --skip 1 {} certificates\n",
        csv.display()
    );
    let mut command = Command::new("sqlite3");
    command.arg(folder.join("plain.db")).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let started = Instant::now();
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    ended(child, started)
}

fn measured(command: &mut Command) -> Result<Measured, Box<dyn std::error::Error>> {
    let started = Instant::now();
    ended(command.spawn()?, started)
}

/// Waits, and reads the process's own high-water mark while it lives.
fn ended(mut child: Child, started: Instant) -> Result<Measured, Box<dyn std::error::Error>> {
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let known = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let mark = known.unwrap_or_default();
        let line = mark.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak_kib = peak_kib.max(now.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(20));
    };
    if !status.success() {
        return Err(format!("ended with {status}").into());
    }
    Ok(Measured {
        seconds: started.elapsed().as_secs_f64(),
        peak_kib,
    })
}
