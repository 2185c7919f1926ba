//! `[[ca.capacity]]` in the file of a running server.

use std::time::{Duration, Instant};

use crate::process::{Server, offpeak};
use crate::support::fresh_sqlite;

const KEY_IDENTIFIER: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ";

/// Registers 300 certificates of 90 days, numbered from `first` on, and counts those whose windows
/// begin in the last ten minutes of an hour.
async fn beginning_in_the_last_ten_minutes(server: &Server, first: u16) -> usize {
    use base64::Engine as _;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let ids: Vec<String> = (first..first + 300)
        .map(|n| {
            let serial = [&[0x40], n.to_be_bytes().as_slice()].concat();
            let serial = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(serial);
            format!("{KEY_IDENTIFIER}.{serial}")
        })
        .collect();
    let lines: Vec<String> = ids
        .iter()
        .map(|id| {
            let not_after = now + 90 * 86_400 - 1;
            format!("{{\"certId\":\"{id}\",\"notBefore\":{now},\"notAfter\":{not_after}}}\n")
        })
        .collect();
    let body = lines.concat();
    let report = server.api.post_ndjson("/v1/certificates", body).await;
    assert_eq!(report.unwrap()["accepted"], 300);
    let mut beginning = 0;
    for id in ids {
        let info = server.api.get(&format!("/renewal-info/{id}")).await;
        let info: serde_json::Value = info.json().await.unwrap();
        let start = info["suggestedWindow"]["start"].as_str().unwrap();
        let minute: u32 = start[14..16].parse().unwrap();
        beginning += usize::from(minute >= 50);
    }
    beginning
}

/// "We don't run renewals between 00:50 and 01:00", of every hour, so that few windows show it.
#[tokio::test]
async fn a_sighup_closes_minutes_and_opens_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    let database = fresh_sqlite();
    let open = format!("[[ca]]\nname = \"one\"\nissuers = [\"{KEY_IDENTIFIER}\"]\n");
    let rule = "[[ca.capacity]]\ncron = \"50 * * * *\"\nduration = \"10m\"\ncapacity = 0\n";
    std::fs::write(&file, &open).unwrap();
    let mut command = offpeak();
    command.args(["serve", "--database", &database.url(), "--config"]);
    let server = Server::start(command.arg(&file));
    let version = async || {
        let answer = server.api.get("/directory").await;
        answer.headers()["server"].to_str().unwrap().to_owned()
    };
    // A sixth of 300 is 50.
    assert!(beginning_in_the_last_ten_minutes(&server, 0).await > 15);
    let before = version().await;
    for (text, first) in [(open.clone() + rule, 300), (open, 600)] {
        let old = version().await;
        std::fs::write(&file, text).unwrap();
        server.signal("HUP");
        let deadline = Instant::now() + Duration::from_mins(1);
        while version().await == old {
            assert!(Instant::now() < deadline, "{old} stays in force");
        }
        server.logged("reloaded");
        let beginning = beginning_in_the_last_ten_minutes(&server, first).await;
        assert_eq!(beginning == 0, first == 300, "{beginning}");
    }
    assert_eq!(version().await, before, "the policy is what it was");
}
