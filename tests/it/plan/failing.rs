//! Hours in which a CA fails day by day: nobody is planned into them.

use std::collections::BTreeSet;

use offpeak::domain::time::HOUR;
use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::command::printed;
use super::{asked, instant};
use crate::load::failing_in;
use crate::process::offpeak;
use crate::server::{TestServer, config, json};
use crate::support::fresh_sqlite;

fn hours(plan: &Value) -> BTreeSet<i64> {
    let items = plan["items"].as_array().unwrap();
    let hour = |item: &Value| instant(&item["at"]).second_of_day() / HOUR;
    items.iter().map(hour).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_planned_into_an_hour_that_fails() {
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config()).await;
    // The command goes by the clock on the wall.
    let now = SystemClock.now();
    server.clock.set(now);
    let failing = (now + 12 * HOUR).second_of_day() / HOUR;
    let handed_in = server.as_admin(reqwest::Method::POST, "/v1/observations");
    let handed_in = handed_in
        .header("content-type", "application/x-ndjson")
        .body(failing_in(failing, now));
    let report = json(handed_in.send().await.unwrap()).await;
    assert_eq!(report["rejected"], 0, "{report}");
    server.engine.catch_up().await.unwrap();
    server.engine.learn();
    let request = json!({"count": 1_000, "deadline": now + 23 * HOUR});
    let (status, by_request) = asked(&server, &request).await;
    assert_eq!(status, 200, "{by_request}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, "[[ca]]\nname = \"example\"\n").unwrap();
    let mut command = offpeak();
    command
        .args(["plan", "--count", "1000", "--deadline", "23h", "--json"])
        .args(["--database", &database.url(), "--config"])
        .arg(&file);
    let by_command = tokio::task::block_in_place(|| command.output().unwrap());
    let by_command: Value = serde_json::from_str(&printed(&by_command)).unwrap();
    for plan in [by_request, by_command] {
        let hours = hours(&plan);
        assert!(hours.len() > 15, "{hours:?}");
        assert!(!hours.contains(&failing), "{failing} of {hours:?}");
    }
}
