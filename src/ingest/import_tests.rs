//! Imports interrupted at every possible moment, and reverted.

use std::fmt::Write as _;
use std::io::Write as _;

use tempfile::NamedTempFile;

use super::Unknown;
use super::error::IngestError;
use super::fake::{Crash, Did, FakeRegistry, NOW};
use super::file::KnownFile;
use super::forget::{Forgotten, forget_in};
use super::format::CertificateFormat;
use super::import::import_in;
use super::lines::Position;
use super::register::Registry;
use super::watch::Watch;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::names::Names;
use crate::domain::certificate::{Submission, Validity};
use crate::domain::time::{DAY, Timestamp};
use crate::engine::verdict::{Report, Verdict};

/// Three steps of 10,000 records; the last one is short.
const LINES: u64 = 23_456;

const CSV: (CertificateFormat, Unknown) = (CertificateFormat::Csv, Unknown::Refused);

struct Silent;

impl Watch for Silent {
    fn judged(&mut self, _line: u64, _verdict: &Verdict) {}
    fn reached(&mut self, _at: Position) {}
    fn resumed(&mut self, _at: Position) {}
}

/// The lines reported as judged.
#[derive(Default)]
struct Lines(Vec<u64>);

impl Watch for Lines {
    fn judged(&mut self, line: u64, _verdict: &Verdict) {
        self.0.push(line);
    }
    fn reached(&mut self, _at: Position) {}
    fn resumed(&mut self, _at: Position) {}
}

fn id(number: u64) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
        serial: Serial::new(&number.to_be_bytes()).unwrap(),
    }
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Valid, expired, short-lived and malformed lines, and some that are repeated, near and far.
fn mixed() -> String {
    let mut text = "not_before,not_after,cert_id\n".to_owned();
    for number in 0..LINES {
        let (from, to) = (NOW - DAY, NOW + 89 * DAY);
        let line = match number % 100 {
            3 => format!("{},{},{}", from - 90 * DAY, from, id(number)),
            5 => format!("{to},{},{}", to + 1, id(number)),
            7 => format!("soon,{to},{}", id(number)),
            11 => format!("{from},{to},{}", id(number - 1)),
            13 => format!("{from},{to},{}", id(number / 2)),
            17 => format!("{from},{},{}", to + 1, id(number - 2)),
            _ => format!("{from},{to},{}", id(number)),
        };
        writeln!(text, "{line}").unwrap();
    }
    // Blank lines at the end belong to no record.
    text + "\n\n"
}

fn counts(report: &Report) -> (u64, u64, u64) {
    (report.accepted, report.unchanged, report.rejected)
}

async fn import(registry: &FakeRegistry, file: &KnownFile) -> Result<Report, IngestError> {
    import_in(registry, file, CSV, &mut Silent).await
}

