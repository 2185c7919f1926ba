//! `/v1/status`, `/v1/live`, `/api/v2/summary.json` and `/feed.atom`.

use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::time::{HOUR, MINUTE, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::process::offpeak;
use crate::server::{NOW, TestServer, json};
use crate::tools::run;

async fn post_counts(server: &TestServer, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let answer = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"))
        .send()
        .await
        .unwrap();
    assert_eq!(json(answer).await["accepted"], lines.len());
    server.engine.catch_up().await.unwrap();
}

/// Sixty attempts in each of the minutes before now, of which so many failed.
fn hour(failed: impl Fn(i64) -> u64) -> Vec<Value> {
    (1..=60)
        .flat_map(|ago| {
            let line = |kind, count| {
                json!({"at": NOW - ago * MINUTE, "kind": kind, "count": count, "ca": "example"})
            };
            [line("attempt", 60), line("failed", failed(ago))]
        })
        .collect()
}

async fn status(server: &TestServer) -> Value {
    let answer = server.get("/v1/status").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "public, max-age=15");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    json(answer).await
}

async fn open_incident(server: &TestServer, draft: Value) -> Value {
    let post = server.as_admin(Method::POST, "/v1/incidents").json(&draft);
    let made = json(post.send().await.unwrap()).await;
    let path = format!("/v1/incidents/{}", made["id"]);
    let open = server
        .as_admin(Method::PATCH, &path)
        .json(&json!({"state": "open"}));
    json(open.send().await.unwrap()).await
}

#[tokio::test]
async fn the_status_follows_what_is_counted_and_incidents() {
    let server = TestServer::start().await;
    let report = status(&server).await;
    assert_eq!(
        (&report["status"], &report["since"]),
        (&json!("unknown"), &Value::Null)
    );
    assert_eq!(report["ca"], "example");
    post_counts(&server, &hour(|ago| if ago <= 20 { 30 } else { 0 })).await;
    let report = status(&server).await;
    assert_eq!(report["status"], "degraded", "{report}");
    assert_eq!(
        report["reason"],
        "50.0 % of attempts failed in the last 15 minutes"
    );
    let since = report["since"].as_str().unwrap();
    assert!(
        ("2026-11-21T09:40:00Z"..="2026-11-21T09:50:00Z").contains(&since),
        "{since}"
    );
    let outage = json!({"kind": "outage", "ca": "example", "name": "a < b", "from": NOW - 90});
    let opened = open_incident(&server, outage).await;
    assert_eq!(opened["state"], "open", "{opened}");
    let report = status(&server).await;
    assert_eq!(report["status"], "down", "{report}");
    assert_eq!(report["since"], "2026-11-21T09:58:30Z");
    assert_eq!(report["incidents"][0]["name"], "a < b");
    // The first update is owed an hour after it was opened.
    assert_eq!(
        report["incidents"][0]["updateDue"], "2026-11-21T11:00:01Z",
        "{report}"
    );

    let summary = json(server.get("/api/v2/summary.json").await).await;
    assert_eq!(summary["status"]["indicator"], "critical", "{summary}");
    assert_eq!(summary["components"][0]["name"], "example");
    assert_eq!(summary["components"][0]["status"], "major_outage");
    assert_eq!(summary["incidents"][0]["status"], "investigating");
    assert_eq!(summary["scheduled_maintenances"], json!([]));

    let feed = server.get("/feed.atom").await;
    assert_eq!(
        feed.headers()["content-type"],
        "application/atom+xml; charset=utf-8"
    );
    let feed = feed.text().await.unwrap();
    assert!(feed.contains("<title>a &lt; b</title>"), "{feed}");
    assert!(feed.contains("/report/2026-W46/</id>"), "{feed}");
    assert!(!feed.contains("2026-W47"), "{feed}");
    assert!(
        feed.contains("outage of example, open, from 2026-11-21T09:58:30Z."),
        "{feed}"
    );
}

#[tokio::test]
async fn a_maintenance_ahead_is_scheduled_and_the_ca_is_well_until_then() {
    let server = TestServer::start().await;
    post_counts(&server, &hour(|_| 0)).await;
    let ahead = json!({
        "kind": "maintenance", "ca": "example", "name": "new disks", "from": NOW + HOUR, "to": NOW + 2 * HOUR,
    });
    open_incident(&server, ahead).await;
    let at = async |now| {
        server.clock.set(now);
        let report = status(&server).await;
        let summary = json(server.get("/api/v2/summary.json").await).await;
        let stage = summary["scheduled_maintenances"][0]["status"].clone();
        (
            report["status"].clone(),
            stage,
            summary["status"]["indicator"].clone(),
        )
    };
    assert_eq!(
        at(NOW).await,
        (json!("ok"), json!("scheduled"), json!("none"))
    );
    let during = (json!("down"), json!("in_progress"), json!("maintenance"));
    assert_eq!(at(NOW + HOUR + 60).await, during);
}

