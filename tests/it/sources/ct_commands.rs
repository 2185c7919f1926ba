//! `offpeak ct` and `offpeak demo --ct`, against a folder of real tiles on a server.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use offpeak::config::{Config, SourceKind};
use serde_json::Value;

use super::ct::{ISSUERS, configuration, folder, list};
use super::ct_log::Log;
use crate::process::offpeak;

const CONTACT: &str = "mailto:ops@example.org";

struct Listed {
    _folder: tempfile::TempDir,
    list: PathBuf,
}

fn listed(logs: &[&Log]) -> Listed {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.json");
    std::fs::write(&path, list(&[logs])).unwrap();
    Listed {
        _folder: folder,
        list: path,
    }
}

impl Listed {
    fn ct(&self, command: &str, more: &[&str]) -> Command {
        let mut of = offpeak();
        of.args(["ct", command, "--contact", CONTACT, "--log-list"])
            .arg(&self.list)
            .args(more);
        of
    }
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_counts_all_that_is_asked_for() {
    let Some(folder) = folder() else { return };
    let octets_of_tile = std::fs::metadata(folder.join("tile/data/003"))
        .unwrap()
        .len();
    let log = Log::start(folder).await;
    let listed = listed(&[&log]);
    let output = run(listed.ct("estimate", &["--json"])).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = &found[0];
    assert_eq!(output.status.code(), Some(0), "{found}");
    assert_eq!(
        (&found["entries"], &found["every"]),
        (&1_024.into(), &1.into())
    );
    let issuers = found["issuers"].as_array().unwrap();
    assert!(
        issuers.iter().any(|one| one["backdate"] == 3_511),
        "{found}"
    );
    // A tile, and the tree and the hashes that it is verified by, that many times a day.
    let beside = log.shown.octets_beside_data.load(Ordering::SeqCst);
    assert!(beside > 300, "{beside}");
    let tiles_a_day = found["entriesADay"].as_f64().unwrap() / 256.0;
    let octets = found["octetsADay"].as_f64().unwrap() / tiles_a_day;
    let want = f64::from(u32::try_from(octets_of_tile + beside).unwrap());
    assert!((octets - want).abs() < 1.0, "{octets} {want}");
    // And so does a budget.
    let output = run(listed.ct("estimate", &["--json", "--budget", "10MB/d"])).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found[0]["every"].as_u64().unwrap() > 1, "{found}");
    assert!(
        found[0]["octetsADayRead"].as_f64().unwrap() <= 10e6,
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_prints_what_logs_show_and_goes_on_when_one_fails() {
    let Some(folder) = folder() else { return };
    let logs = [Log::start(folder.clone()).await, Log::rfc6962(folder).await];
    // Each fails once: the first when it is asked for its tree, the other amid its entries.
    for (log, path) in logs.iter().zip(["checkpoint", "ct/v1/get-entries"]) {
        log.shown.busy_once.lock().unwrap().insert(path.to_owned());
    }
    let listed = listed(&[&logs[0], &logs[1]]);
    let command = listed.ct("tail", &["--from", "0", "--blocks", "4", "--json"]);
    let output = tokio::time::timeout(Duration::from_secs(90), run(command)).await;
    let output = output.expect("it does not end");
    let report = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report.matches("ct_log_failing").count(), 2, "{report}");
    let mut sums = [0; 2];
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let log = usize::from(line["log"] == "Test 1");
        sums[log] += line["certificates"].as_u64().unwrap();
    }
    let all: u64 = ISSUERS.iter().map(|(_, count)| count).sum();
    assert_eq!(sums, [all; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_of_no_log_that_answers_has_no_sum() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder).await;
    *log.shown.busy.lock().unwrap() = Some(StatusCode::NOT_FOUND);
    let output = run(listed(&[&log]).ct("estimate", &[])).await;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn logs_are_asked_by_nobody_who_cannot_be_reached() {
    for command in [["ct", "estimate"], ["ct", "tail"], ["demo", "--ct"]] {
        for contact in ["", "x", "a b@c"] {
            let output = offpeak()
                .args(command)
                .args(["--contact", contact])
                .output();
            let output = output.unwrap();
            let report = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command:?} {contact:?}: {report}"
            );
            assert!(report.contains("--contact"), "{report}");
        }
    }
}

#[test]
fn the_configuration_that_is_printed_is_the_one_for_lets_encrypt() {
    let output = offpeak()
        .args(["demo", "--print-ct-config"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text, include_str!("../../../static/letsencrypt.toml"));
    let config = Config::parse(&text).unwrap();
    let [source] = &config.sources[..] else {
        panic!("{:?}", config.sources);
    };
    let SourceKind::Ct(ct) = &source.kind else {
        panic!("{source:?}");
    };
    assert_eq!(ct.budget_octets_per_day, Some(200_000_000));
    assert_eq!(source.ca.as_ref(), Some(&config.cas[0].name));
    assert!(config.cas[0].issuers.len() > 10);
}

/// With the logs of a folder in the place of those on the internet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_of_certificate_transparency_reads_and_serves() {
    let Some(folder) = folder() else { return };
    let log = Log::start(folder).await;
    let listed = listed(&[&log]);
    let config = listed.list.with_file_name("ct.toml");
    std::fs::write(&config, configuration(&listed.list, "")).unwrap();
    let listening = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let child = offpeak()
        .args(["demo", "--ct", "--contact", CONTACT, "--config"])
        .arg(&config)
        .args(listening)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut demo = Ended(child.unwrap());
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    // "how far it has come  curl -s http://…/v1/status".
    let mut lines = lines.map_while(Result::ok);
    let url = lines.find_map(|line| Some(line.split_once("curl -s ")?.1.to_owned()));
    let url = url.unwrap();
    let read = async {
        loop {
            let status = reqwest::get(&url).await;
            let status: Value = status.unwrap().json().await.unwrap();
            let source = &status["sources"][0];
            if source["state"] == "reading" && source["dataThrough"].is_string() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let read = tokio::time::timeout(Duration::from_mins(1), read).await;
    read.expect("the log is not read");
    assert!(log.asked("checkpoint") > 0);
}
