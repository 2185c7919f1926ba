//! The program in an operator's hands: signals, reloading, the demo, the static tree.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Server, offpeak};
use crate::support::{Database, FreshSqlite, databases, fresh_sqlite};

const KEY_IDENTIFIER: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ";
const EXAMPLE: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

fn config(ca: &str) -> String {
    format!("[[ca]]\nname = \"{ca}\"\nissuers = [\"{KEY_IDENTIFIER}\"]\n")
}

/// `serve` with a configuration file that names one CA.
fn configured(database: &FreshSqlite, file: &Path, ca: &str) -> Server {
    std::fs::write(file, config(ca)).unwrap();
    Server::start(
        offpeak()
            .args(["serve", "--database", &database.url(), "--config"])
            .arg(file),
    )
}

fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn certificate(id: &str, issued_at: i64) -> String {
    let not_after = issued_at + 90 * 86_400 - 1;
    format!("{{\"certId\":\"{id}\",\"notBefore\":{issued_at},\"notAfter\":{not_after}}}\n")
}

async fn version(server: &Server) -> String {
    let answer = server.api.get("/directory").await;
    let header = answer.headers()["server"].to_str().unwrap();
    header.strip_prefix("offpeak/").unwrap().to_owned()
}

async fn explained(server: &Server) -> Value {
    let path = format!("/v1/certificates/{EXAMPLE}");
    server.api.admin_get(&path).await.json().await.unwrap()
}

#[tokio::test]
async fn sighup_with_an_invalid_file_leaves_the_old_configuration_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    let database = fresh_sqlite();
    let server = configured(&database, &file, "before");
    let body = certificate(EXAMPLE, now());
    server
        .api
        .post_ndjson("/v1/certificates", body)
        .await
        .unwrap();
    let before = version(&server).await;
    std::fs::write(&file, config("after") + "slot_minute = 30\n").unwrap();
    server.signal("HUP");
    let refused = server.logged("reload_refused");
    assert!(refused.contains("slot_minute"), "{refused}");
    assert!(refused.contains(":4"), "the line is named: {refused}");
    assert_eq!(version(&server).await, before);
    assert_eq!(explained(&server).await["ca"], "before");
    std::fs::write(&file, config("after")).unwrap();
    server.signal("HUP");
    server.logged("reloaded");
    assert_eq!(explained(&server).await["ca"], "after");
}

#[tokio::test]
async fn a_changed_policy_shows_in_metrics_explain_and_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    let database = fresh_sqlite();
    let server = configured(&database, &file, "one");
    let body = certificate(EXAMPLE, now());
    server
        .api
        .post_ndjson("/v1/certificates", body)
        .await
        .unwrap();
    let window = explained(&server).await["suggestedWindow"].clone();
    let mut seen = Vec::new();
    for policy in ["", "follow_prior = 0.7\n"] {
        std::fs::write(&file, config("one") + policy).unwrap();
        server.signal("HUP");
        let reloaded = server.logged("reloaded");
        // The first SIGHUP changes nothing; the second shows once it is through.
        let deadline = Instant::now() + Duration::from_mins(1);
        let version = loop {
            let version = version(&server).await;
            if policy.is_empty() || !seen.contains(&version) {
                break version;
            }
            assert!(Instant::now() < deadline, "{version} stays in force");
        };
        assert!(policy.is_empty() || reloaded.contains("version"));
        assert_eq!(explained(&server).await["version"], *version);
        let metrics = server.api.admin_get("/metrics").await.text().await.unwrap();
        let line = format!("offpeak_info{{version=\"{version}\"}} 1");
        assert!(metrics.contains(&line), "{line}");
        let info = server.api.get(&format!("/renewal-info/{EXAMPLE}")).await;
        assert_eq!(info.headers()["server"], format!("offpeak/{version}"));
        seen.push(version);
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(
        explained(&server).await["suggestedWindow"],
        window,
        "windows stay"
    );
}

