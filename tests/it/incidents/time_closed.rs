//! Outages and maintenance: time in which nothing is to start.

use super::*;

/// A span of two days in which windows of registered certificates lie.
async fn busy_span(server: &TestServer) -> Span {
    let first = windows(server, 0..2_000)
        .await
        .into_iter()
        .map(|window| window.from)
        .min()
        .unwrap();
    Span {
        from: first + 2 * DAY,
        to: first + 4 * DAY,
    }
}

fn inside(windows: &[Span], span: Span) -> usize {
    let overlaps = |window: &&Span| window.overlap_seconds(span) > 0;
    windows.iter().filter(overlaps).count()
}

/// What its ranking says is to be avoided.
async fn avoided(server: &TestServer) -> Vec<Value> {
    server.engine.publish().await.unwrap();
    let ranking = server.get("/ca/example/ranking.json").await;
    let ranking: Value = ranking.json().await.unwrap();
    ranking["avoid"].as_array().unwrap().clone()
}

#[tokio::test]
async fn nothing_starts_inside_a_maintenance() {
    let server = TestServer::start().await;
    register(&server, 0..2_000).await;
    let closed = busy_span(&server).await;
    let before = windows(&server, 0..2_000).await;
    let missed = inside(&before, closed);
    assert!(missed > 50, "{missed} windows to be moved");
    let members = json!({ "kind": "maintenance", "from": closed.from, "to": closed.to });
    let incident = draft(&server, members).await;
    let opened = open(&server, &incident).await;
    assert_eq!(opened["moved"], missed);
    assert_eq!(opened["affected"], missed);
    let after = windows(&server, 0..2_000).await;
    assert_eq!(inside(&after, closed), 0);
    for (before, after) in before.iter().zip(&after) {
        assert!(
            before == after || before.overlap_seconds(closed) > 0,
            "those beside it stay: {before:?} {after:?}"
        );
    }
    let sooner = after
        .iter()
        .zip(&before)
        .filter(|(a, b)| a.from < b.from)
        .count();
    assert!(
        sooner * 2 > missed,
        "preferring sooner: {sooner} of {missed}"
    );
    // Those who come in now keep out of it as well.
    let mut body = String::new();
    let not_before = closed.from - 60 * DAY;
    for n in 5_000..6_000 {
        let line = json!({
            "certId": certid(n), "notBefore": not_before, "notAfter": not_before + (90 * DAY - 1),
            "issuedAt": not_before,
        });
        writeln!(body, "{line}").unwrap();
    }
    answer(bulk(&server, "/v1/certificates", body).await, 200).await;
    assert_eq!(inside(&windows(&server, 5_000..6_000).await, closed), 0);
    // And so does the ranking.
    let report = avoided(&server).await;
    assert!(
        closed.from > NOW + 30 * DAY
            || report.iter().any(|span| {
                span["from"] == closed.from.to_string() && span["reason"] == "maintenance"
            }),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_recurring_maintenance_is_kept_free_every_time() {
    let server = TestServer::start().await;
    register(&server, 0..2_000).await;
    let members = json!({
        "kind": "maintenance", "from": NOW, "to": NOW + 2 * HOUR,
        "cron": "0 3 * * *", "timeZone": "Europe/Prague",
    });
    let incident = draft(&server, members).await;
    let before = windows(&server, 0..2_000).await;
    let night = |window: &&Span| {
        // In November and after the clocks are at UTC + 1.
        (2 * HOUR..4 * HOUR).contains(&window.from.second_of_day())
    };
    let first_summer: Timestamp = "2027-03-28T00:00:00Z".parse().unwrap();
    assert!(before.iter().all(|window| window.to < first_summer));
    assert!(before.iter().filter(night).count() > 20);
    let opened = open(&server, &incident).await;
    assert!(opened["moved"].as_u64().unwrap() > 20, "{opened}");
    assert_eq!(
        windows(&server, 0..2_000)
            .await
            .iter()
            .filter(night)
            .count(),
        0
    );
}

#[tokio::test]
async fn an_outage_that_is_partly_over_says_so_with_a_note() {
    let server = TestServer::start().await;
    register(&server, 0..2_000).await;
    // The outage begins when windows lie ahead; its end is not known.
    let busy = busy_span(&server).await;
    server.clock.set(busy.from + 600);
    let incident = draft(&server, json!({ "kind": "outage", "from": busy.from })).await;
    let before = windows(&server, 0..2_000).await;
    let opened = open(&server, &incident).await;
    assert_eq!(
        (&opened["state"], &opened["to"]),
        (&json!("open"), &Value::Null)
    );
    assert!(opened["moved"].as_u64().unwrap() > 0);
    let ahead = Span {
        from: busy.from,
        to: busy.from + 7 * HOUR,
    };
    assert!(inside(&before, ahead) > 0);
    assert_eq!(inside(&windows(&server, 0..2_000).await, ahead), 0);
    let report = avoided(&server).await;
    assert_eq!(
        (&report[0]["from"], &report[0]["reason"]),
        (&json!(busy.from.to_string()), &json!("outage"))
    );

    let note = "those with valid authorizations can be served";
    let end = busy.from + 9 * HOUR;
    let members = json!({ "state": "partial", "note": note, "estimatedEnd": end });
    let partial = answer(patch(&server, &incident, members).await, 200).await;
    assert_eq!(
        (&partial["state"], &partial["note"]),
        (&json!("partial"), &json!(note))
    );
    assert_eq!(time(&partial["estimatedEnd"]), end);
    let shown = show(&server, &incident).await;
    assert_eq!(
        (&shown["state"], &shown["note"]),
        (&json!("partial"), &json!(note))
    );
    let last = shown["steps"].as_array().unwrap().last().unwrap();
    assert!(last["what"].as_str().unwrap().contains(note), "{last}");

    // Its end comes later than was thought: late enough that windows lie there for any key.
    let over = busy.from + 30 * HOUR;
    server.clock.set(over);
    let missed = inside(
        &windows(&server, 0..2_000).await,
        Span {
            from: busy.from,
            to: over,
        },
    );
    assert!(missed > 0, "windows opened that the estimate left out");
    let closed = patch(&server, &incident, json!({ "state": "closed" })).await;
    let closed = answer(closed, 200).await;
    assert_eq!(
        (time(&closed["to"]), &closed["state"]),
        (over, &json!("closed"))
    );
    let after = windows(&server, 0..2_000).await;
    let during = Span {
        from: busy.from,
        to: over,
    };
    assert_eq!(
        inside(&after, during),
        0,
        "what it missed is spread over the time after it"
    );
}

#[tokio::test]
async fn an_outage_that_lasts_is_planned_again_without_being_asked() {
    let server = TestServer::start().await;
    register(&server, 0..2_000).await;
    let busy = busy_span(&server).await;
    server.clock.set(busy.from + 600);
    let incident = draft(&server, json!({ "kind": "outage", "from": busy.from })).await;
    let opened = open(&server, &incident).await;
    server.engine.replan_outages().await.unwrap();
    assert_eq!(show(&server, &incident).await["steps"], opened["steps"]);
    let later = busy.from + 20 * HOUR;
    server.clock.set(later);
    server.engine.replan_outages().await.unwrap();
    let again = show(&server, &incident).await;
    assert!(
        again["moved"].as_u64() > opened["moved"].as_u64(),
        "{again}"
    );
    let ahead = Span {
        from: later,
        to: later + 7 * HOUR,
    };
    assert_eq!(inside(&windows(&server, 0..2_000).await, ahead), 0);
    let steps = again["steps"].as_array().unwrap().len();
    server.engine.replan_outages().await.unwrap();
    let idle = show(&server, &incident).await;
    assert_eq!(
        idle["steps"].as_array().unwrap().len(),
        steps,
        "nothing is due"
    );
}
