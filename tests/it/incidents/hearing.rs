//! When clients hear of an incident, over HTTP.

use super::*;

/// The delay that a client is told that asks so many seconds after an instant.
async fn delay(server: &TestServer, n: u64, at: Timestamp) -> i64 {
    server.clock.set(at);
    let info = server.engine.renewal_info(&certid(n)).await.unwrap();
    info.retry_after_seconds
}

#[tokio::test]
async fn the_next_poll_comes_in_time_for_the_window() {
    let server = TestServer::start().await;
    register(&server, 0..20).await;
    // Of a window that nothing moved.
    let usual = window(&server, 19).await;
    let half = usual.seconds() / 2;
    let late = |delay: i64| delay >= 5 * HOUR - 30 * 60;
    assert!(late(delay(&server, 19, usual.from - 2 * DAY).await));
    for before in [6 * HOUR, 3 * HOUR, 32] {
        let report = delay(&server, 19, usual.from - before).await;
        assert!((60..=before + half).contains(&report), "{before}: {report}");
    }
    assert!(delay(&server, 19, usual.from + 1).await < half);
    assert_eq!(delay(&server, 19, usual.to - 1).await, 60);
    assert!(late(delay(&server, 19, usual.to).await));

    // Of one that an incident moved, also when it is over, until the incident is closed.
    server.clock.set(NOW);
    let incident = revocation(&server, 0..10).await;
    open(&server, &incident).await;
    let moved = window(&server, 0).await;
    let half = moved.seconds() / 2;
    assert!(delay(&server, 0, moved.from - 32).await <= 32 + half);
    assert_eq!(delay(&server, 0, moved.to + HOUR).await, 60);
    answer(
        patch(&server, &incident, json!({ "state": "closed" })).await,
        200,
    )
    .await;
    assert!(late(delay(&server, 0, moved.to + HOUR).await));
}

#[tokio::test]
async fn an_opening_says_how_many_cannot_learn_of_it() {
    let server = TestServer::start().await;
    register(&server, 0..40).await;
    // Half of them ask, and are sent away for hours.
    windows(&server, 0..20).await;
    let members = json!({ "kind": "revocation", "urgent": true, "renewBy": NOW + HOUR });
    let incident = draft(&server, members).await;
    load(&server, &incident, 0..40).await;
    let rehearsal = json!({ "state": "open", "dryRun": true });
    let would = answer(patch(&server, &incident, rehearsal).await, 200).await;
    assert_eq!(would["plan"]["tooLate"], 20, "{would}");
    assert_eq!(would["plan"]["silent"], 20, "{would}");
    let opened = open(&server, &incident).await;
    assert_eq!(opened["plan"]["tooLate"], 20, "{opened}");
    assert_eq!(opened["plan"]["silent"], 20, "{opened}");
    // What has been moved is not counted once more.
    let again = open(&server, &incident).await;
    assert_eq!(again["plan"]["tooLate"], 0, "{again}");
}
