//! `cargo bench --bench import [-- ROWS]`: how fast certificates come in, beside the databases' own
//! loaders, in alternating rounds; the medians count. The loaders get the rows that an import has
//! left, every column of them, for the same table with the same indexes: `sqlite3 .import` in one
//! transaction with `synchronous=FULL`, and, with `OFFPEAK_BENCH_POSTGRES` set to the URL of an empty
//! database, `COPY` through `psql`. At the end how fast PEM is read, up to what a record is.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offpeak::ingest::CertificateFormat;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair, SerialNumber,
};
use sha2::{Digest as _, Sha256};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// As many as the README's claim is about.
const ROWS: u64 = 1_000_000;
/// Odd, so that one of them is the median.
const ROUNDS: usize = 3;
/// A 90-day certificate's last second.
const LIFE: u64 = 7_775_999;
/// Different certificates in the PEM text …
const PEM_DIFFERENT: u32 = 100;
/// … each so many times: about a second's work.
const PEM_REPEATED: u32 = 1_000;
/// As much as an import decodes at once.
const PEM_PIECE_OCTETS: usize = 64 << 10;

/// Every column of `certificates`, in the order of its definition.
const COLUMNS: &str =
    "key_identifier, serial, not_before, not_after, issued_at, hour_known, steered,
    registered_at, window_start, window_end, table_number, span_start, span_end, plain, incident,
    rebalance, follows, successor_id, successor_order, changed";

fn main() -> Outcome<()> {
    let rows = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(ROWS);
    let folder = tempfile::tempdir()?;
    let csv = folder.path().join("certificates.csv");
    std::fs::write(&csv, certificates(rows)?)?;
    sqlite(folder.path(), &csv, rows)?;
    if let Ok(url) = std::env::var("OFFPEAK_BENCH_POSTGRES") {
        postgres(&url, folder.path(), &csv, rows)?;
    }
    pem()
}

fn sqlite(folder: &Path, csv: &Path, rows: u64) -> Outcome<()> {
    let (mut ours, mut loader) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let database = folder.join(format!("{round}.db"));
        ours.push(import(&format!("sqlite:{}", database.display()), csv)?);
        loader.push(sqlite_import(folder, &database)?);
        for file in std::fs::read_dir(folder)? {
            let file = file?.path();
            if file != csv {
                std::fs::remove_file(file)?;
            }
        }
    }
    compared("SQLite", rows, ours, ("sqlite3 .import", loader))
}

fn postgres(url: &str, folder: &Path, csv: &Path, rows: u64) -> Outcome<()> {
    let (mut ours, mut again, mut loader) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(import(url, csv)?);
        again.push(import(url, csv)?);
        loader.push(postgres_copy(url, folder)?);
        psql(
            url,
            "TRUNCATE certificates, imports, polls, allocation_tables",
        )?;
    }
    let loader = ("COPY", loader);
    compared("PostgreSQL", rows, ours, loader.clone())?;
    compared("PostgreSQL, repeated", rows, again, loader)
}

/// Tells both medians, and their ratio.
fn compared(
    database: &str,
    rows: u64,
    mut ours: Vec<Measured>,
    (name, mut loader): (&str, Vec<Measured>),
) -> Outcome<()> {
    let median = |measured: &mut Vec<Measured>| {
        measured.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        measured.swap_remove(measured.len() / 2)
    };
    let (ours, loader) = (median(&mut ours), median(&mut loader));
    let mut out = std::io::stdout();
    writeln!(out, "{database:<22} offpeak          {}", ours.told(rows))?;
    writeln!(out, "{database:<22} {name:<16} {}", loader.told(rows))?;
    let ratio = loader.seconds / ours.seconds;
    writeln!(
        out,
        "{database:<22} rows a second, offpeak ÷ {name}: {ratio:.2}"
    )?;
    Ok(())
}

#[derive(Clone, Debug)]
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

fn import(database: &str, csv: &Path) -> Outcome<Measured> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offpeak"));
    command
        .args(["--database", database, "import", "certificates"])
        .arg(csv);
    measured(command.stdout(Stdio::null()))
}

