//! Certificate Transparency: 1,024 real entries, served as the log that they are of, under a key of the
//! test's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use offpeak::domain::transparency::leaf::{Entry, Leaf};
use offpeak::domain::transparency::merkle::{Hash, subtree_hash};
use offpeak::engine::clock::ManualClock;
use offpeak::engine::{Engine, SourceState};
use offpeak::source::SourceError;
use offpeak::source::ct::Logged;
use offpeak::source::read_once;
use offpeak::store::{Change, Load, Migrations, connect};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::ct_log::{Log, ROOT};
use crate::support::fresh_sqlite;
use crate::tools::real_data;

/// The first entry's minute, and how many there are in each from there on, as Python's `cryptography`
/// reads them.
const FIRST_MINUTE: i64 = 29_104_873 * 60;
const MINUTES: [u64; 6] = [46, 142, 203, 316, 278, 39];
/// The issuers, and how many entries are of each.
pub(super) const ISSUERS: [(&str, u64); 4] = [
    ("a1741a066d50b7862d4a2cc17eb48d88496ccd16", 458),
    ("fc46d101435fbb7ba63d3068ae11bae0bc6dc9d3", 449),
    ("a45246ea58a88f68d8b7b190d14a424a8f6b2871", 65),
    ("13cbd7f6ae9dfc694264d65c7c23cc85f947c7b6", 52),
];
/// The SHA-256 of all issuers and serials in hexadecimal, sorted, by the same program.
const IDS_SHA256: &str = "38b8509d930c363de8931043aec6246e04273b75e1cb92cf1273283713c9d88c";

pub(super) fn folder() -> Option<PathBuf> {
    real_data("ct/navigli2025h2")
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// A list of operators, each with logs.
pub(super) fn list(operators: &[&[&Log]]) -> String {
    let log = |(number, log): (usize, &&Log)| log.in_list(&format!("Test {number}"));
    let operator = |(number, logs): (usize, &&[&Log])| {
        let of = |is_rfc6962: bool| {
            let logs = logs.iter().enumerate();
            let logs = logs.filter(|(_, log)| log.is_rfc6962 == is_rfc6962);
            logs.map(log).collect::<Vec<_>>().join(",")
        };
        let (old, tiled) = (of(true), of(false));
        format!(r#"{{"name":"Operator {number}","logs":[{old}],"tiled_logs":[{tiled}]}}"#)
    };
    let operators: Vec<String> = operators.iter().enumerate().map(operator).collect();
    format!(r#"{{"operators":[{}]}}"#, operators.join(","))
}

/// A CA with two of the four issuers, and its source.
pub(super) fn configuration(list: &std::path::Path, more: &str) -> String {
    let issuer = |hexadecimal: &str| {
        let octets: Vec<u8> = (0..40)
            .step_by(2)
            .map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16).unwrap())
            .collect();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
    };
    format!(
        "strict_issuers = true\n[[ca]]\nname = \"staging\"\nissuers = [\"{}\", \"{}\"]\n\
         [[source]]\nname = \"test-ct\"\nkind = \"ct\"\nca = \"staging\"\nlog_list = \"{}\"\n\
         contact = \"mailto:ops@example.org\"\n{more}\n",
        issuer(ISSUERS[0].0),
        issuer(ISSUERS[2].0),
        list.display()
    )
}

/// An hour after the last entry.
fn now() -> Timestamp {
    Timestamp::from_unix(FIRST_MINUTE + HOUR)
}

pub(super) struct Case {
    pub(super) engine: Arc<Engine>,
    _folder: tempfile::TempDir,
    _database: crate::support::FreshSqlite,
}

async fn case(logs: &[&Log], more: &str) -> Case {
    case_of(&[logs], more).await
}

/// The same with several operators.
pub(super) async fn case_of(operators: &[&[&Log]], more: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    std::fs::write(&path, list(operators)).unwrap();
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(now()));
    let config = Config::parse(&configuration(&path, more)).unwrap();
    let engine = Engine::open(store, config, clock).await;
    Case {
        engine: engine.unwrap(),
        _folder: folder,
        _database: database,
    }
}

impl Case {
    pub(super) async fn read(&self) -> Result<(), SourceError> {
        let source = self.engine.config().sources[0].clone();
        read_once(&self.engine, &source).await
    }

