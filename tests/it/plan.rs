//! `/v1/plan` and `offpeak plan`: a time for each certificate of a fleet.

use std::collections::BTreeMap;

use offpeak::domain::time::{DAY, HOUR, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::{INGEST, NOW, TestServer, config, json};

mod command;
mod deadlines;
mod failing;
mod lists;
mod server;

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

async fn asked(server: &TestServer, request: &Value) -> (StatusCode, Value) {
    let answer = server
        .as_admin(Method::POST, "/v1/plan")
        .json(request)
        .send()
        .await
        .unwrap();
    (answer.status(), json(answer).await)
}

#[tokio::test]
async fn a_server_plans_a_fleet_over_its_own_forecast() {
    let server = TestServer::start().await;
    let (status, plan) = asked(&server, &json!({"count": 1_500, "seed": "a"})).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(
        plan,
        asked(&server, &json!({"count": 1_500, "seed": "a"}))
            .await
            .1
    );
    assert_eq!(plan["limits"]["asOf"], "2026-08-05");
    let two_days = (NOW + 2 * DAY).to_string();
    let request = json!({"count": 1_500, "deadline": two_days, "limits": "none",
        "allow": "22:00-06:00", "tz": "Europe/Prague", "maxConcurrent": 20, "orderSeconds": 30});
    let (status, plan) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    assert_eq!(plan["ca"], "example");
    assert_eq!(plan["count"], 1_500);
    assert_eq!(plan["limits"], json!({"name": "none"}));
    let mut hours: BTreeMap<i64, u32> = BTreeMap::new();
    for item in plan["items"].as_array().unwrap() {
        let at = instant(&item["at"]);
        assert!(at > NOW && at < NOW + 2 * DAY);
        // Prague is an hour ahead: from 21:00 to 05:00.
        let hour = at.second_of_day() / HOUR;
        assert!(!(5..21).contains(&hour), "{at}");
        *hours.entry(at.slot(HOUR)).or_default() += 1;
    }
    // Nothing is known of the hours: 16 of them alike.
    assert_eq!(hours.len(), 16);
    assert!(
        hours.values().all(|count| (92..=96).contains(count)),
        "{hours:?}"
    );
    // It is 10:00 UTC: nothing is to begin now.
    assert_eq!(
        (&plan["pace"], &plan["admit"]),
        (&json!(0.0), &json!(false))
    );
    assert_eq!(plan["wait"], "nothing is planned in this slot");
}

#[tokio::test]
async fn a_refusal_names_the_limit_who_misses_and_what_would_do() {
    let server = TestServer::start().await;
    let items: Vec<Value> = (0..400)
        .map(|n| json!({"id": format!("shop-{n}"), "names": [format!("s{n}.example")]}))
        .collect();
    let deadline = (NOW + 30 * 60).to_string();
    let request = json!({"items": items, "deadline": deadline, "account": "acme-1"});
    let (status, problem) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&json!("about:blank"), &json!(422))
    );
    let refusal = &problem["refusal"];
    assert_eq!(refusal["limit"], "new orders per account");
    // 300 at once and one each 36 s of the 1,798 s behind the first.
    assert_eq!(refusal["misses"], 400 - 300 - 49);
    assert!(refusal["missing"][0].as_str().unwrap().starts_with("shop-"));
    assert_eq!(
        refusal["changes"][0],
        json!({"change": "accounts", "to": 2})
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("300 be in 3 h (letsencrypt, 2026-08-05)"),
        "{detail}"
    );
    assert!(
        detail.contains("spread the fleet over 2 accounts"),
        "{detail}"
    );
    // The deadline that it proposes does.
    let deadline = &refusal["changes"].as_array().unwrap().last().unwrap()["to"];
    let request = json!({"items": request["items"], "deadline": deadline, "account": "acme-1"});
    let (status, plan) = asked(&server, &request).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    // Renewals that name what they replace are exempt.
    let mut by_ari = request.clone();
    by_ari["deadline"] = json!(NOW + 30 * 60);
    for item in by_ari["items"].as_array_mut().unwrap() {
        item["ari"] = json!(true);
    }
    by_ari["deadline"] = json!((NOW + 30 * 60).to_string());
    assert_eq!(asked(&server, &by_ari).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_registered_certificate_is_planned_into_its_window() {
    let server = TestServer::start().await;
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    server.register(id, NOW, NOW + 90 * DAY).await;
    let info = json(server.get(&format!("/renewal-info/{id}")).await).await;
    let (status, plan) = asked(&server, &json!({"items": [{"certId": id}]})).await;
    assert_eq!(status, StatusCode::OK, "{plan}");
    let item = &plan["items"][0];
    assert_eq!(item["certId"], id);
    let at = instant(&item["at"]);
    let window = &info["suggestedWindow"];
    assert!(
        instant(&window["start"]) <= at && at < instant(&window["end"]),
        "{at} {window}"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let server = TestServer::start().await;
    for (request, status, detail) in [
        (json!({}), 400, "give one of items and count"),
        (json!({"count": 0}), 400, "items: there is no certificate"),
        (
            json!({"count": 2_000_000}),
            400,
            "items: there are 1000001, 1000000 are the most",
        ),
        (
            json!({"count": 1, "deadlin": 1}),
            400,
            "unknown field `deadlin`",
        ),
        (
            json!({"count": 1, "deadline": "2020-01-01T00:00:00Z"}),
            400,
            "deadline: 2020",
        ),
        (
            json!({"count": 1, "maxRate": 0}),
            400,
            "maxRate: 0 is less than one a day",
        ),
        (
            json!({"count": 1, "maxConcurrent": 0}),
            400,
            "maxConcurrent: it has to be 1",
        ),
        (
            json!({"count": 1, "limits": "zerossl"}),
            400,
            "limits: \"zerossl\" is neither",
        ),
        (
            json!({"count": 1, "allow": "8"}),
            400,
            "allow: \"8\" is no span",
        ),
        (
            json!({"count": 1, "tz": "Prag"}),
            400,
            "tz: \"Prag\" is no time zone",
        ),
        (json!({"items": [{"names": [""]}]}), 400, "items[0].names:"),
        (
            json!({"items": [{"names": ["a.example"]}, {
                "names": ["b.example"], "notBefore": "2026-11-01T00:00:00Z", "notAfter": "2036-11-01T00:00:00Z",
            }]}),
            400,
            "items[1]: its time comes after the 366 days that are planned ahead",
        ),
        (
            json!({"count": 1, "ca": "nobody"}),
            404,
            "no CA is named \"nobody\"",
        ),
    ] {
        let (got, problem) = asked(&server, &request).await;
        assert_eq!(got.as_u16(), status, "{request}: {problem}");
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains(detail), "{request}: {said}");
    }
    let ingest = server
        .ask_admin(Method::POST, "/v1/plan")
        .bearer_auth(INGEST);
    let ingest = ingest.json(&json!({"count": 1}));
    assert_eq!(ingest.send().await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_older_catalogue_can_be_given_and_stops_workers_at_five_sixths() {
    let server = TestServer::on("sqlite::memory:", config()).await;
    let limits = json!({"name": "2018", "asOf": "2018-07-10", "source": "archive",
        "limits": [{"name": "pending authorizations", "scope": "pending", "count": 300}]});
    for (in_flight, admit) in [(249, true), (250, false)] {
        let request = json!({"count": 200_000, "limits": limits, "inFlight": in_flight,
            "orderSeconds": 3600});
        let (status, plan) = asked(&server, &request).await;
        assert_eq!(status, StatusCode::OK, "{plan}");
        assert_eq!(plan["admit"], admit, "{in_flight}: {}", plan["wait"]);
        assert_eq!(plan["limits"]["asOf"], "2018-07-10");
    }
}
