//! `/v1/forecast`.

use offpeak::config::Config;
use offpeak::domain::certificate::certid::CertId;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::policy::planned::Planned;
use offpeak::domain::time::{DAY, HOUR, Span};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::server::{NOW, TestServer, config, json};

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

/// The CA `example` with four weeks of load: a thousand an hour and ten times that at 01:00, of
/// which nobody in public is to hear.
async fn observed() -> TestServer {
    let server = TestServer::start().await;
    observe(&server).await;
    server
}

async fn observe(server: &TestServer) {
    let mut lines = String::new();
    for n in 1..=28 * 24 {
        let at = NOW - n * HOUR;
        let count = if at.second_of_day() == HOUR {
            77_777
        } else {
            7_777
        };
        lines += &serde_json::json!({
            "at": at, "kind": "issued", "count": count, "seconds": 3_600, "ca": "example",
        })
        .to_string();
        lines.push('\n');
    }
    let answer = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines)
        .send()
        .await
        .unwrap();
    assert_eq!(json(answer).await["rejected"], 0);
    server.engine.catch_up().await.unwrap();
    server.engine.learn();
}

#[tokio::test]
async fn the_forecast_has_a_week_in_relative_numbers() {
    let server = observed().await;
    let answer = server.get("/v1/forecast").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "content-type"), "application/json");
    assert_eq!(header(&answer, "cache-control"), "public, max-age=60");
    assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    let forecast = json(answer).await;
    assert_eq!(forecast["ca"], "example");
    assert_eq!(forecast["generatedAt"], NOW.to_string());
    assert_eq!(forecast["slotMinutes"], 60);
    let slots = forecast["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 168);
    assert_eq!(slots[0]["start"], NOW.to_string());
    let expected = |n: usize| slots[n]["expected"].as_f64().unwrap();
    // 15 hours after 10:00 it is 01:00.
    assert!(expected(15) > 9.0 * expected(14), "{forecast:#}");
    assert!(
        (0..168).all(|n| expected(n) < 10.0),
        "these are no certificates"
    );
    for slot in slots {
        let number = |key: &str| slot[key].as_f64().unwrap();
        let sum = number("steered") + number("unsteered");
        assert!((number("expected") - sum).abs() < 0.002, "{slot}");
        assert_eq!(slot["capacity"], 1.0);
        assert_eq!(slot["headroom"], Value::Null);
    }
}

#[tokio::test]
async fn the_forecast_is_made_once_a_minute_and_not_sent_twice() {
    let server = observed().await;
    let first = server.get("/v1/forecast?hours=24").await;
    let tag = header(&first, "etag").to_owned();
    assert_eq!(json(first).await["slots"].as_array().unwrap().len(), 24);
    let again = |tag: String| {
        server
            .ask(Method::GET, "/v1/forecast?hours=24")
            .header("if-none-match", tag)
            .send()
    };
    // Whatever comes in within the minute.
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + (90 * DAY - 1)).await;
    server.clock.set(NOW + 59);
    let same = again(tag.clone()).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(header(&same, "cache-control"), "public, max-age=60");
    server.clock.set(NOW + 60);
    let newer = again(tag).await.unwrap();
    assert_eq!(newer.status(), StatusCode::OK);
    assert_eq!(json(newer).await["generatedAt"], (NOW + 60).to_string());
    // Another policy shows at once.
    let mut closing = config();
    closing.cas[0].capacity = Config::parse(
        "[[ca]]\nname = \"x\"\n[[ca.capacity]]\nfrom = 0\nto = 9999999999\ncapacity = 0\n",
    )
    .unwrap()
    .cas[0]
        .capacity
        .clone();
    server.engine.reconfigure(closing).await.unwrap();
    let closed = json(server.get("/v1/forecast?hours=1").await).await;
    assert_eq!(closed["slots"][0]["capacity"], 0.0);
    assert_eq!(closed["slots"][0]["headroom"], 0.0);
}

#[tokio::test]
async fn what_is_learned_shows_at_once() {
    let server = TestServer::start().await;
    let path = "/v1/forecast?ca=example&hours=24";
    let before = json(server.get(path).await).await;
    assert_eq!(before["slots"][0]["expected"], Value::Null, "{before}");
    // Within the same minute.
    observe(&server).await;
    let after = json(server.get(path).await).await;
    let slot = &after["slots"][0];
    // Nobody is registered, so nobody is steered.
    assert_eq!(slot["steered"], 0.0, "{after}");
    assert_eq!(slot["expected"], slot["unsteered"], "{after}");
    let slots = after["slots"].as_array().unwrap();
    let all: f64 = slots.iter().map(|s| s["expected"].as_f64().unwrap()).sum();
    assert!((all / 24.0 - 1.0).abs() < 0.02, "{all}");
}

