//! Several processes, one incident.

use std::sync::Arc;

use offpeak::domain::certificate::Cause;

use super::*;
use crate::server::config;
use crate::support::databases;

#[tokio::test]
async fn another_replica_answers_the_moved_window_and_why() {
    for database in databases().await {
        let opening = TestServer::on(&database.url(), config()).await;
        let following = TestServer::on(&database.url(), config()).await;
        register(&opening, 0..300).await;
        following.engine.catch_up().await.unwrap();
        let incident = revocation(&opening, 0..300).await;
        open(&opening, &incident).await;
        following.engine.catch_up().await.unwrap();
        assert_eq!(
            windows(&following, 0..300).await,
            windows(&opening, 0..300).await
        );
        let answered = following.get(&format!("/renewal-info/{}", certid(0))).await;
        assert_eq!(answered.headers()["cache-control"], "no-cache");
        let info: Value = answered.json().await.unwrap();
        assert_eq!(info["explanationURL"], URL);
        assert_eq!(
            time(&info["suggestedWindow"]["start"]),
            window(&opening, 0).await.from
        );
        // Whoever opens it as well moves nothing.
        let after = windows(&opening, 0..300).await;
        let again = open(&following, &incident).await;
        assert_eq!(again["plan"]["toMove"], 0, "{again}");
        opening.engine.catch_up().await.unwrap();
        assert_eq!(windows(&opening, 0..300).await, after);
    }
}

#[tokio::test]
async fn two_that_open_it_at_once_move_each_window_once() {
    for database in databases().await {
        let servers = [
            TestServer::on(&database.url(), config()).await,
            TestServer::on(&database.url(), config()).await,
        ];
        register(&servers[0], 0..3_000).await;
        servers[1].engine.catch_up().await.unwrap();
        let incident = revocation(&servers[0], 0..3_000).await;
        let (a, b) = tokio::join!(open(&servers[0], &incident), open(&servers[1], &incident));
        for server in &servers {
            server.engine.catch_up().await.unwrap();
        }
        let store = servers[0].engine.store();
        let rows = store
            .certificates_in(&offpeak::store::IdRange::ALL, 4_000)
            .await
            .unwrap();
        let moved = rows
            .iter()
            .filter(|row| row.cause != Cause::Registration)
            .count();
        assert!(moved > 2_800, "{moved} of {}", rows.len());
        let shown = show(&servers[0], &incident).await;
        assert_eq!(shown["moved"], moved, "{a} {b} {shown}");
        assert_eq!(
            windows(&servers[0], 0..3_000).await,
            windows(&servers[1], 0..3_000).await
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serving_goes_on_while_windows_move() {
    let server = Arc::new(TestServer::start().await);
    register(&server, 0..8_000).await;
    let incident = revocation(&server, 0..8_000).await;
    let before = server.engine.store().queries_run();
    let opening = tokio::spawn({
        let server = Arc::clone(&server);
        async move { open(&server, &incident).await }
    });
    let mut answers = 0_u64;
    while !opening.is_finished() {
        let info = server.engine.renewal_info(&certid(answers % 8_000)).await;
        assert!(info.unwrap().window.to > NOW);
        answers += 1;
        tokio::task::yield_now().await;
    }
    let opened = opening.await.unwrap();
    assert!(opened["moved"].as_u64().unwrap() > 7_000, "{opened}");
    assert!(answers > 1_000, "{answers} answers while windows moved");
    let queries = server.engine.store().queries_run() - before;
    assert!(queries < 500, "{queries} queries: answers ran some");
}