/// Four weeks of load with a peak at 01:00 come in over HTTP, then certificates: their windows
/// keep away from the peak, and the ranking puts it last.
#[tokio::test]
async fn windows_are_driven_by_the_map() {
    for database in databases().await {
        let server = Server::on(&database.url());
        let hour = now() / 3_600 * 3_600;
        let mut load = String::new();
        for n in 1..=28 * 24 {
            let at = hour - n * 3_600;
            let count = if at / 3_600 % 24 == 1 { 12_000 } else { 5_739 };
            for minute in 0..60 {
                let at = at + minute * 60;
                let count = count / 60;
                writeln!(
                    load,
                    "{{\"at\":{at},\"kind\":\"issued\",\"count\":{count}}}"
                )
                .unwrap();
            }
        }
        let report = server
            .api
            .post_ndjson("/v1/observations", load)
            .await
            .unwrap();
        assert_eq!(report["accepted"], 28 * 24 * 60);
        assert_eq!(report["rejected"], 0, "{report}");
        // A new publication learns first; the windows that follow are drawn from the same model.
        server.publish().await;
        let ranking: Value = server.api.get("/ranking.json").await.json().await.unwrap();
        assert_eq!(ranking["peak"]["start"], "01:00");
        let one = &ranking["slots"][1];
        assert_eq!(one["rank"], 24);
        let mut certificates = String::new();
        for n in 0..2_400_u32 {
            let id = format!("{KEY_IDENTIFIER}.{}", serial(n));
            certificates += &certificate(&id, now());
        }
        let report = server
            .api
            .post_ndjson("/v1/certificates", certificates)
            .await
            .unwrap();
        assert_eq!(report["accepted"], 2_400, "{report}");
        let mut at_one = 0;
        for n in 0..2_400_u32 {
            let path = format!("/renewal-info/{KEY_IDENTIFIER}.{}", serial(n));
            let info: Value = server.api.get(&path).await.json().await.unwrap();
            let start = info["suggestedWindow"]["start"].as_str().unwrap();
            at_one += u32::from(start.contains("T01:"));
            if n == 0 {
                let path = format!("/v1/certificates/{KEY_IDENTIFIER}.{}", serial(n));
                let why: Value = server.api.admin_get(&path).await.json().await.unwrap();
                assert_eq!(why["modelVersion"], ranking["modelVersion"], "{why}");
            }
        }
        // A twenty-fourth would be 100.
        assert!(at_one < 50, "{at_one} of 2,400 windows at the peak");
    }
}

/// A positive serial of eight octets.
fn serial(n: u32) -> String {
    use base64::Engine as _;
    let octets = (0x4000_0000_0000_0000_u64 + u64::from(n)).to_be_bytes();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(octets)
}

#[tokio::test]
async fn the_static_tree_is_what_is_served() {
    for database in databases().await {
        let server = Server::on(&database.url());
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("tree");
        let published = offpeak()
            .args(["publish", "--database", &database.url(), "--out"])
            .arg(&out)
            .output()
            .unwrap();
        assert!(published.status.success(), "{published:?}");
        let mut compared = 0;
        for path in [
            "ranking.json",
            "ca/default/ranking.json",
            "schema/ranking-1.json",
        ] {
            let written = std::fs::read(out.join(path)).unwrap();
            let answered = server
                .api
                .get(&format!("/{path}"))
                .await
                .bytes()
                .await
                .unwrap();
            assert_eq!(written, answered, "{path}");
            compared += 1;
        }
        for copy in std::fs::read_dir(out.join("r")).unwrap() {
            let copy = copy.unwrap();
            let name = copy.file_name().into_string().unwrap();
            let written = std::fs::read(copy.path().join("ranking.json")).unwrap();
            let path = format!("/r/{name}/ranking.json");
            let answered = server.api.get(&path).await.bytes().await.unwrap();
            assert_eq!(written, answered, "{path}");
            compared += 1;
        }
        assert!(compared > 3);
    }
}