#[tokio::test]
async fn an_impossible_forecast_is_refused_with_the_parameter() {
    let server = TestServer::start().await;
    for (query, status, detail) in [
        ("ca=nobody", 404, "ca: no CA is named \"nobody\""),
        ("ca=", 404, "ca: no CA is named \"\""),
        ("ca=No%20one", 404, "ca: no CA is named \"No one\""),
        ("hours=0", 400, "hours: takes a whole number from 1 to 1440"),
        (
            "hours=1441",
            400,
            "hours: takes a whole number from 1 to 1440",
        ),
        ("hours=-1", 400, "hours: "),
        ("hours=%2B1", 400, "hours: "),
        ("hours=", 400, "hours: "),
        ("hours=99999999999999999999", 400, "hours: "),
        ("hours=1&hours=2", 400, "hours: is given twice"),
        (
            "hour=1",
            400,
            "unknown query parameter \"hour\"; known here: ca, hours",
        ),
    ] {
        let answer = server.get(&format!("/v1/forecast?{query}")).await;
        assert_eq!(answer.status().as_u16(), status, "{query}");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        let report = json(answer).await["detail"].as_str().unwrap().to_owned();
        assert!(report.contains(detail), "{query}: {report}");
    }
    // Nothing known is null, not 0.
    let nothing = json(server.get("/v1/forecast?hours=1440").await).await;
    let slots = nothing["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 1_440);
    for key in ["expected", "unsteered", "steered", "headroom"] {
        assert_eq!(slots[7][key], Value::Null, "{key}");
    }
}

#[tokio::test]
async fn the_ca_that_is_meant_is_the_only_one_that_knows_anything() {
    let server = TestServer::start().await;
    let with = |text: &str| server.engine.reconfigure(Config::parse(text).unwrap());
    let meant = async || {
        let answer = server.get("/v1/forecast?hours=1").await;
        let status = answer.status().as_u16();
        let answer = json(answer).await;
        let report = [&answer["ca"], &answer["detail"]].map(Value::as_str);
        (status, report.into_iter().flatten().collect::<String>())
    };
    with("[[ca]]\nname = \"a\"\n").await.unwrap();
    assert_eq!(
        meant().await,
        (200, "a".to_owned()),
        "default knows nothing"
    );
    with("[[ca]]\nname = \"a\"\n[[ca]]\nname = \"b\"\n")
        .await
        .unwrap();
    let named = "ca: there are several CAs: say which, of a, b";
    assert_eq!(meant().await, (400, named.to_owned()));
    with("strict_issuers = true\n[[ca]]\nname = \"a\"\n[[ca]]\nname = \"b\"\n")
        .await
        .unwrap();
    assert_eq!(meant().await, (400, named.to_owned()));
    let answer = json(server.get("/v1/forecast?ca=b&hours=1").await).await;
    assert_eq!(answer["ca"], "b");
}

#[tokio::test]
async fn clients_are_not_told_to_ask_again_during_a_planned_event() {
    let server = observed().await;
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + (90 * DAY - 1)).await;
    // 4.8 to 7.2 hours ahead, of which half an hour is a fifth.
    let (from, to) = (NOW + 5 * HOUR + 2_700, NOW + 6 * HOUR + 900);
    let event = Span { from, to };
    let id: CertId = id.parse().unwrap();
    let asked_during_it = async || {
        let mut during = 0;
        for n in 0..200 {
            server.clock.set(NOW + n);
            let info = server.engine.renewal_info(&id).await.unwrap();
            during += u32::from(event.contains(NOW + n + info.retry_after_seconds));
        }
        during
    };
    assert!(asked_during_it().await > 15);
    let mut planned = config();
    planned.cas[0].planned = vec![Planned {
        span: event,
        certificates: 100_000.0,
    }];
    server.engine.reconfigure(planned).await.unwrap();
    assert_eq!(asked_during_it().await, 0);
}

#[tokio::test]
async fn headroom_and_storms_are_measured() {
    let server = TestServer::start().await;
    let mut config = config();
    // A name of its own: metrics are the process's.
    config.cas[0].name = "measured-forecast".parse().unwrap();
    config.cas[0].capacity = Config::parse(
        "[[ca]]\nname = \"x\"\n[[ca.capacity]]\nfrom = 0\nto = 9999999999\nceiling = 1000\n",
    )
    .unwrap()
    .cas[0]
        .capacity
        .clone();
    config.cas[0].follow_prior = 0.0;
    server.engine.reconfigure(config).await.unwrap();
    let ca: offpeak::domain::policy::ca::CaName = "measured-forecast".parse().unwrap();
    let mut lines = String::new();
    for n in 1..=10 * 24 {
        for (kind, count) in [(Kind::Attempt, 900), (Kind::Failed, 90)] {
            let at = NOW - n * HOUR;
            let report = Observation::plain(at, Source::Ca, kind, count);
            lines += &serde_json::json!({
                "at": report.at, "kind": report.kind, "count": report.count, "seconds": 3_600, "ca": ca,
            })
            .to_string();
            lines.push('\n');
        }
    }
    let answer = server
        .as_admin(Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(lines)
        .send()
        .await
        .unwrap();
    assert_eq!(json(answer).await["rejected"], 0);
    server.engine.catch_up().await.unwrap();
    server.engine.learn();
    server.engine.measure_forecast();
    let answer = server.ask_admin(Method::GET, "/metrics").send().await;
    let metrics = answer.unwrap().text().await.unwrap();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let near = |got: f64, want: f64| assert!((got - want).abs() < 0.01, "{got} is not {want}");
    near(value("offpeak_headroom{ca=\"measured-forecast\"}"), 0.1);
    near(
        value("offpeak_retry_storm{ca=\"measured-forecast\"}"),
        90.0 / 810.0,
    );
    near(
        value("offpeak_retry_storm_growth{ca=\"measured-forecast\"}"),
        1.0,
    );
    let unsteered = "offpeak_expected_per_hour{ca=\"measured-forecast\",kind=\"unsteered\"}";
    assert!((value(unsteered) - 900.0).abs() < 5.0);
}
