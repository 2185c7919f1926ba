//! What commands print, for people and as JSON, and what they refuse to guess.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use offpeak::domain::time::DAY;
use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::issuance::TestCa;
use crate::process::offpeak;
use crate::support::{Database, databases, fresh_sqlite};

/// Runs the command on the database, with this on its standard input.
fn run(url: &str, arguments: &[&str], input: &str) -> Output {
    let mut command: Command = offpeak();
    let mut child = command
        .args(arguments)
        .args(["--database", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone before all is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What a command prints that has to succeed.
fn result(url: &str, arguments: &[&str], input: &str) -> String {
    let output = run(url, arguments, input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn told_json(url: &str, arguments: &[&str], input: &str) -> Value {
    serde_json::from_str(&result(url, arguments, input)).unwrap()
}

/// The exit code of a command and what it says on standard error.
fn refused(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(url, arguments, "");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_explained_in_words_by_its_file_or_its_certid() {
    for database in databases().await {
        let url = Database::url(&database);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cert.pem");
        let file = file.to_str().unwrap();
        let (certificate, _) = TestCa::new().issue("www.example.org", &[0x40, 1, 2, 3]);
        std::fs::write(file, certificate.pem()).unwrap();
        result(&url, &["import", "certificates", file], "");
        let printed = result(&url, &["certid", file], "");
        let certid = printed.split('\t').next().unwrap();

        let explained = told_json(&url, &["explain", certid, "--json"], "");
        assert_eq!(explained["certId"], certid);
        assert_eq!(explained["derivationMatches"], true);
        let words = result(&url, &["explain", certid], "");
        for part in [
            &format!("Certificate {certid} of the CA \"default\", issued at "),
            "Nothing was known of the load, so all open slots had the same chance.",
            "it comes out the same.",
        ] {
            let words = words.replace('\n', " ");
            assert!(words.contains(part), "{part}: {words}");
        }
        assert_eq!(result(&url, &["explain", file], ""), words);
        assert_eq!(result(&url, &["explain", "-"], &certificate.pem()), words);

        let (code, said) = refused(&url, &["explain", "cert.pem"]);
        assert_eq!(code, Some(2));
        assert!(
            said.contains("cert.pem is no file, and no CertID"),
            "{said}"
        );
        std::fs::write(file, "no certificate").unwrap();
        let (code, said) = refused(&url, &["explain", file]);
        assert_eq!(code, Some(1));
        assert!(
            said.contains("there is none: neither DER nor PEM"),
            "{said}"
        );
    }
}

#[test]
fn results_may_be_had_as_json() {
    let database = fresh_sqlite();
    let url = database.url();
    let pending = told_json(&url, &["migrate", "--dry-run", "--json"], "");
    assert_eq!(pending["applied"], false);
    assert_ne!(pending["pending"], json!([]));
    let applied = told_json(&url, &["migrate", "--json"], "");
    assert_eq!(applied["applied"], true);
    let none = told_json(&url, &["migrate", "--json"], "");
    assert_eq!(none["pending"], json!([]));

    let token = told_json(&url, &["token", "new", "--json", "--name", "ci"], "");
    assert_eq!(
        (&token["name"], &token["scopes"]),
        (&json!("ci"), &json!(["ingest"]))
    );
    assert_eq!(token["sha256"].as_str().map(str::len), Some(64));

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let published = told_json(&url, &["publish", "--out", out, "--json"], "");
    assert!(published["written"].as_u64() >= Some(4), "{published}");
    let again = told_json(&url, &["publish", "--out", out, "--json"], "");
    assert_eq!(
        (&again["number"], &again["written"]),
        (&published["number"], &json!(0))
    );

    let report = told_json(&url, &["rebalance", "--dry-run", "--json"], "");
    assert_eq!(
        (&report["dryRun"], &report["moved"]),
        (&json!(true), &json!(0))
    );
    let words = result(&url, &["rebalance", "--dry-run"], "");
    assert!(
        words.starts_with("0 of 0 windows ahead would be moved"),
        "{words}"
    );
}

#[test]
fn a_command_refuses_to_guess_which_ca_is_meant() {
    let database = fresh_sqlite();
    let url = database.url();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("offpeak.toml");
    std::fs::write(&config, "[[ca]]\nname = \"a\"\n[[ca]]\nname = \"b\"\n").unwrap();
    let config = config.to_str().unwrap();
    let outage = [
        "incident", "create", "--kind", "outage", "--name", "x", "--from", "0",
    ];
    let create = [&outage[..], &["--config", config]].concat();
    for command in [&create[..], &["rebalance", "--dry-run", "--config", config]] {
        let (code, said) = refused(&url, command);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains("there are several CAs: name one by --ca, of a, b"),
            "{said}"
        );
    }
    let drafted = told_json(&url, &[&create[..], &["--ca", "b", "--json"]].concat(), "");
    assert_eq!(
        (&drafted["ca"], &drafted["state"]),
        (&json!("b"), &json!("draft"))
    );
    let id = drafted["id"].to_string();
    for command in [&["open", "--dry-run"][..], &["close"], &["show"]] {
        let command = [
            &["incident"],
            command,
            &[&*id, "--ca", "a", "--config", config],
        ]
        .concat();
        let (code, said) = refused(&url, &command);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("is of the CA b, and not of a"), "{said}");
    }
    let listed = |ca| {
        let command = ["incident", "list", "--json", "--ca", ca, "--config", config];
        told_json(&url, &command, "")["incidents"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((listed("a"), listed("b")), (0, 1));
    let shown = told_json(
        &url,
        &["incident", "show", &id, "--json", "--config", config],
        "",
    );
    assert_eq!(
        (&shown["kind"], &shown["ca"]),
        (&json!("outage"), &json!("b"))
    );
}

#[test]
fn members_of_an_incident_come_from_standard_input_too() {
    let database = fresh_sqlite();
    let url = database.url();
    let renew_by = (SystemClock.now() + 30 * DAY).to_string();
    let drill = [
        "incident",
        "create",
        "--kind",
        "drill",
        "--name",
        "x",
        "--renew-by",
        &renew_by,
        "--explanation-url",
        "https://ca.example/drill",
    ];
    let id = result(&url, &drill, "");
    let id = id.trim();
    let members = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE\nx\n";
    let loaded = run(&url, &["incident", "load", id, "-", "--json"], members);
    assert_eq!(loaded.status.code(), Some(3));
    let loaded: Value = serde_json::from_slice(&loaded.stdout).unwrap();
    let file = &loaded["files"][0];
    assert_eq!(file["file"], "-");
    assert_eq!(
        (&file["accepted"], &file["rejected"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn a_scenario_may_come_from_standard_input() {
    let database = fresh_sqlite();
    let scenario = "certificates_per_hour = 10\ncycles = 1\nrules = [\"none\"]\n\
                    [[client]]\nname = \"a\"\nkind = \"exact\"\nshare = 1\n";
    let result = told_json(&database.url(), &["simulate", "-", "--json"], scenario);
    assert_eq!(result["scenario"], "stdin");
    assert!(
        result["rules"]["none"]["peakToMean"].as_f64() > Some(0.0),
        "{result}"
    );
}