#[tokio::test]
async fn what_another_process_publishes_is_served_within_seconds() {
    for database in databases().await {
        let server = Server::on(&database.url());
        let first = generated_at(&server).await;
        // The next one is to have another second.
        let a_second = Duration::from_millis(1_001);
        tokio::time::sleep(a_second).await;
        let published = offpeak()
            .args(["publish", "--now", "--database", &database.url()])
            .output()
            .unwrap();
        assert!(published.status.success(), "{published:?}");
        // Twice a second it looks, on a busy machine less often. The next look begins after the
        // publication, and has ended when the one after it begins.
        let before = looks(&server).await;
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let looked = looks(&server).await;
            if generated_at(&server).await != first {
                break;
            }
            assert!(looked < before + 2, "it looked and does not serve it");
            assert!(Instant::now() < deadline, "it does not look");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How often it has looked for a newer publication.
async fn looks(server: &Server) -> u64 {
    let metrics = server.api.admin_get("/metrics").await.text().await.unwrap();
    let line = "offpeak_store_queries_total{query=\"publication_select\"} ";
    let count = metrics.lines().find_map(|found| found.strip_prefix(line));
    count.expect("it looks when it starts").parse().unwrap()
}

async fn generated_at(server: &Server) -> Value {
    let ranking: Value = server.api.get("/ranking.json").await.json().await.unwrap();
    ranking["generatedAt"].clone()
}

#[tokio::test]
async fn sigterm_ends_it_with_code_0() {
    let database = Database::Sqlite(fresh_sqlite());
    let mut server = Server::on(&database.url());
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    server.logged("stopped");
}

#[tokio::test]
async fn a_restart_begins_with_the_certificates_that_the_stop_left_in_a_file() {
    let database = fresh_sqlite();
    let url = database.url();
    let mut server = Server::on(&url);
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let not_after = now + 90 * 86_400 - 1;
    let line = format!("{{\"certId\":\"{id}\",\"notBefore\":{now},\"notAfter\":{not_after}}}\n");
    let report = server.api.post_ndjson("/v1/certificates", line).await;
    assert_eq!(report.unwrap()["accepted"], 1);
    let path = format!("/renewal-info/{id}");
    let result: Value = server.api.get(&path).await.json().await.unwrap();
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    let again = Server::on(&url);
    let loaded = again.logged("snapshot_loaded");
    assert!(loaded.contains("\"certificates\":1"), "{loaded}");
    let told_again: Value = again.api.get(&path).await.json().await.unwrap();
    assert_eq!(told_again["suggestedWindow"], result["suggestedWindow"]);
    // Spoiled, it is left, and nobody notices but the log.
    drop(again);
    let file = format!("{}.index", url.strip_prefix("sqlite:").unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() - 9);
    std::fs::write(&file, bytes).unwrap();
    let spoiled = Server::on(&url);
    let ignored = spoiled.logged("snapshot_ignored");
    assert!(ignored.contains("damaged"), "{ignored}");
    let told_again: Value = spoiled.api.get(&path).await.json().await.unwrap();
    assert_eq!(told_again["suggestedWindow"], result["suggestedWindow"]);
}

#[tokio::test]
async fn a_taken_port_is_said_at_once() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let database = fresh_sqlite();
    let refused = offpeak()
        .args(["serve", "--database", &database.url(), "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains(&format!("cannot listen on {address}")),
        "{said}"
    );
}

/// What a shell gives at first is an eighth of the connections that may be open.
#[test]
fn the_limit_of_open_files_is_raised_as_far_as_it_may_be() {
    let database = fresh_sqlite();
    let url = database.url();
    let program = offpeak();
    let mut command = std::process::Command::new("sh");
    let program_path = program.get_program();
    command
        .args(["-c", "ulimit -S -n 200 && exec \"$0\" \"$@\""])
        .arg(program_path)
        .args(["serve", "--database", &url]);
    let server = Server::start(&mut command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<&str> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_ne!(numbers[0], "200");
    assert_eq!(numbers[0], numbers[1], "{limits}");
}