/// The rows of this database by SQLite's own loader into the table as offpeak has it, indexes and
/// all; without its CHECKs, since `.import` knows no NULL. Keys are texts of the same length.
fn sqlite_import(folder: &Path, database: &Path) -> Outcome<Measured> {
    let keys = "substr(hex(key_identifier), 1, 20), substr(hex(serial), 1, 18)";
    let others = COLUMNS.trim_start_matches("key_identifier, serial,");
    let rows = folder.join("rows.csv");
    let select = format!("SELECT {keys}, {others} FROM certificates ORDER BY random()");
    let exported = Command::new("sqlite3")
        .arg("-csv")
        .arg(database)
        .arg(select)
        .stdout(std::fs::File::create(&rows)?)
        .status()?;
    if !exported.success() {
        return Err(format!("sqlite3 ended with {exported}").into());
    }
    let schema = include_str!("../migrations/sqlite/0001_initial.sql");
    // Without its comments, in which there are semicolons.
    let lines = schema.lines().filter(|line| !line.contains("--"));
    let schema = lines.collect::<Vec<_>>().join("\n");
    let table = schema
        .split(';')
        .find(|statement| statement.contains("CREATE TABLE certificates"))
        .ok_or("the schema has no certificates")?;
    let kept = table.lines().filter(|line| !line.contains("CHECK"));
    let table: Vec<&str> = kept.collect();
    let table = table
        .join("\n")
        .replace("serial),", "serial)")
        .replace("STRICT", "");
    let script = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {table};
         CREATE INDEX certificates_changed ON certificates (changed);
         CREATE INDEX certificates_not_after ON certificates (not_after);\n\
         .import --csv {} certificates\n",
        rows.display()
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

/// The rows of this database by COPY into a table like the one they are in.
fn postgres_copy(url: &str, folder: &Path) -> Outcome<Measured> {
    let rows = folder.join("rows.copy");
    let rows = rows.display();
    psql(
        url,
        &format!(
            "\\copy (SELECT {} FROM certificates ORDER BY random()) TO '{rows}'",
            COLUMNS.replace('\n', " ")
        ),
    )?;
    psql(
        url,
        "DROP TABLE IF EXISTS plain; CREATE TABLE plain (LIKE certificates INCLUDING ALL); CHECKPOINT",
    )?;
    let copy = format!(
        "\\copy plain ({}) FROM '{rows}'",
        COLUMNS.replace('\n', " ")
    );
    let copied = measured(Command::new("psql").args([url, "-qc", copy.as_str()]))?;
    psql(url, "DROP TABLE plain; CHECKPOINT")?;
    Ok(copied)
}

fn psql(url: &str, statement: &str) -> Outcome<()> {
    let mut command = Command::new("psql");
    let ended = command
        .args([url, "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])
        .stderr(Stdio::null())
        .status()?;
    if ended.success() {
        Ok(())
    } else {
        Err(format!("psql ended with {ended}").into())
    }
}

/// How fast PEM is read, from bytes to records, on one core.
fn pem() -> Outcome<()> {
    let text = certificates_in_pem()?.repeat(PEM_REPEATED as usize);
    let mut decoder = CertificateFormat::Pem.decoder();
    let (mut items, mut read) = (Vec::new(), 0_u32);
    let started = Instant::now();
    for piece in text.as_bytes().chunks(PEM_PIECE_OCTETS) {
        decoder.push(piece, &mut items);
        for item in items.drain(..) {
            read += u32::from(item.record.is_ok());
        }
    }
    decoder.finish(&mut items);
    let seconds = started.elapsed().as_secs_f64();
    if read != PEM_DIFFERENT * PEM_REPEATED {
        return Err(format!("{read} certificates were read").into());
    }
    let octets = text.len() / read as usize;
    let rate = f64::from(read) / seconds;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "PEM of {octets} octets each: {rate:.0} certificates/s on one core"
    )?;
    Ok(())
}

/// Certificates for a server with four names, with as many octets of SCTs as public ones have.
fn certificates_in_pem() -> Outcome<String> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(params, KeyPair::generate()?);
    let mut text = String::new();
    for number in 0..PEM_DIFFERENT {
        let names = (0..4).map(|name| format!("www{name}.host{number}.example.com"));
        let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
        let serial = &Sha256::digest(number.to_be_bytes())[..18];
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        let scts =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11_129, 2, 4, 2], vec![4; 245]);
        params.custom_extensions.push(scts);
        text += &params.signed_by(&KeyPair::generate()?, &issuer)?.pem();
    }
    Ok(text)
}

fn measured(command: &mut Command) -> Outcome<Measured> {
    let started = Instant::now();
    ended(command.spawn()?, started)
}

/// Waits, and reads the process's own high-water mark while it lives.
fn ended(mut child: Child, started: Instant) -> Outcome<Measured> {
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
