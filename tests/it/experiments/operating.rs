//! Rebalances as operators run them, over HTTP and by command.

use offpeak::domain::certificate::Cause;
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::time::{HOUR, Span};
use offpeak::engine::clock::SystemClock;
use reqwest::Method;
use serde_json::{Value, json};

use super::rebalance::{COUNT, CROWDED, crowded, drifted_at, windows};
use super::*;
use crate::process::offpeak;
use crate::server::{TestServer, config};
use crate::support::{databases, fresh_sqlite};

/// A service over a registry that has drifted, with the tokens of the tests.
async fn operated(url: &str) -> TestServer {
    let registry = drifted_at(NOW, url, &one_ca(""), 600).await;
    drop(registry);
    let with_tokens = Config {
        tokens: config().tokens,
        ..one_ca("")
    };
    TestServer::on(url, with_tokens).await
}

async fn send(server: &TestServer, method: Method, path: &str, body: &Value) -> Value {
    let request = server.as_admin(method, path);
    let answer = request.json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    let report: Value = answer.json().await.unwrap();
    assert!((200..300).contains(&status), "{path}: {status} {report}");
    report
}

async fn show(server: &TestServer, path: &str) -> (u16, Value) {
    let answer = server.as_admin(Method::GET, path).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What clients are told, of all.
async fn answered(server: &TestServer) -> Vec<Span> {
    let mut windows = Vec::new();
    for n in 0..COUNT {
        windows.push(server.engine.renewal_info(&certid(n)).await.unwrap().window);
    }
    windows
}

#[tokio::test]
async fn a_rebalance_over_http_is_rehearsed_made_and_kept() {
    for database in databases().await {
        let server = operated(&database.url()).await;
        let (_, kept) = show(&server, "/v1/rebalances").await;
        let kept = kept["rebalances"].as_array().unwrap().len();
        let before = answered(&server).await;
        let path = "/v1/rebalance";
        let planned = send(&server, Method::POST, path, &json!({ "dryRun": true })).await;
        assert_eq!(planned["dryRun"], true);
        assert!(planned["moved"].as_u64().unwrap() > 100, "{planned}");
        assert_eq!(answered(&server).await, before);

        let made = send(&server, Method::POST, path, &json!({ "ca": "default" })).await;
        assert_eq!(made["moved"], planned["moved"]);
        let after = answered(&server).await;
        let moved = before.iter().zip(&after).filter(|(old, new)| old != new);
        assert_eq!(made["moved"], moved.count());
        let before = made["driftBefore"].as_f64().unwrap();
        assert!(
            // By chance: the key is another one each time.
            before > 0.1 && made["driftAfter"].as_f64().unwrap() < 0.05,
            "{made}"
        );

        let (status, all) = show(&server, "/v1/rebalances").await;
        let all = all["rebalances"].as_array().unwrap();
        assert_eq!((status, all.len()), (200, kept + 1));
        for member in ["number", "moved", "driftBefore", "driftAfter", "madeAt"] {
            assert_eq!(all[0][member], made[member], "{member}");
        }
        let one = format!("/v1/rebalances/{}", made["number"]);
        assert_eq!(show(&server, &one).await, (200, made));
        let (status, problem) = show(&server, "/v1/rebalances/1000").await;
        assert_eq!(status, 404, "{problem}");
        // Why it has its window now.
        let of_a_moved = server
            .engine
            .certificate(&certid(0))
            .await
            .unwrap()
            .unwrap();
        let path = format!("/v1/certificates/{}", certid(0));
        let (_, explained) = show(&server, &path).await;
        let is_moved = matches!(of_a_moved.cause, Cause::Rebalance(_));
        assert_eq!(
            explained["cause"]["event"] == "rebalance",
            is_moved,
            "{explained}"
        );
    }
}

#[tokio::test]
async fn a_rebalance_and_the_forecast_avoid_what_a_maintenance_closes() {
    let database = fresh_sqlite();
    let server = operated(&database.url()).await;
    let closed = Span {
        from: CROWDED.from - 3 * HOUR,
        to: CROWDED.from,
    };
    let maintenance = json!({
        "kind": "maintenance", "ca": "default", "name": "disks",
        "from": closed.from, "to": closed.to,
    });
    let inside = |windows: &[Span]| {
        let touching = windows
            .iter()
            .filter(|window| window.overlap_seconds(closed) > 0);
        touching.count()
    };
    assert!(inside(&answered(&server).await) > 0);
    let incident = send(&server, Method::POST, "/v1/incidents", &maintenance).await;
    let path = format!("/v1/incidents/{}", incident["id"]);
    send(&server, Method::PATCH, &path, &json!({ "state": "open" })).await;
    assert_eq!(inside(&answered(&server).await), 0);

    let shares = async || {
        let outlook = server
            .engine
            .outlook(&CaName::default())
            .await
            .unwrap()
            .unwrap();
        let slots = outlook.slots.iter();
        let inside = slots.filter(|slot| slot.span.overlap_seconds(closed) > 0);
        inside
            .map(|slot| slot.capacity.share.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(shares().await, ["0", "0", "0"]);
    let made = send(&server, Method::POST, "/v1/rebalance", &json!({})).await;
    assert!(made["moved"].as_u64().unwrap() > 100, "{made}");
    let after = answered(&server).await;
    assert_eq!(
        inside(&after),
        0,
        "the empty hours are empty because they are closed"
    );
    // It is over: the forecast of the same minute says so.
    send(&server, Method::PATCH, &path, &json!({ "state": "closed" })).await;
    assert_eq!(shares().await, ["1", "1", "1"]);
}

#[tokio::test]
async fn an_operator_rebalances_by_command() {
    for database in databases().await {
        // The command has the real clock: the drift is weeks ahead, however the hour goes on.
        let now = SystemClock.now();
        let now = Timestamp::from_unix(now.slot(HOUR) * HOUR);
        // So many that they stand out at any hour: where a whole day of UTC is registered, it is
        // taken for the rate of the days before, and the level is higher.
        let Service { engine, .. } = drifted_at(now, &database.url(), &one_ca(""), 1_000).await;
        let run = |arguments: &[&str]| {
            let mut command = offpeak();
            command.args(["rebalance", "--json", "--database", &database.url()]);
            command.args(arguments).output().unwrap()
        };
        let report = |arguments: &[&str]| -> Value {
            let output = run(arguments);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{stderr}");
            serde_json::from_slice(&output.stdout).unwrap()
        };
        let before = windows(&engine).await;
        let planned = report(&["--dry-run"]);
        assert_eq!(planned["dryRun"], true);
        assert!(planned["moved"].as_u64().unwrap() > 100, "{planned}");
        assert_eq!(windows(&engine).await, before);
        let made = report(&["--ca", "default"]);
        let after = windows(&engine).await;
        let moved = before
            .iter()
            .zip(&after)
            .filter(|((old, _), (new, _))| old != new);
        assert_eq!(made["moved"], moved.count(), "{made}");
        let crowd = |windows: &[(Span, Cause)]| {
            let hour = crowded(now);
            let there = windows
                .iter()
                .filter(|(window, _)| hour.contains(window.from));
            there.count()
        };
        assert!(crowd(&after) + 100 < crowd(&before));
        let wrong = run(&["--ca", "nobody"]);
        assert_eq!(wrong.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("no CA is named nobody"));
    }
}
