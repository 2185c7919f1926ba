//! Deadlines of a plan, of its certificates, and those that a refusal proposes.

use std::fmt::Write as _;

use offpeak::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::command::{printed, ranking, run};
use super::{asked, instant};
use crate::server::{NOW, TestServer};
use crate::tools::output_text;

/// The time in the last column of each line but the first.
fn times(csv: &str) -> Vec<Timestamp> {
    let rows = csv.lines().skip(1);
    rows.map(|row| row.rsplit(',').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn the_earlier_of_a_row_s_deadline_and_the_plan_s_holds() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let now = SystemClock.now();
    let mut list = "names,deadline\n".to_owned();
    for n in 0..20 {
        let _ = writeln!(list, "soon{n}.example,{}", now + HOUR);
        let _ = writeln!(list, "late{n}.example,{}", now + 30 * DAY);
    }
    let arguments = ["-", "--ranking", &ranking, "--deadline", "6h"];
    let found = times(&printed(&run(&arguments, &list)));
    for (row, at) in found.into_iter().enumerate() {
        let until = if row % 2 == 0 {
            HOUR
        } else {
            6 * HOUR + MINUTE
        };
        assert!(at < now + until, "row {row}: {at}");
    }
    // What begins after the deadline is no plan.
    let list = format!("names,earliest\na.example,{}\n", now + DAY);
    let refused = run(&arguments, &list);
    assert_eq!(refused.status.code(), Some(2));
    let said = output_text(&refused);
    assert!(
        said.contains("a.example: earliest: ") && said.contains("is not before the deadline"),
        "{said}"
    );
}

#[test]
fn what_a_refused_command_proposes_does() {
    let folder = tempfile::tempdir().unwrap();
    let ranking = ranking(folder.path());
    let now = SystemClock.now();
    let slow = [
        "-",
        "--ranking",
        &ranking,
        "--max-rate",
        "2",
        "--limits",
        "none",
        "--json",
    ];
    // Without deadlines of their own: the plan's.
    let names: Vec<String> = (0..300).map(|n| format!("h{n}.example")).collect();
    let names = names.join("\n");
    let proposed = |output: &std::process::Output| {
        assert_eq!(output.status.code(), Some(1), "{}", output_text(output));
        let refusal: Value = serde_json::from_slice(&output.stdout).unwrap();
        refusal["refusal"]["changes"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone()
    };
    let deadline = |at: &str, list: &str| run(&[&slow[..], &["--deadline", at]].concat(), list);
    let change = proposed(&deadline("1h", &names));
    assert_eq!(change["change"], "deadline", "{change}");
    printed(&deadline(change["to"].as_str().unwrap(), &names));
    // With: theirs, since the plan's changes nothing.
    let list = |until: &str| {
        let rows: Vec<String> = (0..300).map(|n| format!("h{n}.example,{until}")).collect();
        format!("names,deadline\n{}", rows.join("\n"))
    };
    let change = proposed(&deadline("7d", &list(&(now + HOUR).to_string())));
    assert_eq!(change["change"], "items.deadline", "{change}");
    printed(&deadline("7d", &list(change["to"].as_str().unwrap())));
}

#[tokio::test]
async fn a_server_keeps_both_deadlines_and_proposes_what_does() {
    let server = TestServer::start().await;
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + 90 * DAY).await;
    // The window that it was given is in two months: the plan's deadline is sooner.
    let day = (NOW + DAY).to_string();
    let request = json!({"items": [{"certId": id}], "deadline": day});
    let (status, plan) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert!(instant(&plan["items"][0]["at"]) < NOW + DAY, "{plan}");
    let row = |until: &Value, n: i64| json!({"id": format!("h{n}"), "deadline": until});
    let all = |until: &Value, deadline: &Value| {
        let items: Vec<Value> = (0..300).map(|n| row(until, n)).collect();
        json!({"items": items, "deadline": deadline, "maxRate": 2, "limits": "none"})
    };
    let hour = json!((NOW + HOUR).to_string());
    let (status, problem) = asked(&server, &all(&hour, &json!(day))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let change = problem["refusal"]["changes"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(change["change"], "items.deadline", "{problem}");
    let (status, plan) = asked(&server, &all(&change["to"], &json!(day))).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    let late =
        json!({"items": [{"id": "a", "earliest": (NOW + 2 * DAY).to_string()}], "deadline": day});
    let (status, problem) = asked(&server, &late).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let said = problem["detail"].as_str().unwrap();
    assert!(said.starts_with("items[0].earliest: "), "{said}");
}