#[tokio::test]
async fn the_last_hour_is_reported_by_endpoint_and_vantage() {
    let server = TestServer::start().await;
    let probe = |ago: i64, endpoint: &str, failed: u64| {
        let line = |kind, count| {
            json!({
                "at": NOW - ago * MINUTE, "kind": kind, "count": count, "ca": "example", "source": "observer",
                "endpoint": endpoint, "vantage": "singapore", "latencyMs": 120.0,
            })
        };
        [line("attempt", 1), line("failed", failed)]
    };
    let lines: Vec<Value> = (1..=60)
        .filter(|ago| *ago != 5)
        .flat_map(|ago| {
            [
                probe(ago, "directory", 0),
                probe(ago, "new-order", u64::from(ago < 10)),
            ]
            .concat()
        })
        .collect();
    post_counts(&server, &lines).await;
    let live = json(server.get("/v1/live?ca=example").await).await;
    assert_eq!(live["from"], "2026-11-21T09:00:00Z");
    let series = live["series"].as_array().unwrap();
    assert_eq!(series.len(), 2, "{live}");
    for (of, endpoint, failing) in [
        (&series[0], "directory", 0.0),
        (&series[1], "new-order", 1.0),
    ] {
        assert_eq!(
            (&of["endpoint"], &of["vantage"]),
            (&json!(endpoint), &json!("singapore"))
        );
        let points = of["points"].as_array().unwrap();
        assert_eq!(points.len(), 60);
        // The gap stays a gap.
        assert_eq!(points[55], Value::Null);
        assert_eq!(points[59]["failureRate"], failing);
        assert_eq!(points[59]["latencyMs"], 120.0);
    }
}