    async fn observed(&self) -> Vec<Observation> {
        let mut found = Vec::new();
        let from = Timestamp::from_unix(0);
        let mut on_change = |change| {
            if let Change::Observed { observation, .. } = change {
                found.push(observation);
            }
        };
        let load = self
            .engine
            .store()
            .load(Load::WithoutCertificates, from, &mut on_change);
        load.await.unwrap();
        found
    }

    pub(super) async fn count(&self) -> u64 {
        self.observed().await.iter().map(|one| one.count).sum()
    }
}

#[test]
fn the_real_entries_have_their_issuers_certids_and_backdating() {
    let Some(folder) = folder() else { return };
    let mut logged = Vec::new();
    for tile in 0..4 {
        let octets = std::fs::read(folder.join(format!("tile/data/{tile:03}"))).unwrap();
        let leaves = Leaf::of_tile(&octets).unwrap();
        let hashes: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
        let kept = std::fs::read(folder.join(format!("tile/0/{tile:03}"))).unwrap();
        assert_eq!(hashes.concat(), kept, "tile {tile}");
        let above = std::fs::read(folder.join("tile/1/000.p/4")).unwrap();
        assert_eq!(subtree_hash(&hashes).unwrap()[..], above[tile * 32..][..32]);
        logged.extend(leaves.iter().filter_map(Logged::of));
    }
    assert_eq!(logged.len(), 1_024);
    let mut issuers: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids = Vec::new();
    let mut backdates = Vec::new();
    for one in &logged {
        let issuer = hex(one.id.key_identifier.octets());
        *issuers.entry(issuer.clone()).or_default() += 1;
        let serial = hex(one.id.serial.octets());
        ids.push(format!("{issuer} {}", serial.trim_start_matches('0')));
        backdates.push(one.backdate_seconds());
    }
    let expected = ISSUERS.map(|(issuer, count)| (issuer.to_owned(), count));
    assert_eq!(issuers, BTreeMap::from(expected));
    ids.sort_unstable();
    assert_eq!(hex(&Sha256::digest(ids.join("\n"))), IDS_SHA256);
    backdates.sort_unstable();
    assert_eq!(backdates[512], 3_511);
}

