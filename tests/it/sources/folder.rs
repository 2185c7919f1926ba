//! A folder into which certificates are put.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use offpeak::config::Config;
use offpeak::engine::clock::ManualClock;
use offpeak::engine::{Engine, SourceState};
use offpeak::source::folder::read_every;
use offpeak::source::read_once;
use offpeak::store::{Migrations, connect};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

use crate::support::{FreshSqlite, fresh_sqlite};

struct Case {
    folder: tempfile::TempDir,
    engine: Arc<Engine>,
    _database: FreshSqlite,
}

impl Case {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[[source]]\nname = \"live\"\nkind = \"folder\"\npath = \"{}\"\n",
            folder.path().display()
        );
        let database = fresh_sqlite();
        let store = connect(&database.url(), Migrations::Apply).await.unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-28T12:00:00Z".parse().unwrap()));
        let config = Config::parse(&text).unwrap();
        let engine = Engine::open(store, config, clock).await.unwrap();
        Self {
            folder,
            engine,
            _database: database,
        }
    }

    async fn read(&self) -> Result<(), offpeak::source::SourceError> {
        let source = self.engine.config().sources[0].clone();
        read_once(&self.engine, &source).await
    }

    /// Follows the folder as the service does, looking through it by the clock so often.
    fn follow(&self, every: Duration) -> tokio::task::JoinHandle<()> {
        let (engine, source) = (
            Arc::clone(&self.engine),
            self.engine.config().sources[0].clone(),
        );
        tokio::spawn(async move {
            read_every(&engine, &source, every).await.unwrap();
        })
    }

    /// Whether the folder was looked through.
    fn is_read(&self) -> bool {
        let reports = self.engine.source_reports();
        reports
            .first()
            .is_some_and(|report| report.data_through.is_some())
    }

    /// Waits until so many are registered.
    async fn has(&self, certificates: usize) {
        for _ in 0..3_000 {
            if self.engine.certificates_indexed() == certificates && self.is_read() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "{} and not {certificates}",
            self.engine.certificates_indexed()
        );
    }
}

/// A certificate and its key.
fn certificate(name: &str) -> (String, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, ca_key);
    // Its number is made of its key.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([format!("{name}.example")]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2026, 11, 1);
    params.not_after = date_time_ymd(2027, 1, 30);
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn put(folder: &Path, name: &str) {
    let inner = folder.join(name);
    let (certificate, key) = certificate(name);
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("cert.pem"), certificate).unwrap();
    fs::write(inner.join("privkey.pem"), key).unwrap();
    fs::write(inner.join("README"), "no certificate").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_put_into_a_folder_are_registered_and_nothing_else() {
    let case = Case::new().await;
    case.read().await.unwrap();
    put(case.folder.path(), "a");
    put(case.folder.path(), "b");
    case.read().await.unwrap();
    case.read().await.unwrap();
    assert_eq!(case.engine.certificates_indexed(), 2);
    assert_eq!(case.engine.source_reports()[0].state, SourceState::Reading);
    fs::remove_dir_all(case.folder.path()).unwrap();
    let refused = case.read().await.unwrap_err().to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_read_keeps_none_of_the_others_out() {
    let case = Case::new().await;
    // Before the others by name, and whoever asks gets an error: as a key is that is its owner's alone.
    let path = case.folder.path().join("0-unreadable.pem");
    std::os::unix::fs::symlink("/proc/self/mem", path).unwrap();
    put(case.folder.path(), "a");
    case.read().await.unwrap();
    assert_eq!(case.engine.certificates_indexed(), 1);
    assert_eq!(case.engine.source_reports()[0].state, SourceState::Reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_taken_up_when_it_is_put_there() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: there is no inotify here");
        return;
    }
    let case = Case::new().await;
    // By the clock it would be looked through tomorrow.
    let following = case.follow(Duration::from_hours(24));
    case.has(0).await;
    put(case.folder.path(), "a");
    case.has(1).await;
    // Moved there, into a folder that was made since.
    let (certificate, _) = certificate("b");
    let beside = tempfile::tempdir_in(case.folder.path().parent().unwrap()).unwrap();
    fs::write(beside.path().join("b.pem"), certificate).unwrap();
    fs::rename(
        beside.path().join("b.pem"),
        case.folder.path().join("a/b.pem"),
    )
    .unwrap();
    case.has(2).await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_without_a_kernel_event_are_found_by_polling() {
    let case = Case::new().await;
    // Behind a link: of what is written elsewhere a watch of this folder hears nothing.
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("a.pem");
    fs::write(&target, "not yet").unwrap();
    std::os::unix::fs::symlink(&target, case.folder.path().join("a.pem")).unwrap();
    let following = case.follow(Duration::from_millis(50));
    case.has(0).await;
    fs::write(&target, certificate("a").0).unwrap();
    case.has(1).await;
    following.abort();
}