#[tokio::test]
async fn a_week_is_reported_as_a_page_and_as_json() {
    let server = TestServer::start().await;
    post_counts(&server, &hour(|_| 6)).await;
    let answer = server.get("/report/2026-W47/report.json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let report = json(answer).await;
    assert_eq!(
        (&report["from"], &report["isOver"]),
        (&json!("2026-11-16T00:00:00Z"), &json!(false))
    );
    let of = &report["cas"][0];
    assert_eq!(of["failureRate"], 0.1);
    assert_eq!(of["peak"]["start"], "2026-11-21T09:00:00Z");
    let known = |hour: &&Value| !hour["load"].is_null();
    assert_eq!(
        of["hours"].as_array().unwrap().iter().filter(known).count(),
        1
    );
    // Without the slash, as people type it.
    let page = server.get("/report/2026-W47?ca=example").await;
    assert_eq!(page.status(), 200);
    assert!(
        page.url()
            .as_str()
            .ends_with("/report/2026-W47/?ca=example"),
        "{}",
        page.url()
    );
    let page = server.get("/report/2026-W47/").await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    assert!(
        page.contains("Busiest: Saturday 09:00 UTC, 1.00 of the mean."),
        "{page}"
    );
    for (path, status) in [
        ("/report/2026-W54", 400),
        ("/report/2026-W48/", 404),
        ("/report/2020-W01/", 404),
        ("/report/2026-W54/", 400),
        ("/report/last/report.json", 400),
        ("/report/2026-W47/?ca=nobody", 404),
    ] {
        assert_eq!(server.get(path).await.status(), status, "{path}");
    }
}

/// A test installation that fails is no outage of the CA.
#[tokio::test]
async fn what_fails_in_staging_is_not_the_status_of_production() {
    let database = crate::support::fresh_sqlite();
    let mut config = crate::server::config();
    let mut staging = CaPolicy::named("stage".parse().unwrap());
    staging.environment = "staging".to_owned();
    config.cas.push(staging);
    let server = TestServer::on(&database.url(), config).await;
    let mut lines = hour(|_| 0);
    for mut line in hour(|_| 60) {
        line["ca"] = json!("stage");
        lines.push(line);
    }
    post_counts(&server, &lines).await;
    let report = status(&server).await;
    assert_eq!(report["status"], "ok", "{report}");
    let one = |at: usize| (&report["cas"][at]["ca"], &report["cas"][at]["status"]);
    assert_eq!(one(0), (&json!("example"), &json!("ok")));
    assert_eq!(one(1), (&json!("stage"), &json!("down")));
    let summary = json(server.get("/api/v2/summary.json").await).await;
    assert_eq!(summary["status"]["indicator"], "none", "{summary}");
    assert_eq!(summary["components"][1]["status"], "major_outage");
    let staging = json(server.get("/v1/status?ca=stage").await).await;
    assert_eq!(staging["status"], "down");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let server = TestServer::start().await;
    for (path, status) in [
        ("/v1/status?ca=nobody", 404),
        ("/v1/live?ca=nobody", 404),
        ("/v1/live?hours=2", 400),
        ("/v1/status?ca=example&ca=example", 400),
        ("/api/v2/summary.json?ca=nobody", 404),
        ("/feed.atom?ca=example", 400),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[test]
fn the_last_report_of_a_ca_is_that_of_its_latest_source() {
    let database = crate::support::fresh_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.ndjson");
    let now = SystemClock.now();
    // Minutes of two sources, neither at the end of five; and one a little ahead of our clock.
    for (ago, source, ahead) in [(13, "log", false), (11, "ca", false), (-3, "metrics", true)] {
        let at = Timestamp::from_unix((now - ago * MINUTE).slot(MINUTE) * MINUTE);
        let line =
            json!({"at": at, "kind": "attempt", "count": 9, "ca": "default", "source": source});
        std::fs::write(&file, line.to_string()).unwrap();
        let mut import = offpeak();
        import.args(["import", "observations", "--format", "ndjson", "--database"]);
        run(import.arg(database.url()).arg(&file));
        let report = run(offpeak().args(["status", "--database", &database.url()]));
        let first = report.lines().next().unwrap();
        let reported = first.split("last report ").nth(1).unwrap();
        let of_source = format!("source {source}: until {reported}");
        assert!(report.contains(&of_source), "{of_source}: {report}");
        if ahead {
            let reported: Timestamp = reported.parse().unwrap();
            assert!(reported >= now && reported <= SystemClock.now(), "{report}");
        } else {
            assert_eq!(reported, (at + MINUTE).to_string(), "{report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_names_the_sources_without_a_report() {
    let database = crate::support::fresh_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(
        &file,
        "[[source]]\nname = \"front\"\nca = \"default\"\nkind = \"log\"\npath = \"/nowhere/acme.log\"\n\
         format = \"caddy\"\n[[source]]\nname = \"live\"\nkind = \"folder\"\npath = \"/nowhere\"\n",
    )
    .unwrap();
    let report = |extra: &[&str]| {
        let mut command = offpeak();
        command.args(["status", "--database", &database.url(), "--config"]);
        run(command.arg(&file).args(extra))
    };
    let lines = report(&[]);
    let line = "source front (log) of default: configured, no report yet";
    assert!(lines.lines().any(|one| one == line), "{lines}");
    let json: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    // A folder stores nothing of its own: nothing can be said of it.
    assert_eq!(
        json["silentSources"],
        json!([{"name": "front", "kind": "log", "ca": "default"}])
    );
    // Whoever has read it, from its first step on it is silent no more.
    let store = offpeak::store::connect(&database.url(), offpeak::store::Migrations::Apply).await;
    let step = offpeak::store::SourceStep {
        source: "front",
        from: None,
        to: "{}",
        observations: &[],
        counted: &[],
    };
    assert!(store.unwrap().advance_source(step, NOW).await.unwrap());
    let json: Value = serde_json::from_str(&report(&["--json"])).unwrap();
    assert_eq!(json["silentSources"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_shows_the_status_of_each_ca() {
    let database = crate::support::fresh_sqlite();
    let command = |extra: &[&str]| {
        let database = database.url();
        let mut command = offpeak();
        command
            .args(["status", "--database", &database])
            .args(extra);
        run(&mut command)
    };
    let report = command(&[]);
    assert!(
        report.starts_with("default (production): unknown; no source has reported"),
        "{report}"
    );
    let report: Value = serde_json::from_str(&command(&["--json"])).unwrap();
    assert_eq!(report["cas"][0]["status"], "unknown");
    let server = TestServer::start().await;
    let asked = |server: &str, extra: &[&str]| {
        let mut command = offpeak();
        command.args(["status", "--server", server]).args(extra);
        command.env("no_proxy", "127.0.0.1");
        tokio::task::block_in_place(|| command.output().unwrap())
    };
    open_incident(
        &server,
        json!({"kind": "outage", "ca": "example", "name": "Validation is away", "from": NOW - HOUR}),
    )
    .await;
    let report = String::from_utf8(asked(&server.public, &["--ca", "example"]).stdout).unwrap();
    let mut lines = report.lines();
    let of_ca = lines.next().unwrap();
    assert!(
        of_ca.starts_with("example (production): down since "),
        "{report}"
    );
    let incident = "incident 1 of example: Validation is away (outage, open), updated ";
    assert!(lines.next().unwrap().starts_with(incident), "{report}");
    let report: Value = serde_json::from_slice(&asked(&server.public, &["--json"]).stdout).unwrap();
    assert_eq!(report["status"], "down");
    let refused = asked(&server.public, &["--ca", "nobody"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nobody"));
    let report = run(offpeak().args(["report", "--database", &database.url()]));
    assert!(report.contains("Heard of 0.0 % of the week."), "{report}");
}