#[tokio::test]
async fn an_import_killed_at_any_step_counts_everything_once_and_reports_it_all() {
    let file = file(&mixed());
    let file = KnownFile::open(file.path()).await.unwrap();
    let whole = FakeRegistry::default();
    let report = import(&whole, &file).await.unwrap();
    assert_eq!(report.accepted + report.unchanged + report.rejected, LINES);
    assert!(report.accepted > 0 && report.unchanged > 0 && report.rejected > 0);
    let want = whole.state.into_inner().unwrap();
    assert_eq!(
        want.calls.len(),
        4,
        "three steps, and the mark that the report was told"
    );

    for step in 1..=want.calls.len() {
        for crash in [Crash::Before(step), Crash::After(step)] {
            let registry = FakeRegistry::default();
            *registry.crash.lock().unwrap() = Some(crash);
            import(&registry, &file).await.unwrap_err();
            *registry.crash.lock().unwrap() = None;
            let resumed = import(&registry, &file).await.unwrap();
            let state = registry.state.into_inner().unwrap();
            assert_eq!(state.expired, want.expired, "{crash:?}");
            assert_eq!(state.rows.len(), want.rows.len(), "{crash:?}");
            if crash == Crash::After(want.calls.len()) {
                // The report was complete; the second run imports a known file.
                assert_eq!((resumed.accepted, resumed.rejected), (0, report.rejected));
            } else {
                assert_eq!(counts(&resumed), counts(&report), "{crash:?}");
                assert_eq!(resumed.errors, report.errors, "{crash:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_import_killed_again_and_again_comes_to_its_end() {
    let file = file(&mixed());
    let file = KnownFile::open(file.path()).await.unwrap();
    let whole = FakeRegistry::default();
    let report = import(&whole, &file).await.unwrap();
    let registry = FakeRegistry::default();
    let mut runs = 0;
    let resumed = loop {
        runs += 1;
        let calls = registry.state.lock().unwrap().calls.len();
        // A run that continues judges the durable step in its first call, and registers a step in
        // the second.
        let crash = (runs <= 3).then_some(Crash::After(calls + runs.min(2)));
        *registry.crash.lock().unwrap() = crash;
        if let Ok(report) = import(&registry, &file).await {
            break report;
        }
    };
    assert_eq!(runs, 4);
    assert_eq!(counts(&resumed), counts(&report));
    let (state, want) = (
        registry.state.into_inner().unwrap(),
        whole.state.into_inner().unwrap(),
    );
    assert_eq!(state.expired, want.expired);
    assert_eq!(state.rows.len(), want.rows.len());
}

#[tokio::test]
async fn a_step_is_taken_into_memory_while_the_next_one_is_stored() {
    let file = file(&mixed());
    let file = KnownFile::open(file.path()).await.unwrap();
    let registry = FakeRegistry::default();
    import(&registry, &file).await.unwrap();
    let (store, take_in) = (Did::Store, Did::TakeIn);
    assert_eq!(
        registry.state.into_inner().unwrap().done,
        // Two full steps. At the end of the file, everything in progress is awaited, then the last
        // step, and the mark that the report was delivered.
        [
            store, store, take_in, take_in, store, take_in, store, take_in
        ]
    );
}

#[tokio::test]
async fn a_resumed_run_judges_each_line_after_the_reported_ones_once() {
    let file = file(&mixed());
    let file = KnownFile::open(file.path()).await.unwrap();
    let registry = FakeRegistry::default();
    *registry.crash.lock().unwrap() = Some(Crash::After(2));
    let mut first = Lines::default();
    import_in(&registry, &file, CSV, &mut first)
        .await
        .unwrap_err();
    *registry.crash.lock().unwrap() = None;
    let mut second = Lines::default();
    import_in(&registry, &file, CSV, &mut second).await.unwrap();
    assert_eq!(first.0, (2..=10_001).collect::<Vec<u64>>());
    assert_eq!(second.0, (10_002..=LINES + 1).collect::<Vec<u64>>());
}

#[tokio::test]
async fn a_known_file_brings_back_what_was_deleted_and_counts_nothing_twice() {
    let file = file(&mixed());
    let file = KnownFile::open(file.path()).await.unwrap();
    let registry = FakeRegistry::default();
    let report = import(&registry, &file).await.unwrap();
    registry.remove(&[id(0), id(1)]).await.unwrap();
    let expired = registry.state.lock().unwrap().expired.clone();
    let again = import(&registry, &file).await.unwrap();
    // Only line 0 occurred once; number 1 also occurs once in the file.
    assert_eq!(again.accepted, 2);
    assert_eq!(again.rejected, report.rejected);
    assert_eq!(again.unchanged, report.accepted + report.unchanged - 2);
    assert_eq!(registry.state.lock().unwrap().expired, expired);
}

#[tokio::test]
async fn a_small_file_is_one_durable_step() {
    let text = format!(
        "cert_id,not_before,not_after\n{},{NOW},{}\n",
        id(1),
        NOW + DAY
    );
    let file = file(&text);
    let file = KnownFile::open(file.path()).await.unwrap();
    let registry = FakeRegistry::default();
    let report = import(&registry, &file).await.unwrap();
    assert_eq!((report.accepted, report.unchanged), (1, 0));
    assert_eq!(registry.state.lock().unwrap().calls, [1]);
    let report = import(&registry, &file).await.unwrap();
    assert_eq!((report.accepted, report.unchanged), (0, 1));
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_hashed_is_not_finished() {
    let mut source = file("cert_id,not_before,not_after\n");
    let known = KnownFile::open(source.path()).await.unwrap();
    writeln!(source, "{},{NOW},{}", id(1), NOW + DAY).unwrap();
    let registry = FakeRegistry::default();
    let error = import(&registry, &known).await.unwrap_err();
    assert!(matches!(error, IngestError::Changed), "{error:?}");
    assert!(registry.state.lock().unwrap().progress.is_empty());
}

fn registered_before(number: u64, not_after: i64) -> Submission {
    Submission {
        id: id(number),
        validity: Validity {
            not_before: Timestamp::from_unix(NOW - DAY),
            not_after: Timestamp::from_unix(not_after),
        },
        issued_at: None,
        replaces: None,
        names: Names::default(),
    }
}

#[tokio::test]
async fn forgetting_removes_what_the_import_brought_and_nothing_else() {
    let source = file(&mixed());
    let file = KnownFile::open(source.path()).await.unwrap();
    let registry = FakeRegistry::default();
    let format = Some(CertificateFormat::Csv);
    assert_eq!(
        forget_in(&registry, &file, format).await.unwrap(),
        Forgotten::Nothing
    );
    let before = [
        registered_before(20, NOW + 89 * DAY),
        registered_before(21, NOW + 30 * DAY),
    ];
    registry.register(&before, None).await.unwrap();
    let report = import(&registry, &file).await.unwrap();
    let forgotten = forget_in(&registry, &file, format).await.unwrap();
    let Forgotten::Certificates { removed, .. } = forgotten else {
        panic!("{forgotten:?}");
    };
    let state = registry.state.lock().unwrap();
    assert_eq!(removed, report.accepted - state.expired.len() as u64);
    let mut left: Vec<&CertId> = state.rows.keys().collect();
    left.sort();
    assert_eq!(left, [&id(20), &id(21)]);
    assert!(state.progress.is_empty());
}

#[tokio::test]
async fn forgetting_an_import_that_was_broken_off_leaves_what_it_did_not_reach() {
    let source = file(&mixed());
    let file = KnownFile::open(source.path()).await.unwrap();
    let registry = FakeRegistry::default();
    *registry.crash.lock().unwrap() = Some(Crash::Before(2));
    import(&registry, &file).await.unwrap_err();
    let beyond = registered_before(20_000, NOW + 89 * DAY);
    registry.register(&[beyond], None).await.unwrap();
    let format = Some(CertificateFormat::Csv);
    forget_in(&registry, &file, format).await.unwrap();
    let state = registry.state.lock().unwrap();
    assert_eq!(state.rows.keys().collect::<Vec<_>>(), [&id(20_000)]);
}

#[tokio::test]
async fn a_file_of_which_nothing_was_taken_may_come_again() {
    let (from, to) = (NOW - DAY, NOW + 89 * DAY);
    let mut text = "cert_id,not_before,not_after\n".to_owned();
    for number in 0..12_000 {
        // Lifetimes that the registry rejects, like issuers that no CA claims.
        writeln!(text, "{},{to},{}", id(number), to + 1).unwrap();
        writeln!(text, "{},soon,{to}", id(number)).unwrap();
    }
    let rejected = file(&text);
    let rejected = KnownFile::open(rejected.path()).await.unwrap();
    let registry = FakeRegistry::default();
    for _ in 0..2 {
        let report = import(&registry, &rejected).await.unwrap();
        assert_eq!(counts(&report), (0, 0, 24_000));
        assert!(registry.state.lock().unwrap().progress.is_empty());
    }
    let forgotten = forget_in(&registry, &rejected, Some(CertificateFormat::Csv));
    assert_eq!(forgotten.await.unwrap(), Forgotten::Nothing);

    // One that is accepted, after two steps without any: the file is remembered from there on.
    writeln!(text, "{},{from},{to}", id(20_000)).unwrap();
    let taken = file(&text);
    let taken = KnownFile::open(taken.path()).await.unwrap();
    let report = import(&registry, &taken).await.unwrap();
    assert_eq!(counts(&report), (1, 0, 24_000));
    let again = import(&registry, &taken).await.unwrap();
    assert_eq!(counts(&again), (0, 1, 24_000));
}
