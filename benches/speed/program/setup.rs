//! How big a run is, and the files that it works on.

use std::fs;
use std::io::BufWriter;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use offpeak::domain::certificate::hash::content_number;
use offpeak::engine::clock::{Clock as _, SystemClock};
use tempfile::TempDir;

use super::process::{Core, output_of};
use super::registry::{self, Columns};
use super::service;

/// For how long a filled database is good: the youngest certificate in it expires after that.
const KEPT_SECONDS: u64 = 7 * 86_400;

/// What the folders of runs are called, before the number of the process.
const WORK: &str = "work-";
/// What is served where it does not matter how many there are, or loading more would take minutes
/// (under callgrind).
pub(super) const FEW_CERTIFICATES: u64 = 10_000;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    /// In the registry that is served. It comes in by an import, which is kept.
    pub(super) certificates: u64,
    /// In each import.
    pub(super) imported: u64,
    /// How often each comparison is made.
    pub(super) rounds: usize,
    /// How often each import is made: they last.
    pub(super) import_rounds: usize,
    /// How long a round is measured.
    pub(super) round_seconds: f64,
    /// How long the flood lasts.
    pub(super) flood_seconds: f64,
}

/// What a run works with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) size: Size,
    /// The URL of a PostgreSQL in which databases may be created.
    pub(super) postgres: String,
    /// When the run began, in Unix seconds: a row's dates are the same in all its files.
    pub(super) began: u64,
    /// What outlives the run: filled databases.
    data: PathBuf,
    /// What does not.
    work: TempDir,
}

impl Size {
    pub(super) const FULL: Self = Self {
        certificates: 1_000_000,
        imported: 400_000,
        rounds: 5,
        import_rounds: 3,
        round_seconds: 4.0,
        flood_seconds: 15.0,
    };
    pub(super) const QUICK: Self = Self {
        certificates: 100_000,
        imported: 50_000,
        rounds: 3,
        import_rounds: 1,
        round_seconds: 1.5,
        flood_seconds: 6.0,
    };
}

impl Size {
    /// Whether figures are for a glance only.
    pub(super) fn is_quick(&self) -> bool {
        self.rounds < Self::FULL.rounds
    }
}

impl Setup {
    /// # Errors
    /// Where the folders cannot be made, or nobody said which PostgreSQL may be used.
    pub(super) fn new(size: Size) -> anyhow::Result<Self> {
        let postgres = std::env::var("OFFPEAK_BENCH_POSTGRES").context(
            "OFFPEAK_BENCH_POSTGRES has to hold the URL of a PostgreSQL; ./bench starts one",
        )?;
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-data");
        fs::create_dir_all(&data)?;
        forget_dead(&data)?;
        let work = tempfile::Builder::new()
            .prefix(&format!("{WORK}{}-", std::process::id()))
            .tempdir_in(&data)
            .context("cannot make a folder to work in")?;
        Ok(Self {
            size,
            postgres,
            began: now_seconds(),
            data,
            work,
        })
    }

    /// A path of the run's own, which nothing is at yet.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// A copy of the SQLite database with the first `rows` certificates in it, under a name of its
    /// own: what is served writes into it.
    pub(super) fn registry(&self, rows: u64, name: &str) -> anyhow::Result<String> {
        let kept = self.filled(rows)?;
        let copy = self.path(name);
        output_of(
            std::process::Command::new("cp")
                .args(["--recursive", "--reflink=auto"])
                .arg(kept)
                .arg(&copy),
        )?;
        Ok(sqlite_url(&copy))
    }

    /// Writes so many certificates as CSV.
    pub(super) fn csv(&self, name: &str, rows: u64, columns: Columns) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        let file = fs::File::create_new(&path)?;
        registry::write_csv(&mut BufWriter::new(file), rows, columns, self.began)?;
        Ok(path)
    }

    /// The folder of the filled database, made where it is not there: under its name only once it
    /// is whole.
    fn filled(&self, rows: u64) -> anyhow::Result<PathBuf> {
        let name = format!("registry-{}-{rows}", key()?);
        let kept = self.data.join(&name);
        if kept.is_dir() {
            return Ok(kept);
        }
        self.forget_old(&name)?;
        let making = self.path(&name);
        fs::create_dir(&making)?;
        let csv = self.csv(&format!("{name}.csv"), rows, Columns::IdFirst)?;
        output_of(service::import(Core::Any, &sqlite_url(&making)).arg(&csv))?;
        fs::remove_file(csv)?;
        fs::rename(making, &kept)?;
        Ok(kept)
    }

    /// Those of other schemas and weeks would only fill the disk.
    fn forget_old(&self, name: &str) -> anyhow::Result<()> {
        let current = name.rsplit_once('-').map_or(name, |(current, _)| current);
        for entry in fs::read_dir(&self.data)? {
            let entry = entry?;
            let other = entry.file_name().to_string_lossy().into_owned();
            if other.starts_with("registry-") && !other.starts_with(current) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// Removes what runs left behind that were killed.
fn forget_dead(data: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(data)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let id = name
            .strip_prefix(WORK)
            .and_then(|rest| rest.split('-').next());
        if id.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// The database in a folder.
pub(super) fn sqlite_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("offpeak.db").display())
}

/// An address on which nobody listens just now.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn now_seconds() -> u64 {
    u64::try_from(SystemClock.now().unix()).unwrap_or(0)
}

/// Changes with the schema, and each week.
fn key() -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let mut files: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut schema = Vec::new();
    for file in files {
        schema.extend(fs::read(file)?);
    }
    schema.extend((now_seconds() / KEPT_SECONDS).to_le_bytes());
    Ok(format!("{:016x}", content_number(&schema)))
}
