//! `offpeak incident`, beside a service and without one.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use offpeak::engine::clock::{Clock as _, SystemClock};

use super::*;
use crate::process::{Server, offpeak};
use crate::support::{Database, databases};

fn run(database: &Database, arguments: &[&str]) -> Output {
    offpeak()
        .arg("incident")
        .args(arguments)
        .args(["--database", &database.url()])
        .output()
        .unwrap()
}

/// What a command prints that has to succeed.
fn result(database: &Database, arguments: &[&str]) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = run(database, arguments);
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_a_drill_from_the_command_line_while_it_serves() {
    for database in databases().await {
        let server = Server::on(&database.url());
        let now = SystemClock.now();
        let (mut certificates, mut serials) = (String::new(), String::new());
        for n in 0..500 {
            let not_before = now - 10 * DAY;
            let not_after = not_before + (90 * DAY - 1);
            let line = json!({
                "certId": certid(n), "notBefore": not_before, "notAfter": not_after,
            });
            writeln!(certificates, "{line}").unwrap();
            writeln!(serials, "40{n:016x}").unwrap();
        }
        let report = server
            .api
            .post_ndjson("/v1/certificates", certificates)
            .await;
        assert_eq!(report.unwrap()["accepted"], 500);

        let renew_by = (now + DAY).to_string();
        let url = "https://ca.example/drill";
        let id = result(
            &database,
            &[
                "create",
                "--kind",
                "drill",
                "--name",
                "autumn",
                "--renew-by",
                &renew_by,
                "--explanation-url",
                url,
            ],
        );
        let id = id.trim();
        let folder = tempfile::tempdir().unwrap();
        let issuer = "aYhba4dGQEHhs3uEe6CuLN4ByNQ";
        let file = written(folder.path(), "serials.txt", &serials);
        let loaded = result(&database, &["load", id, &file, "--issuer", issuer]);
        assert!(
            loaded.contains("500 accepted, 0 unchanged, 0 rejected; 0 of them"),
            "{loaded}"
        );
        let csv = written(
            folder.path(),
            "more.csv",
            &format!("cert_id\n{}\nx\n", certid(7)),
        );
        let again = run(&database, &["load", id, &csv]);
        assert_eq!(again.status.code(), Some(3));
        let again = String::from_utf8(again.stdout).unwrap();
        assert!(
            again.contains("0 accepted, 1 unchanged, 1 rejected"),
            "{again}"
        );
        assert!(
            again.contains("more.csv:3: cert_id: \"x\" is no CertID"),
            "{again}"
        );

        let rehearsed = result(&database, &["open", id, "--dry-run"]);
        assert!(
            rehearsed.contains("500 windows would move, 0 stay"),
            "{rehearsed}"
        );
        assert!(
            rehearsed.contains("0 clients cannot learn of it before their window closes; 500 have"),
            "{rehearsed}"
        );
        assert!(
            rehearsed.contains("together"),
            "the load by the hour: {rehearsed}"
        );
        assert!(result(&database, &["list"]).contains("draft"));
        let opened = result(&database, &["open", id]);
        assert!(opened.contains("500 affected, 500 moved"), "{opened}");

        // The service follows by its feed, twice a second.
        let path = format!("/renewal-info/{}", certid(3));
        let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
        let info: Value = loop {
            let info: Value = server.api.get(&path).await.json().await.unwrap();
            if info.get("explanationURL").is_some() {
                break info;
            }
            assert!(std::time::Instant::now() < deadline, "{info}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        assert_eq!(info["explanationURL"], url);
        assert!(time(&info["suggestedWindow"]["end"]) <= now + DAY, "{info}");

        let closed = result(&database, &["close", id]);
        assert!(closed.contains("drill of default  closed"), "{closed}");
        let shown = result(&database, &["show", id]);
        for part in ["renew by", url, "drafted", "opened", "closed"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let refused = run(&database, &["open", id]);
        assert_eq!(refused.status.code(), Some(1));
        let refused = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.contains("is closed"), "{refused}");
    }
}

#[tokio::test]
async fn a_dry_run_of_a_draft_stores_nothing() {
    for database in databases().await {
        result(&database, &["list"]);
        let now = SystemClock.now();
        let (from, to) = ((now + DAY).to_string(), (now + 2 * DAY).to_string());
        let create = [
            "create",
            "--kind",
            "maintenance",
            "--name",
            "disks",
            "--from",
            &from,
            "--to",
            &to,
        ];
        let would = result(&database, &[&create[..], &["--dry-run"]].concat());
        assert!(would.contains("0 windows would move"), "{would}");
        assert_eq!(result(&database, &["list"]), "");
        let wrong = run(&database, &["create", "--kind", "outage", "--name", "x"]);
        assert_eq!(wrong.status.code(), Some(1));
        let wrong = String::from_utf8(wrong.stderr).unwrap();
        assert!(wrong.contains("`from` is missing"), "{wrong}");
    }
}
