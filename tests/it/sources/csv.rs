//! A CSV file with columns of its own, written anew again and again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::ManualClock;
use offpeak::source::read_once;
use offpeak::store::{Change, Load, Migrations, connect};

use crate::support::{FreshSqlite, fresh_sqlite};

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;

pub(super) async fn engine(text: &str, now: i64) -> (Arc<Engine>, FreshSqlite) {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix(now)));
    let engine = Engine::open(store, Config::parse(text).unwrap(), clock).await;
    (engine.unwrap(), database)
}

pub(super) async fn counted(engine: &Engine) -> Vec<Observation> {
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
    found.sort_by_key(|one| one.at);
    found
}

/// Writes a file as it was at an instant.
fn write(path: &Path, text: &str, at: i64) {
    fs::write(path, text).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at.unsigned_abs());
    file.set_modified(at).unwrap();
}

fn source(path: &Path, columns: &str) -> String {
    format!(
        "[[source]]\nname = \"export\"\nca = \"default\"\nkind = \"csv\"\npath = \"{}\"\n{columns}",
        path.display()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_hours_is_counted_once_however_often_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load.csv");
    let text = source(
        &path,
        "source = \"ca\"\nrow = \"1h\"\ncolumns = { at = \"Hour\", count = \"n, in all\", kind = \"what\" }\n",
    );
    let (engine, _database) = engine(&text, NOON + 3 * 3_600).await;
    let source = engine.config().sources[0].clone();
    let head = "what,\"n, in all\",other,Hour\n";
    let hour = |number: i64, count: u64| {
        let at = Timestamp::from_unix(NOON + number * 3_600);
        format!("attempt,{count},x,{at}\nfailed,1,,{at}\n")
    };
    // Half an hour after one o'clock that hour is not over.
    let first = [head.to_owned(), hour(0, 10), hour(1, 4)].concat();
    write(&path, &first, NOON + 5_400);
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    let report = |found: &[Observation]| -> Vec<(i64, Kind, u64)> {
        let of = |one: &Observation| (one.at.unix() - NOON, one.kind, one.count);
        found.iter().map(of).collect()
    };
    let found = counted(&engine).await;
    assert_eq!(
        report(&found),
        [(0, Kind::Attempt, 10), (0, Kind::Failed, 1)]
    );
    assert!(found.iter().all(|one| one.seconds == 3_600
        && one.source == Source::Ca
        && one.vantage.as_deref() == Some("export")));
    // Written anew, the newest first, and with a line that is none.
    let again = [
        head.to_owned(),
        hour(1, 9),
        "attempt,many,,x\n".to_owned(),
        hour(0, 10),
    ]
    .concat();
    write(&path, &again, NOON + 2 * 3_600 + 5);
    read_once(&engine, &source).await.unwrap();
    let found = counted(&engine).await;
    let want = [
        (0, Kind::Attempt, 10),
        (0, Kind::Failed, 1),
        (3_600, Kind::Attempt, 9),
        (3_600, Kind::Failed, 1),
    ];
    assert_eq!(report(&found), want);
    // Another column's name, and rows that are mostly wrong: said, and nothing of it counted.
    for (text, want) in [
        (
            "what,n,Hour\n",
            "no column is named \"n, in all\", which columns.count names; there are what, n, Hour",
        ),
        (
            &format!("{head}attempt,1,,yesterday\n"),
            "1 of 1 rows are not what `columns` says: row 1: at: ",
        ),
    ] {
        write(&path, text, NOON + 3 * 3_600);
        let error = read_once(&engine, &source).await.unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
    assert_eq!(report(&counted(&engine).await), want);
    fs::remove_file(&path).unwrap();
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(error.contains("load.csv: No such file"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_events_are_summed_by_the_minute_and_silence_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    let text = source(
        &path,
        "columns = { at = \"issued\", endpoint = \"step\" }\n",
    );
    let (engine, _database) = engine(&text, NOON + 600).await;
    let source = engine.config().sources[0].clone();
    let rows: Vec<String> = [5, 7, 59, 185, 241]
        .iter()
        .map(|second| format!("{},finalize\n", NOON + second))
        .collect();
    write(
        &path,
        &format!("issued,step\n{}", rows.concat()),
        NOON + 245,
    );
    read_once(&engine, &source).await.unwrap();
    let found = counted(&engine).await;
    let report: Vec<(i64, u64)> = found
        .iter()
        .map(|one| (one.at.unix() - NOON, one.count))
        .collect();
    // The fifth minute was not over when the file was written.
    assert_eq!(report, [(0, 3), (60, 0), (120, 0), (180, 1)]);
    assert_eq!(found[0].endpoint.as_deref(), Some("finalize"));
    assert_eq!(
        (found[0].source, found[0].kind),
        (Source::Import, Kind::Issued)
    );
}
