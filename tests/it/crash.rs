//! What is reported as accepted survives `kill -9` at any moment, and nothing counts twice.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt as _, stream};
use offpeak::domain::demand::observation::Source;
use offpeak::domain::time::Timestamp;
use offpeak::engine::clock::{Clock as _, SystemClock};
use offpeak::store::{Change, Load, Migrations, connect};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Api, Server, offpeak};
use crate::support::{Database, fresh_postgres, fresh_sqlite};
use crate::tools::output_text;

/// How many imports are killed while they run.
const IMPORT_KILLS: i32 = 20;
/// How many times a server is killed while certificates are handed in.
const SERVER_KILLS: usize = 6;
/// An import's durable steps are of 10,000 records: a whole one and a part of one.
const ROWS_PER_FILE: u32 = 12_000;
/// Each so many rows of a file one is of a certificate that has expired: it only counts.
const EXPIRED_EACH: u32 = 10;
/// Small, so that many are answered before the kill.
const ROWS_PER_POST: u32 = 10;
/// A server is killed at most so long after it is ready: some dozens of posts.
const SERVER_LIVES_AT_MOST: Duration = Duration::from_millis(200);
/// Far longer than a start takes; only a hang waits for it.
const HANGS_AFTER: Duration = Duration::from_mins(1);
const DAY_SECONDS: i64 = 86_400;
const SEED: u64 = 0xb12;

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_mid_import_loses_and_doubles_nothing_sqlite() {
    kill_9_mid_import(Database::Sqlite(fresh_sqlite())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_mid_import_loses_and_doubles_nothing_postgres() {
    if let Some(database) = fresh_postgres().await {
        kill_9_mid_import(Database::Postgres(Box::new(database))).await;
    }
}

async fn kill_9_mid_import(database: Database) {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut world = World::new(database);
    let records = world.measure();
    let mut kills = 0;
    while kills < IMPORT_KILLS {
        kills += world.import_and_kill(records, IMPORT_KILLS - kills, &mut rng);
    }
    for _ in 0..SERVER_KILLS {
        world.register_and_kill(&mut rng).await;
    }
    world.check().await;
}

/// A database, and what it must hold.
struct World {
    database: Database,
    dir: TempDir,
    /// The CertIDs that were reported as accepted.
    accepted: BTreeSet<String>,
    /// How many more only counted, because they had expired.
    expired: u64,
    now: i64,
    files: u32,
    posted: u32,
}

impl World {
    fn new(database: Database) -> Self {
        Self {
            database,
            dir: tempfile::tempdir().expect("a temporary directory"),
            accepted: BTreeSet::new(),
            expired: 0,
            now: SystemClock.now().unix(),
            files: 0,
            posted: 0,
        }
    }

    /// Imports a file undisturbed: how long its records take.
    fn measure(&mut self) -> Duration {
        let start_up = self.start_up();
        let file = self.write_file(ROWS_PER_FILE);
        let started = Instant::now();
        let mut import = import(&file, &self.database.url());
        assert!(import.wait().expect("it was started here").success());
        started.elapsed().saturating_sub(start_up)
    }

    /// How long an import takes that has next to nothing to do.
    fn start_up(&mut self) -> Duration {
        let file = self.write_file(1);
        let started = Instant::now();
        let import = import(&file, &self.database.url());
        let output = import.wait_with_output().expect("it was started here");
        assert!(output.status.success(), "{}", output_text(&output));
        started.elapsed()
    }

    /// Imports a new file, killing and starting again until it is done; how often it was killed,
    /// which is `most` times at the most.
    fn import_and_kill(&mut self, records: Duration, most: i32, rng: &mut StdRng) -> i32 {
        let start_up = self.start_up();
        let file = self.write_file(ROWS_PER_FILE);
        let mut kills = 0;
        loop {
            // From before the first step on; 8 % later with each kill, up to 1.08²⁰ = 4.7 times the
            // records' time, since an import that goes on has to judge its last step again.
            let latest = start_up + records.mul_f64(1.08_f64.powi(kills));
            let lives = rng.random_range(start_up / 2..latest);
            let mut import = import(&file, &self.database.url());
            let kill_at = Instant::now() + lives;
            while import.try_wait().expect("it was started here").is_none() {
                if kills < most && Instant::now() >= kill_at {
                    // It may end by itself in this moment: the status tells.
                    let _ = import.kill();
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let output = import.wait_with_output().expect("it was started here");
            if output.status.success() {
                assert_reported(&String::from_utf8_lossy(&output.stdout));
                return kills;
            }
            // No exit code: it was the signal.
            assert_eq!(output.status.code(), None, "{}", output_text(&output));
            kills += 1;
        }
    }

    /// Hands certificates to a server that is killed meanwhile; then what had no answer again, to
    /// another.
    async fn register_and_kill(&mut self, rng: &mut StdRng) {
        let mut server = Server::on(&self.database.url());
        let lives = rng.random_range(Duration::ZERO..SERVER_LIVES_AT_MOST);
        let api = server.api.clone();
        let (now, first) = (self.now, self.posted);
        let posting = tokio::spawn(async move {
            let mut answered = first;
            while let Ok(report) = post(&api, answered, now).await {
                assert_eq!(report["accepted"], ROWS_PER_POST, "{report}");
                answered += 1;
            }
            answered
        });
        tokio::time::sleep(lives).await;
        server.kill();
        let in_doubt = posting.await.expect("the reports are right");

        let server = Server::on(&self.database.url());
        let report = post(&server.api, in_doubt, now).await.expect("a report");
        let known = report["accepted"]
            .as_u64()
            .zip(report["unchanged"].as_u64());
        assert_eq!(
            known.map(|(accepted, unchanged)| accepted + unchanged),
            Some(u64::from(ROWS_PER_POST)),
            "{report}"
        );
        self.posted = in_doubt + 1;
        for batch in first..self.posted {
            self.accepted
                .extend((0..ROWS_PER_POST).map(|row| posted_id(batch, row)));
        }
    }

    /// Everything accepted is there once, answers, and has counted once.
    async fn check(&self) {
        self.check_counts().await;
        let server = Server::on(&self.database.url());
        let listed = listed(&server.api).await;
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "some are listed twice");
        let lost: Vec<_> = self.accepted.difference(&once).take(3).collect();
        assert!(lost.is_empty(), "lost, among others: {lost:?}");
        let surplus: Vec<_> = once.difference(&self.accepted).take(3).collect();
        assert!(surplus.is_empty(), "never accepted: {surplus:?}");
        let api = &server.api;
        stream::iter(&self.accepted)
            .for_each_concurrent(16, async |id| {
                let answer = api.get(&format!("/renewal-info/{id}")).await;
                assert_eq!(answer.status(), 200, "{id}");
            })
            .await;
    }

    /// A certificate is one that was issued: as a row, or, where it had expired, as a count.
    async fn check_counts(&self) {
        let store = connect(&self.database.url(), Migrations::RefusePending)
            .await
            .expect("the database is as it was left");
        let (mut rows, mut counted) = (0, 0);
        let mut on_change = |change| match change {
            Change::Certificate(_) => rows += 1,
            Change::Observed { observation, .. } => {
                assert_eq!(observation.source, Source::Registrations);
                counted += observation.count;
            }
            Change::Forgotten(_)
            | Change::Incident(_)
            | Change::Lost
            | Change::Polls { .. }
            | Change::Removed(_) => panic!("nothing of the kind was done"),
        };
        store
            .load(Load::Everything, Timestamp::MIN, &mut on_change)
            .await
            .expect("the store tells everything");
        assert_eq!(rows, self.accepted.len());
        assert_eq!(counted, self.expired);
    }

    /// Writes a file of new certificates, which must be there in the end.
    fn write_file(&mut self, rows: u32) -> PathBuf {
        let file = self.files;
        self.files += 1;
        let mut text = String::from("cert_id,not_before,not_after\n");
        for row in 0..rows {
            let id = cert_id(1, file, row);
            let expired = row % EXPIRED_EACH == EXPIRED_EACH - 1;
            let not_before =
                self.now - i64::from(row) - if expired { 100 * DAY_SECONDS } else { 0 };
            let not_after = not_before + 90 * DAY_SECONDS - 1;
            let _ = writeln!(text, "{id},{not_before},{not_after}");
            if expired {
                self.expired += 1;
            } else {
                self.accepted.insert(id);
            }
        }
        let path = self.dir.path().join(format!("{file}.csv"));
        std::fs::write(&path, text).expect("the file is written");
        path
    }
}

fn import(file: &Path, database_url: &str) -> Child {
    offpeak()
        .args(["import", "certificates"])
        .arg(file)
        .args(["--database", database_url])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("offpeak starts")
}

/// The report of a file, however often its import was killed, covers all of it: every record was
/// accepted, or, where the kill came after the last one's report, is known.
fn assert_reported(stdout: &str) {
    let all = [
        format!("{ROWS_PER_FILE} accepted, 0 unchanged, 0 rejected"),
        format!("0 accepted, {ROWS_PER_FILE} unchanged, 0 rejected"),
    ];
    assert!(all.iter().any(|counts| stdout.contains(counts)), "{stdout}");
}

/// Hands in batch number `batch`; again where the server has not read the whole database yet.
async fn post(api: &Api, batch: u32, now: i64) -> reqwest::Result<Value> {
    let lines: Vec<String> = (0..ROWS_PER_POST)
        .map(|row| {
            let id = posted_id(batch, row);
            json!({ "certId": id, "notBefore": now, "notAfter": now + 90 * DAY_SECONDS - 1 })
                .to_string()
        })
        .collect();
    let deadline = Instant::now() + HANGS_AFTER;
    loop {
        let report = api
            .post_ndjson("/v1/certificates", lines.join("\n"))
            .await?;
        if report["status"] != 503 {
            return Ok(report);
        }
        assert!(Instant::now() < deadline, "{report}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every CertID that the listing tells, page by page.
async fn listed(api: &Api) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let after = ids
            .last()
            .map_or(String::new(), |id| format!("&after={id}"));
        let page = api
            .admin_get(&format!("/v1/certificates?limit=1000{after}"))
            .await;
        assert_eq!(page.status(), 200);
        let page = page.text().await.expect("text");
        if page.is_empty() {
            return ids;
        }
        ids.extend(page.lines().map(|line| {
            let line: Value = serde_json::from_str(line).expect("each line is JSON");
            line["certId"].as_str().expect("a CertID").to_owned()
        }));
    }
}

fn posted_id(batch: u32, row: u32) -> String {
    cert_id(2, batch, row)
}

/// A CertID of one issuer; no two of these triples have the same.
fn cert_id(origin: u8, group: u32, row: u32) -> String {
    let mut serial = vec![origin];
    serial.extend(group.to_be_bytes());
    serial.extend(row.to_be_bytes());
    format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode([0xa5; 20]),
        URL_SAFE_NO_PAD.encode(serial)
    )
}
