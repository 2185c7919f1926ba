//! Log files that grow, are rotated in every way that there is, and are read exactly once.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::clock::ManualClock;
use offpeak::engine::{Engine, SourceState};
use offpeak::source::SourceError;
use offpeak::source::read_once;
use offpeak::store::{Change, Load, Migrations, connect};

use crate::support::{FreshSqlite, fresh_sqlite};

/// 2026-11-28T12:00:00Z.
const START: i64 = 1_795_867_200;

pub(super) struct Case {
    folder: tempfile::TempDir,
    database: FreshSqlite,
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<ManualClock>,
    format: &'static str,
    head: String,
    /// Lines written so far.
    written: i64,
}

impl Case {
    pub(super) async fn new(format: &'static str) -> Self {
        Self::with(format, String::new()).await
    }

    /// The same with this before the source.
    pub(super) async fn with(format: &'static str, head: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = fresh_sqlite();
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix(START + 3_600)));
        let engine = open(
            &database,
            folder.path(),
            (&head, format),
            Arc::clone(&clock),
        )
        .await;
        Self {
            folder,
            database,
            engine,
            clock,
            format,
            head,
            written: 0,
        }
    }

    /// As after the process was killed and started again.
    pub(super) async fn restart(&mut self) {
        let clock = Arc::clone(&self.clock);
        let of = (&*self.head, self.format);
        self.engine = open(&self.database, self.folder.path(), of, clock).await;
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Adds new orders to a file, one in ten of them refused, and as many lines of other requests.
    fn write(&mut self, name: &str, lines: i64) {
        for _ in 0..lines {
            self.append(name, &line(self.written));
            self.written += 1;
        }
    }

    pub(super) async fn read(&self) -> Result<(), SourceError> {
        let source = self.engine.config().sources[0].clone();
        read_once(&self.engine, &source).await
    }

    pub(super) async fn observed(&self) -> Vec<Observation> {
        observed(&self.engine).await
    }

    pub(super) async fn count(&self, kind: Kind) -> i64 {
        let observed = self.observed().await;
        let of = observed.iter().filter(|one| one.kind == kind);
        i64::try_from(of.map(|one| one.count).sum::<u64>()).unwrap()
    }

    /// Reads, and sees that every line that was ever written has counted once.
    async fn read_and_check(&self, what: &str) {
        self.read().await.unwrap();
        assert_eq!(self.count(Kind::Attempt).await, self.written, "{what}");
    }
}

/// All that was ever counted.
pub(super) async fn observed(engine: &Engine) -> Vec<Observation> {
    let mut found = Vec::new();
    let mut on_change = |change| {
        if let Change::Observed { observation, .. } = change {
            found.push(observation);
        }
    };
    let from = Timestamp::from_unix(0);
    let load = engine
        .store()
        .load(Load::WithoutCertificates, from, &mut on_change);
    load.await.unwrap();
    found
}

async fn open(
    database: &FreshSqlite,
    folder: &Path,
    (head, format): (&str, &str),
    clock: Arc<ManualClock>,
) -> Arc<Engine> {
    let text = format!(
        "{head}[[source]]\nname = \"front\"\nca = \"default\"\nkind = \"log\"\npath = \"{}\"\n\
         format = \"{format}\"\n",
        folder.join("acme.log").display()
    );
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    Engine::open(store, Config::parse(&text).unwrap(), clock)
        .await
        .unwrap()
}

fn line(number: i64) -> String {
    let second = number % 3_600;
    let time = format!("28/Nov/2026:12:{:02}:{:02} +0000", second / 60, second % 60);
    let status = if number % 10 == 9 { 429 } else { 201 };
    format!(
        "192.0.2.{} - - [{time}] \"POST /acme/new-order HTTP/2.0\" {status} 345 \"-\" \"certbot/5.8.0\" 0.250\n\
         192.0.2.1 - - [{time}] \"HEAD /acme/new-nonce HTTP/2.0\" 200 0 \"-\" \"certbot/5.8.0\" 0.001\n",
        number % 250
    )
}

