//! The life of a revocation, over HTTP.

use super::*;
use crate::server::config;
use crate::support::databases;

#[tokio::test]
async fn a_revocation_moves_each_window_once_within_budget_and_before_its_deadline() {
    for database in databases().await {
        let server = TestServer::on(&database.url(), config()).await;
        register(&server, 0..5_000).await;
        let before = windows(&server, 0..5_000).await;
        let budget = 400;
        let members = json!({
            "kind": "revocation", "renewBy": NOW + DAY, "explanationURL": URL,
            "budgetPerHour": budget,
        });
        let incident = draft(&server, members).await;
        let report = load(&server, &incident, 0..4_000).await;
        assert_eq!(
            (&report["accepted"], &report["unregistered"]),
            (&json!(4_000), &json!(0))
        );
        assert_eq!(show(&server, &incident).await["affected"], 4_000);
        assert_eq!(
            windows(&server, 0..5_000).await,
            before,
            "a draft moves nothing"
        );

        let rehearsal = json!({ "state": "open", "dryRun": true });
        let would = answer(patch(&server, &incident, rehearsal).await, 200).await;
        assert_eq!(would["dryRun"], true);
        assert!(would["plan"]["toMove"].as_u64().unwrap() > 3_800, "{would}");
        let moved: f64 = would["plan"]["hours"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hour| hour["moved"].as_f64().unwrap())
            .sum();
        let to_move = would["plan"]["toMove"].as_f64().unwrap();
        assert!(
            (moved - to_move).abs() < 5.0,
            "{moved} in the hours of {to_move}"
        );
        assert_eq!(
            windows(&server, 0..5_000).await,
            before,
            "a dry run moves nothing"
        );
        assert_eq!(show(&server, &incident).await["state"], "draft");

        let opened = open(&server, &incident).await;
        assert_eq!(opened["state"], "open");
        assert_eq!(opened["moved"], would["plan"]["toMove"]);
        let after = windows(&server, 0..5_000).await;
        assert_eq!(
            after[4_000..],
            before[4_000..],
            "only those that were named"
        );
        let earliest = NOW + 6 * HOUR;
        let mut moved = Vec::new();
        for (before, after) in before.iter().zip(&after).filter(|(a, b)| a != b) {
            assert!(after.to <= NOW + DAY && after.from >= earliest, "{after:?}");
            assert!(after.from < before.from, "only earlier");
            moved.push(*after);
        }
        assert_eq!(moved.len() as u64, opened["moved"].as_u64().unwrap());
        // What is drawn is a chance: the budget, and three times its root.
        for (hour, count) in starts(&moved) {
            assert!(count <= budget + 60, "{count} in hour {hour}");
        }

        // Once, and never again.
        let again = open(&server, &incident).await;
        assert_eq!(again["plan"]["toMove"], 0, "{again}");
        assert_eq!(again["moved"], opened["moved"]);
        assert_eq!(windows(&server, 0..5_000).await, after);
    }
}

