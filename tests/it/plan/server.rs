//! `offpeak plan --server`, and rankings by URL.

use std::fs;
use std::process::{Command, Output};

use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::process::offpeak;
use crate::server::{ADMIN, TestServer};
use crate::tools::{output_text, run};

/// A server that goes by the clock on the wall, with something published.
async fn published() -> TestServer {
    let server = TestServer::start().await;
    server.clock.set(SystemClock.now());
    server.engine.publish().await.unwrap();
    server
}

fn plan(server: &TestServer, token: &str, arguments: &[&str]) -> Output {
    let mut command = offpeak();
    command
        .args(["plan", "--server", &server.admin])
        .args(arguments)
        .env("OFFPEAK_ADMIN_TOKEN", token)
        .env("no_proxy", "127.0.0.1");
    command.output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", output_text(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_plans_a_fleet_under_its_own_forecast() {
    let server = published().await;
    let folder = tempfile::tempdir().unwrap();
    let fleet = folder.path().join("fleet.csv");
    fs::write(
        &fleet,
        "customer,names\n1,a.example\n2,b.example c.example\n",
    )
    .unwrap();
    let fleet = fleet.display().to_string();
    let arguments = [
        &fleet,
        "--deadline",
        "24h",
        "--allow",
        "22-06",
        "--tz",
        "Europe/Prague",
    ];
    let output = plan(&server, ADMIN, &arguments);
    let text = printed(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "customer,names,renew_at", "{text}");
    assert!(lines[1].starts_with("1,a.example,"), "{text}");
    for line in &lines[1..] {
        let at: Timestamp = line.rsplit(',').next().unwrap().parse().unwrap();
        let hour = at.second_of_day() / 3_600;
        // 22:00 to 06:00 in Prague is 20:00 to 05:00 UTC, in summer and in winter.
        assert!(
            at - SystemClock.now() <= DAY && !(5..20).contains(&hour),
            "{text}"
        );
    }
    assert!(
        output_text(&output).contains("2 planned from"),
        "{}",
        output_text(&output)
    );
    let arguments = ["--count", "10", "--json", "--ca", "example", "--no-ari"];
    let document = printed(&plan(&server, ADMIN, &arguments));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(
        (&document["count"], &document["ca"]),
        (&10.into(), &"example".into())
    );
    assert_eq!(document["limits"]["name"], "letsencrypt");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_is_said() {
    let server = published().await;
    let arguments = [
        "--count",
        "1000",
        "--deadline",
        "1h",
        "--max-rate",
        "1",
        "--json",
    ];
    let refused = plan(&server, ADMIN, &arguments);
    assert_eq!(refused.status.code(), Some(1));
    let refusal: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(
        refusal["refusal"]["misses"].as_u64().unwrap() > 900,
        "{refusal}"
    );
    let refused = plan(&server, "another", &["--count", "1"]);
    assert!(
        output_text(&refused).contains("answers 401"),
        "{}",
        output_text(&refused)
    );
    let refused = plan(&server, ADMIN, &["--count", "1", "--ca", "nobody"]);
    assert!(
        output_text(&refused).contains("no CA is named"),
        "{}",
        output_text(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ranking_may_be_named_by_its_url() {
    let server = published().await;
    let url = format!("{}/ranking.json", server.public);
    let offpeak = |arguments: &[&str]| -> Command {
        let mut command = offpeak();
        command.args(arguments).env("no_proxy", "127.0.0.1");
        command
    };
    let at: Timestamp = run(&mut offpeak(&["best-time", "--ranking", &url]))
        .trim()
        .parse()
        .unwrap();
    let ahead = at - SystemClock.now();
    assert!((-60..=DAY).contains(&ahead), "{at}");
    let ranking = run(&mut offpeak(&["ranking", "--json", "--ranking", &url]));
    let published = server.get("/ranking.json").await.text().await.unwrap();
    assert_eq!(ranking.trim_end(), published.trim_end());
    let times = run(&mut offpeak(&["plan", "--count", "3", "--ranking", &url]));
    assert_eq!(times.lines().count(), 3);
    let missing = format!("{}/nothing.json", server.public);
    let refused = offpeak(&["best-time", "--ranking", &missing])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let text = output_text(&refused);
    assert!(
        text.contains(&format!("cannot fetch {missing}")) && text.contains("404"),
        "{text}"
    );
}
