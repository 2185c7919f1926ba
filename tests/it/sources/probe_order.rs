//! Whole orders at a real Pebble, which validates them.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;

use offpeak::domain::demand::observation::{Kind, Source};
use offpeak::source::read_once;
use serde_json::Value;

use super::csv::{counted, engine};
use crate::gateway::pebble::Pebble;
use crate::process::offpeak;

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;

/// A port that was free a moment ago.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_made_validated_and_reported_by_endpoint() {
    let http01 = free();
    let Some(pebble) = Pebble::validating(http01.port()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let account = folder.path().join("account.json");
    let text = format!(
        "[[source]]\nname = \"oslo\"\nca = \"default\"\nkind = \"probe\"\nurl = \"{}\"\nroots = \"{}\"\n\
         contact = \"mailto:ops@example.org\"\n[source.order]\ndomain = \"127.0.0.1\"\n\
         http01 = \"{http01}\"\naccount_file = \"{}\"\nevery = \"1h\"\n",
        pebble.directory,
        pebble.certificate.display(),
        account.display(),
    );
    let (engine, _database) = engine(&text, NOON).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    let found = counted(&engine).await;
    assert!(
        found
            .iter()
            .all(|one| one.source == Source::Observer && one.vantage.as_deref() == Some("oslo"))
    );
    let of = |endpoint: &str, kind: Kind| -> u64 {
        let lines = found
            .iter()
            .filter(|one| one.endpoint.as_deref() == Some(endpoint));
        lines
            .filter(|one| one.kind == kind)
            .map(|one| one.count)
            .sum()
    };
    for endpoint in [
        "new-account",
        "new-order",
        "authorization",
        "challenge",
        "order",
        "finalize",
        "certificate",
    ] {
        assert!(of(endpoint, Kind::Attempt) > 0, "{endpoint}: {found:?}");
        assert_eq!(of(endpoint, Kind::Failed), 0, "{endpoint}: {found:?}");
    }
    // The authorisation is asked for once more, for its name: that is no second finalization.
    assert_eq!(of("finalize", Kind::Attempt), 1, "{found:?}");
    let asked: u64 = found
        .iter()
        .filter(|one| one.kind == Kind::Attempt)
        .map(|one| one.count)
        .sum();
    assert!(asked <= 2 + 30, "the budget: {asked}");
    // The account is kept for the next order, and its key to itself.
    let mode = std::fs::metadata(&account).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The next round asks for the directory and a nonce alone: no order is due.
    read_once(&engine, &source).await.unwrap();
    let again = counted(&engine).await;
    assert_eq!(again.len() - found.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_how_each_endpoint_answers_once() {
    let http01 = free();
    let Some(pebble) = Pebble::validating(http01.port()) else {
        return;
    };
    let probe = |more: &[&str]| {
        let mut command = offpeak();
        command
            .args([
                "probe",
                &pebble.directory,
                "--contact",
                "mailto:ops@example.org",
                "--json",
            ])
            .arg("--roots")
            .arg(&pebble.certificate)
            .args(more);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let names: Vec<String> = document["steps"]
            .as_array()
            .map(|steps| {
                steps
                    .iter()
                    .map(|step| step["endpoint"].as_str().unwrap().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        (output.status.code(), names, document)
    };
    let (code, names, _) = probe(&[]);
    assert_eq!((code, names), (Some(0), vec!["directory".to_owned()]));
    let address = http01.to_string();
    let (code, names, document) = probe(&["--domain", "127.0.0.1", "--http01", &address]);
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(names.last().unwrap(), "certificate", "{document}");
    let finalized = names.iter().filter(|name| *name == "finalize").count();
    assert_eq!(finalized, 1, "{document}");
    let (_, names, document) = probe(&[
        "--domain",
        "127.0.0.1",
        "--http01",
        &address,
        "--no-finalize",
    ]);
    assert!(!names.contains(&"finalize".to_owned()), "{document}");
    // Nobody answers the challenge where the CA looks: the validation fails, and that is said.
    let elsewhere = free().to_string();
    let (code, names, document) = probe(&["--domain", "127.0.0.2", "--http01", &elsewhere]);
    assert_eq!(code, Some(3), "{document}");
    assert!(
        document["failed"]
            .as_str()
            .unwrap()
            .contains("urn:ietf:params:acme:error:connection"),
        "{document}"
    );
    assert!(!names.contains(&"finalize".to_owned()), "{document}");
    // A name that the CA refuses, with its reason.
    let (code, _, document) = probe(&["--domain", "a*.example", "--http01", &elsewhere]);
    assert_eq!(code, Some(3), "{document}");
    let refused = document["steps"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .find(|step| step["endpoint"] == "new-order");
    let error_type = refused.unwrap()["errorType"].as_str().unwrap_or_default();
    assert!(
        error_type.starts_with("urn:ietf:params:acme:error:"),
        "{document}"
    );
}