#[tokio::test]
async fn clients_read_why_and_caches_keep_nothing() {
    let server = TestServer::start().await;
    register(&server, 0..20).await;
    let incident = revocation(&server, 0..10).await;
    let ask = |n| {
        let server = &server;
        async move {
            let path = format!("/renewal-info/{}", certid(n));
            let answer = server.get(&path).await;
            let cache = answer.headers()["cache-control"]
                .to_str()
                .unwrap()
                .to_owned();
            let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            (cache, body)
        }
    };
    let (cache, body) = ask(0).await;
    assert!(cache.starts_with("public"), "{cache}");
    assert_eq!(body.get("explanationURL"), None);
    open(&server, &incident).await;
    let (cache, body) = ask(0).await;
    assert_eq!(
        (cache.as_str(), &body["explanationURL"]),
        ("no-cache", &json!(URL))
    );
    let (cache, body) = ask(15).await;
    assert_eq!(cache, "no-cache", "whoever may be named next asks again");
    assert_eq!(body.get("explanationURL"), None);
    let shown = show(&server, &incident).await;
    assert_eq!(
        (&shown["polledSince"], &shown["replaced"]),
        (&json!(1), &json!(0))
    );
    let replaced = format!("/v1/certificates/{}/replaced", certid(1));
    let by = json!({ "by": certid(500) });
    answer(send(&server, Method::POST, &replaced, &by).await, 200).await;
    assert_eq!(show(&server, &incident).await["replaced"], 1);

    // The draw can be repeated from what is stored.
    let path = format!("/v1/certificates/{}", certid(2));
    let explained = server.as_admin(Method::GET, &path).send().await.unwrap();
    let explained = answer(explained, 200).await;
    assert_eq!(explained["derivationMatches"], true, "{explained}");
    assert_eq!(explained["cause"]["event"], "incident");
    assert_eq!(explained["cause"]["number"], incident["id"]);
    assert_eq!(explained["cause"]["kind"], "revocation");

    let moved = window(&server, 0).await;
    let closed = patch(&server, &incident, json!({ "state": "closed" })).await;
    assert_eq!(answer(closed, 200).await["state"], "closed");
    let (cache, body) = ask(0).await;
    assert!(cache.starts_with("public"), "{cache}");
    assert_eq!(body.get("explanationURL"), None);
    assert_eq!(window(&server, 0).await, moved, "windows stay");
}