fn pack(from: &Path, to: &Path) {
    let mut packed = GzEncoder::new(fs::File::create(to).unwrap(), Compression::fast());
    packed.write_all(&fs::read(from).unwrap()).unwrap();
    packed.finish().unwrap();
    fs::remove_file(from).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_are_counted_with_their_kind_failures_and_latency() {
    let mut case = Case::new("nginx-combined").await;
    case.write("acme.log", 600);
    case.read_and_check("what is there").await;
    assert_eq!(case.count(Kind::Failed).await, 60);
    let observed = case.observed().await;
    assert!(observed.iter().all(|one| one.source == Source::Log));
    let orders: Vec<_> = observed
        .iter()
        .filter(|one| one.count > 0 && one.kind == Kind::Attempt)
        .collect();
    // The first minute of the hour in halves.
    assert_eq!(orders.len(), 11);
    for one in orders {
        assert_eq!(one.count, u64::from(one.seconds));
        assert_eq!(one.latency_ms, Some(250.0));
        assert_eq!(one.endpoint.as_deref(), Some("new-order"));
    }
    let report = &case.engine.source_reports()[0];
    assert_eq!((report.state, report.records), (SourceState::Reading, 600));
    // The hour that is over since the last line had nothing: that is known too.
    assert_eq!(
        report.data_through,
        Some(Timestamp::from_unix(START + 3_600))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_rotating_counts_each_line_once() {
    let mut case = Case::new("nginx-combined").await;
    case.write("acme.log", 50);
    case.read_and_check("first").await;
    // Renamed, with lines that were not read yet, and begun again.
    case.write("acme.log", 7);
    fs::rename(case.path("acme.log"), case.path("acme.log.1")).unwrap();
    case.write("acme.log", 5);
    case.read_and_check("renamed").await;
    case.restart().await;
    case.read_and_check("restarted").await;
    // Packed, while the process was away.
    case.write("acme.log", 3);
    pack(&case.path("acme.log.1"), &case.path("acme.log.2.gz"));
    fs::rename(case.path("acme.log"), case.path("acme.log.1")).unwrap();
    case.write("acme.log", 11);
    case.restart().await;
    case.read_and_check("packed").await;
    // Copied and truncated.
    case.write("acme.log", 4);
    fs::copy(case.path("acme.log"), case.path("acme.log-20261128")).unwrap();
    fs::write(case.path("acme.log"), "").unwrap();
    case.read_and_check("copied and truncated").await;
    case.write("acme.log", 6);
    case.read_and_check("after that").await;
    // Longer than it ever was, after it was truncated.
    fs::write(case.path("acme.log"), "").unwrap();
    case.write("acme.log", 100);
    case.read_and_check("overwritten").await;
    case.restart().await;
    case.read_and_check("restarted again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_line_waits_for_its_other_half() {
    let mut case = Case::new("nginx-combined").await;
    case.write("acme.log", 2);
    let whole = line(case.written);
    let (one, other) = whole.split_at(40);
    case.append("acme.log", one);
    case.read_and_check("half").await;
    case.append("acme.log", other);
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, case.written + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_format_is_said_and_nothing_is_lost_by_it() {
    let mut case = Case::new("caddy").await;
    case.write("acme.log", 20);
    let refused = case.read().await.unwrap_err().to_string();
    assert!(
        refused.contains("none of 20 lines about orders is of the configured format"),
        "{refused}"
    );
    case.format = "nginx-combined";
    case.restart().await;
    case.read_and_check("with the right one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_there_is_named() {
    let case = Case::new("nginx-combined").await;
    let refused = case.read().await.unwrap_err().to_string();
    assert!(
        refused.contains("acme.log") && refused.contains("names no file"),
        "{refused}"
    );
}