/// Their precertificates were in logs before.
#[test]
fn real_certificates_that_hold_timestamps_of_logs_are_not_counted() {
    let Some(file) = real_data("ct/rfc6962-get-entries.json") else {
        return;
    };
    let entries: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut counted = [0, 0];
    for entry in &entries {
        let input = STANDARD.decode(entry["leaf_input"].as_str().unwrap());
        let input = input.unwrap();
        let leaf = Leaf::of_leaf_input(&input).unwrap();
        let is_final = matches!(leaf.entry, Entry::Certificate(_));
        counted[usize::from(is_final)] += 1;
        assert_eq!(Logged::of(&leaf).is_none(), is_final, "{}", entry["name"]);
    }
    assert!(counted[0] > 0 && counted[1] > 0, "{counted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_counted_by_the_minute_once_whatever_breaks_off() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder).await;
    let case = case(&[&log], "").await;
    // The third tile fails the first time: what came before it counts, and is not read again.
    let third = "tile/data/002".to_owned();
    log.shown.busy_once.lock().unwrap().insert(third);
    let failed = case.read().await.unwrap_err();
    assert!(failed.to_string().contains("503"), "{failed}");
    case.read().await.unwrap();
    case.read().await.unwrap();
    assert_eq!(log.asked("tile/data/000"), 2, "to begin, and to count");
    assert_eq!(log.asked("tile/data/001"), 1);
    assert_eq!(log.asked("tile/data/002"), 2);
    assert_eq!(case.count().await, ISSUERS[0].1 + ISSUERS[2].1);
    let observed = case.observed().await;
    let mut minutes = [0_u64; 6];
    for one in &observed {
        assert_eq!((one.source, one.kind), (Source::Ct, Kind::Issued));
        assert_eq!(one.ca.as_str(), "staging");
        if one.count > 0 {
            let minute = (one.at - Timestamp::from_unix(FIRST_MINUTE)) / 60;
            minutes[usize::try_from(minute).unwrap()] += one.count;
        }
    }
    for (counted, all) in minutes.iter().zip(MINUTES) {
        assert!((1..all).contains(counted), "{minutes:?}");
    }
    let report = &case.engine.source_reports()[0];
    assert_eq!(report.state, SourceState::Reading);
    let last = Timestamp::from_unix(1_746_292_689);
    assert_eq!(report.data_through, Some(last));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_in_two_logs_counts_once() {
    let Some(folder) = folder() else { return };
    let (one, other) = (Log::start(folder.clone()).await, Log::start(folder).await);
    let case = case(&[&one, &other], "").await;
    case.read().await.unwrap();
    assert_eq!(case.count().await, ISSUERS[0].1 + ISSUERS[2].1);
    assert_eq!(other.asked("tile/data/003"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_lies_is_not_read() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder.clone()).await;
    let case = case(&[&log], "").await;
    // Another root than that of its tiles.
    log.show(1_024, &[7; 32]);
    let refused = case.read().await.unwrap_err().to_string();
    assert!(refused.contains("its hashes are not those"), "{refused}");
    // A signature by another key.
    let forged = Log::start(folder).await;
    let checkpoint = forged.shown.checkpoint.lock().unwrap().clone();
    *log.shown.checkpoint.lock().unwrap() = checkpoint;
    let refused = case.read().await.unwrap_err().to_string();
    assert!(
        refused.contains("no signature by the log's key"),
        "{refused}"
    );
    // The true one, and then another tree of the same size.
    log.show(1_024, &STANDARD.decode(ROOT).unwrap().try_into().unwrap());
    case.read().await.unwrap();
    let counted = case.count().await;
    log.show(1_024, &[7; 32]);
    let refused = case.read().await.unwrap_err().to_string();
    assert!(refused.contains("two trees of one size"), "{refused}");
    assert_eq!(case.count().await, counted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_were_changed_on_the_way_are_not_counted() {
    let Some(folder) = folder() else { return };
    let changed = tempfile::tempdir().unwrap();
    for name in [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002",
        "tile/0/003",
        "tile/1/000.p/4",
        "tile/data/000",
        "tile/data/001",
        "tile/data/002",
        "tile/data/003",
    ] {
        let to = changed.path().join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        let mut octets = std::fs::read(folder.join(name)).unwrap();
        if name == "tile/data/002" {
            // Within the first certificate.
            octets[100] ^= 1;
        }
        std::fs::write(to, octets).unwrap();
    }
    let log = Log::start(changed.path().to_owned()).await;
    let case = case(&[&log], "").await;
    let refused = case.read().await.unwrap_err().to_string();
    assert!(refused.contains("its entries are not those"), "{refused}");
    let counted = case.count().await;
    assert!(0 < counted && counted < ISSUERS[0].1 + ISSUERS[2].1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_reads_a_sample_and_says_how_sure_it_is() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder).await;
    // 1,024 entries in five minutes are 1,200 tiles and half a gigabyte a day: half of it.
    let case = case(&[&log], "budget = \"200MB/d\"").await;
    case.read().await.unwrap();
    let read: Vec<u32> = (0..4)
        .map(|n| log.asked(&format!("tile/data/00{n}")))
        .collect();
    assert!(read.contains(&0), "{read:?}");
    let truth = ISSUERS[0].1 + ISSUERS[2].1;
    let counted = case.count().await;
    assert!(
        (truth / 2..truth * 3 / 2).contains(&counted),
        "{counted} of {truth}"
    );
    let error = case.engine.source_reports()[0].relative_error.unwrap();
    assert!((0.01..0.2).contains(&error), "{error}");
    // Each that was read stands for as many as blocks were left out, and the intervals go by that.
    let observed = case.observed().await;
    let stands_for = observed.iter().map(|one| one.stands_for);
    assert!(stands_for.clone().all(|of| of > 1.5), "{observed:?}");
    let read: f64 = observed
        .iter()
        .map(|one| f64::from(u32::try_from(one.count).unwrap()) / one.stands_for)
        .sum();
    let counted = f64::from(u32::try_from(counted).unwrap());
    assert!(
        (read - counted / observed[0].stands_for).abs() < 1.0,
        "{read}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_registered_where_that_is_asked_for() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder).await;
    let case = case(&[&log], "register = true").await;
    case.read().await.unwrap();
    assert_eq!(
        case.engine.certificates_indexed() as u64,
        ISSUERS[0].1 + ISSUERS[2].1
    );
    assert!(now() - DAY < Timestamp::from_unix(FIRST_MINUTE));
}