#[tokio::test]
async fn a_budget_that_does_not_fit_is_refused_with_one_that_does() {
    let server = TestServer::start().await;
    register(&server, 0..3_000).await;
    let members = json!({ "kind": "drill", "renewBy": NOW + DAY, "budgetPerHour": 20 });
    let incident = draft(&server, members).await;
    load(&server, &incident, 0..3_000).await;
    let before = windows(&server, 0..3_000).await;
    let refused = patch(&server, &incident, json!({ "state": "open" })).await;
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    let refused = answer(refused, 409).await;
    let budget = refused["smallestBudgetPerHour"].as_i64().unwrap();
    let renew_by = time(&refused["earliestRenewBy"]);
    assert!(budget > 100 && renew_by > NOW + DAY, "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&budget.to_string()), "{detail}");
    assert_eq!(show(&server, &incident).await["state"], "draft");
    assert_eq!(windows(&server, 0..3_000).await, before);
    // Each of the remedies would do.
    for remedy in [
        json!({ "budgetPerHour": budget }),
        json!({ "renewBy": renew_by }),
        json!({ "overBudget": true }),
    ] {
        let mut members = remedy.clone();
        members["state"] = json!("open");
        members["dryRun"] = json!(true);
        let would = answer(patch(&server, &incident, members).await, 200).await;
        assert!(
            would["plan"]["toMove"].as_u64().unwrap() > 2_500,
            "{remedy}: {would}"
        );
    }
}

#[tokio::test]
async fn certificates_that_are_not_registered_are_kept_until_they_are() {
    let server = TestServer::start().await;
    register(&server, 0..10).await;
    let incident = revocation(&server, 0..5).await;
    let stranger = json!({ "certId": "AAAA.AQ" });
    let serial =
        json!({ "serial": "40:00:00:00:00:00:00:00:05", "issuer": "aYhba4dGQEHhs3uEe6CuLN4ByNQ" });
    let body = format!(
        "{stranger}\n{serial}\n{}\n{}\nnonsense\n",
        json!({ "certId": certid(77) }),
        json!({ "certId": certid(0) })
    );
    let path = format!("/v1/incidents/{}/certificates", incident["id"]);
    let report = answer(bulk(&server, &path, body).await, 200).await;
    let counts = ["accepted", "unchanged", "rejected", "unregistered"].map(|key| &report[key]);
    assert_eq!(
        counts,
        [&json!(2), &json!(1), &json!(2), &json!(1)],
        "{report}"
    );
    assert_eq!(report["errors"][0]["field"], "issuer");
    assert_eq!(show(&server, &incident).await["affected"], 7);
    let moved = open(&server, &incident).await["moved"].as_u64().unwrap();
    register(&server, 77..78).await;
    let normal = window(&server, 77).await;
    assert!(
        normal.from > NOW + DAY,
        "one that comes in gets a normal window"
    );
    let again = open(&server, &incident).await;
    assert_eq!(again["moved"], moved + 1, "{again}");
    assert!(window(&server, 77).await.to <= NOW + DAY);
}

#[tokio::test]
async fn what_polls_have_shown_of_a_client_stays_true_when_its_window_moves() {
    let server = TestServer::start().await;
    register(&server, 0..500).await;
    for n in 0..500 {
        server.engine.renewal_info(&certid(n)).await.unwrap();
    }
    // Who asks is told from who does not a day and two hours later.
    server.clock.set(NOW + 27 * HOUR);
    server.engine.sweep();
    server.clock.set(NOW);
    let incident = revocation(&server, 0..500).await;
    assert_eq!(open(&server, &incident).await["moved"], 500);
    let outlook = server.engine.outlook(&"example".parse().unwrap()).await;
    let outlook = outlook.unwrap().unwrap();
    let until_deadline = outlook.within(26).iter();
    let steered: f64 = until_deadline.map(|slot| slot.load.steered).sum();
    // Of those of which nothing is known three in ten are taken to follow.
    assert!((450.0..=500.0).contains(&steered), "{steered}");
}

#[tokio::test]
async fn errors_name_the_field_and_the_reason() {
    let server = TestServer::start().await;
    for (members, want) in [
        (json!({}), "`renewBy` is missing"),
        (json!({ "renewBy": NOW - 1 }), "`renewBy`"),
        (
            json!({ "renewBy": NOW + DAY, "from": NOW }),
            "`from` says nothing for a revocation",
        ),
        (
            json!({ "renewBy": NOW + DAY, "explanationURL": "ftp://x" }),
            "`explanationURL`",
        ),
        (
            json!({ "renewBy": NOW + DAY, "ca": "nobody" }),
            "`ca` \"nobody\"",
        ),
        (
            json!({ "renewBy": NOW + DAY, "colour": 1 }),
            "\"colour\" is unknown",
        ),
    ] {
        let mut body = json!({ "kind": "revocation", "ca": "example", "name": "x" });
        body.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let problem = send(&server, Method::POST, "/v1/incidents", &body).await;
        let problem = answer(problem, 400).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(want), "{members}: {detail}");
    }
    let incident = revocation(&server, 0..1).await;
    answer(
        patch(&server, &incident, json!({ "state": "partial" })).await,
        409,
    )
    .await;
    open(&server, &incident).await;
    answer(
        patch(&server, &incident, json!({ "renewBy": NOW + 2 * DAY })).await,
        409,
    )
    .await;
    let outage = draft(&server, json!({ "kind": "outage", "from": NOW })).await;
    let path = format!("/v1/incidents/{}/certificates", outage["id"]);
    answer(bulk(&server, &path, String::new()).await, 409).await;
    let nowhere = json!({ "id": 99 });
    answer(patch(&server, &nowhere, json!({ "note": "x" })).await, 404).await;
}

/// An hour in which the CA refuses, by what its log shows.
#[tokio::test]
async fn nobody_is_moved_into_an_hour_that_fails() {
    let server = TestServer::start().await;
    register(&server, 0..2_000).await;
    let load = crate::load::failing_in(21, NOW);
    let report = answer(bulk(&server, "/v1/observations", load).await, 200).await;
    assert_eq!(report["rejected"], 0, "{report}");
    server.engine.catch_up().await.unwrap();
    server.engine.learn();
    let incident = revocation(&server, 0..1_500).await;
    let rehearsal = json!({ "state": "open", "dryRun": true });
    let would = answer(patch(&server, &incident, rehearsal).await, 200).await;
    let moved_at = |hour: i64| -> f64 {
        let of = would["plan"]["hours"].as_array().unwrap().iter();
        let of = of.filter(|one| {
            let from: Timestamp = one["from"].as_str().unwrap().parse().unwrap();
            from.second_of_day() / HOUR == hour
        });
        of.map(|one| one["moved"].as_f64().unwrap()).sum()
    };
    assert!(moved_at(18) > 10.0 && moved_at(0) > 10.0, "{would}");
    assert!(moved_at(21) < 1e-6, "{would}");
}
