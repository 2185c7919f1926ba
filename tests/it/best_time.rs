//! `/v1/best-time` and `offpeak best-time`: a time to come, from a server and without one.

use std::collections::HashSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use offpeak::domain::publication::best_time::Ranking;
use offpeak::domain::time::{DAY, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::process::offpeak;
use crate::server::{NOW, TestServer, config, json};
use crate::tools::{output_text, tool};

/// A server with something published.
async fn published() -> TestServer {
    let server = TestServer::start().await;
    server.engine.publish().await.unwrap();
    server
}

fn instant(answer: &Value) -> Timestamp {
    answer["at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_who_asks_gets_a_time_of_their_own_with_alternatives() {
    let server = published().await;
    let answer = server.get("/v1/best-time").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let best = json(answer).await;
    let ranking = json(server.get("/ranking.json").await).await;
    assert_eq!(best["modelVersion"], ranking["modelVersion"]);
    assert_eq!(best["validUntil"], ranking["validUntil"]);
    assert_eq!(best["ca"], ranking["ca"]);
    assert_eq!(best["timeZone"], "UTC");
    // Nothing is known of any hour here, and the answer says so.
    assert_eq!(best["insufficientData"], true);
    assert_eq!(best["alternatives"].as_array().unwrap().len(), 3);
    let mut times = HashSet::new();
    for _ in 0..50 {
        let at = instant(&json(server.get("/v1/best-time").await).await);
        assert!(at > NOW && at - NOW <= DAY, "{at}");
        times.insert(at);
    }
    assert!(times.len() >= 48, "{} times for 50 askers", times.len());
}

#[tokio::test]
async fn the_crontab_line_and_the_calendar_expression_are_the_instant() {
    let server = published().await;
    // Prague is an hour ahead of UTC in November and December.
    for (zone, ahead) in [("UTC", 0), ("Europe/Prague", 3_600)] {
        for member in 0..10 {
            let path = format!("/v1/best-time?tz={zone}&seed=host-{member}");
            let best = json(server.get(&path).await).await;
            assert_eq!(best["timeZone"], zone);
            let alternatives = best["alternatives"].as_array().unwrap();
            for time in [&best].into_iter().chain(alternatives) {
                let second = (instant(time) + ahead).second_of_day();
                let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
                assert_eq!(time["cron"], format!("{minute} {hour} * * *"), "{time}");
                let calendar = format!("*-*-* {hour:02}:{minute:02}:{second:02} {zone}");
                assert_eq!(time["onCalendar"], calendar, "{time}");
            }
            // The line for a crontab waits the seconds that cron does not know. Of this server every hour is
            // unknown, which a comment says.
            let line = server.get(&format!("{path}&format=cron")).await;
            let second = (instant(&best) + ahead).second_of_day() % 60;
            let cron = best["cron"].as_str().unwrap();
            let want = format!(
                "# too little has been observed to say how busy this hour is\n\
                 {cron} sleep {second}; certbot renew --quiet --no-random-sleep-on-renew\n"
            );
            assert_eq!(line.text().await.unwrap(), want);
        }
    }
}

#[tokio::test]
async fn a_seed_has_the_same_answer_on_every_server_and_offline() {
    let (one, other) = (published().await, published().await);
    let ranking = one.get("/ranking.json").await.bytes().await.unwrap();
    let mut times = HashSet::new();
    for member in 0..20 {
        let path = format!("/v1/best-time?seed=host-{member}&allow=22:00-06:00&tz=Europe/Prague");
        let at = instant(&json(one.get(&path).await).await);
        assert_eq!(instant(&json(other.get(&path).await).await), at);
        assert!((21..=23).contains(&(at.second_of_day() / 3600)) || at.second_of_day() < 5 * 3600);
        times.insert(at);
    }
    assert!(times.len() >= 19, "{} times for 20 members", times.len());
    let at = instant(&json(one.get("/v1/best-time?seed=host-1").await).await);
    let offline = run(&["--ranking", "-", "--seed", "host-1"], &ranking);
    let offline: Timestamp = offline.trim_end().parse().unwrap();
    // The command goes by the clock of this machine, the server by that of the test.
    assert_eq!(offline.second_of_day(), at.second_of_day());
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_name() {
    let server = published().await;
    for (query, status, detail) in [
        ("witin=6h", 400, "unknown query parameter \"witin\""),
        ("within=61d", 400, "within: takes 1s to 60d"),
        ("within=soon", 400, "within: \"soon\" is no duration"),
        (
            "allow=25:00-06:00",
            400,
            "allow: \"25:00\" is no time of the day",
        ),
        ("tz=Europe/Prag", 400, "tz: \"Europe/Prag\" is no time zone"),
        ("slot=7", 400, "slot: takes one of [5, 15, 30, 60]"),
        (
            "format=xml",
            400,
            "format: \"xml\" is none of cron, json, systemd, text",
        ),
        ("seed=", 400, "seed: takes 1 to 256 octets"),
        ("lifetime=0d", 400, "lifetime: takes a life of 1h or more"),
        (
            "lifetime=90d&within=6h",
            400,
            "lifetime, within: give one of them",
        ),
        ("tz=UTC&tz=UTC", 400, "tz: is given twice"),
        ("ca=nobody", 404, "ca: no ranking of a CA named \"nobody\""),
        // At 10:00 the night is far.
        (
            "within=1h&allow=00:00-01:00",
            422,
            "allow, within: leave no second",
        ),
    ] {
        let answer = server.get(&format!("/v1/best-time?{query}")).await;
        assert_eq!(answer.status().as_u16(), status, "{query}");
        // A page of anybody's may read why.
        assert_eq!(
            answer.headers()["access-control-allow-origin"],
            "*",
            "{query}"
        );
        let problem = json(answer).await;
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{query}: {said}");
    }
}

#[tokio::test]
async fn what_a_refusal_offers_is_answered() {
    let server = published().await;
    for query in ["allow=00:00-01:00", "allow=00:00-01:00&tz=Asia/Kolkata"] {
        let refused = server
            .get(&format!("/v1/best-time?within=1h&{query}"))
            .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let said = json(refused).await["detail"].as_str().unwrap().to_owned();
        let offered = said.split("within=").nth(1).unwrap();
        let offered = offered.split(' ').next().unwrap();
        let path = format!("/v1/best-time?within={offered}&{query}");
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{said}: {path}");
    }
}

#[tokio::test]
async fn an_unknown_hour_is_said_whatever_the_format() {
    let server = published().await;
    for format in ["json", "text", "cron", "systemd"] {
        let answer = server.get(&format!("/v1/best-time?format={format}")).await;
        assert_eq!(answer.headers()["offpeak-hour"], "unknown", "{format}");
        assert_eq!(
            answer.headers()["access-control-expose-headers"],
            "offpeak-hour"
        );
    }
    let ranking = server.get("/ranking.json").await.bytes().await.unwrap();
    for (format, lines) in [("text", 1), ("cron", 2), ("systemd", 1)] {
        let output = offpeak_best_time(&["--ranking", "-", "--format", format], &ranking);
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(printed.lines().count(), lines, "{printed}");
        assert_eq!(printed.starts_with("# too little"), lines == 2, "{printed}");
        assert!(
            output_text(&output).contains("hour_unknown"),
            "{}",
            output_text(&output)
        );
    }
}

#[tokio::test]
async fn before_the_first_publication_there_is_none() {
    let server = TestServer::on("sqlite::memory:", config()).await;
    let answer = server.get("/v1/best-time").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn cron_and_systemd_take_what_is_printed() {
    let server = published().await;
    let text = async |format: &str| {
        let path = format!("/v1/best-time?tz=Europe/Prague&format={format}");
        let answer = server.get(&path).await;
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        answer.text().await.unwrap()
    };
    let line = text("text").await;
    assert!(line.trim_end().parse::<Timestamp>().is_ok(), "{line}");
    assert!(line.ends_with("Z\n"), "{line}");
    if let Some(crontab) = tool("OFFPEAK_TEST_CRONTAB") {
        let cron = text("cron").await;
        assert_eq!(cron.lines().count(), 2, "{cron}");
        piped(Command::new(crontab).args(["-n", "-"]), cron.as_bytes());
    }
    if let Some(analyze) = tool("OFFPEAK_TEST_SYSTEMD_ANALYZE") {
        let calendar = text("systemd").await;
        let calendar = calendar.trim_end();
        let output = Command::new(analyze)
            .args(["calendar", calendar])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{calendar}: {}",
            output_text(&output)
        );
    }
}

#[test]
fn a_file_is_enough() {
    let slots: Vec<Value> = (0..24)
        .map(|hour| json!({"weight": if hour == 20 { 1.0 } else { 0.0 }, "rank": 1}))
        .collect();
    let ranking = json!({
        "schemaVersion": "1.0", "modelVersion": "m", "ca": "example", "slotMinutes": 60,
        "validUntil": "2096-01-01T00:00:00Z", "slots": slots, "avoid": [],
    })
    .to_string();
    assert!(Ranking::parse(ranking.as_bytes()).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ranking.json");
    std::fs::write(&file, &ranking).unwrap();
    let text = run(&["--ranking", file.to_str().unwrap()], b"");
    assert!(text.contains("T20:"), "{text}");
    // Its hours are known: nothing is said of them.
    let line = run(&["--ranking", "-", "--format", "cron"], ranking.as_bytes());
    assert_eq!(line.lines().count(), 1, "{line}");
    let whole: Value =
        serde_json::from_str(&run(&["--ranking", "-", "--json"], ranking.as_bytes())).unwrap();
    assert_eq!(whole["ca"], "example");
    assert!(
        whole["onCalendar"]
            .as_str()
            .unwrap()
            .starts_with("*-*-* 20:"),
        "{whole}"
    );
    let closed = ["--ranking", "-", "--allow", "08:00-10:00"];
    let refused = offpeak_best_time(&closed, ranking.as_bytes());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        output_text(&refused).contains("allow, within: leave no second"),
        "{}",
        output_text(&refused)
    );
    let no_ranking = offpeak_best_time(&["--ranking", "-"], b"{}");
    assert!(
        output_text(&no_ranking).contains("no ranking.json"),
        "{}",
        output_text(&no_ranking)
    );
}

fn run(arguments: &[&str], input: &[u8]) -> String {
    let output = offpeak_best_time(arguments, input);
    assert!(output.status.success(), "{}", output_text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn offpeak_best_time(arguments: &[&str], input: &[u8]) -> std::process::Output {
    fed(offpeak().arg("best-time").args(arguments), input)
}

fn piped(command: &mut Command, input: &[u8]) {
    let output = fed(command, input);
    assert!(output.status.success(), "{}", output_text(&output));
}

fn fed(command: &mut Command, input: &[u8]) -> std::process::Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who reads nothing has closed its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}
