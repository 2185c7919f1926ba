//! Twenty replicas on one PostgreSQL, and replicas behind a pooler that hands out connections by transaction.

use sqlx::PgConnection;

use super::*;
use crate::pooler::Pooler;

const REPLICAS: usize = 20;
/// Of each, the fewest there may be.
const CONNECTIONS: usize = 4;
/// What they do is measured for so long.
const MEASURED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_replicas_hardly_load_the_database_by_the_feed() {
    let Some(server) = DatabaseServer::start().await else {
        return;
    };
    let url = format!("{}&connections={CONNECTIONS}", server.url());
    let mut replicas = vec![Server::on(&url)];
    register(&replicas[0].api, 0..50).await;
    while replicas.len() < REPLICAS {
        replicas.push(Server::on(&url));
    }
    for replica in &replicas {
        answer(&replica.api, 7).await;
    }
    // A start asks for more than the feed does later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = server.processor_seconds();
    let started = Instant::now();
    tokio::time::sleep(MEASURED).await;
    let share = (server.processor_seconds() - before) / started.elapsed().as_secs_f64();
    let mut connection = crate::support::beside(&server.url()).await;
    let look = processor_seconds_of_a_look(&server, &mut connection).await;
    // Twice a second each, and before and after it the pool asks whether the connection is alive.
    let by_feed = look * real(REPLICAS) * 2.0 * 3.0;
    let connections: Vec<(i64,)> = sqlx::query_as(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'offpeak/%'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    println!("{share:.4} of a processor, {by_feed:.4} by the feed, {connections:?} connections");
    // One more of each listens.
    let most = i64::try_from(REPLICAS * (CONNECTIONS + 1)).unwrap();
    assert!(connections[0].0 <= most, "{connections:?}");
    assert!(by_feed < 0.05, "{by_feed}");
    // All that they ask at rest; publications are looked for as often, and other tests run beside this one.
    assert!(share < 0.2, "{share}");
    // What one writes all others answer within a second or so.
    register(&replicas[3].api, 50..60).await;
    for replica in &replicas {
        answer(&replica.api, 55).await;
    }
}

/// What the statement costs the database by which the feed is looked at while nothing is new.
async fn processor_seconds_of_a_look(
    server: &DatabaseServer,
    connection: &mut PgConnection,
) -> f64 {
    const LOOKS: usize = 2_000;
    let before = server.processor_seconds();
    for _ in 0..LOOKS {
        let look = "SELECT last, coalesce((
                        SELECT position IS NULL FROM outbox ORDER BY position DESC LIMIT 1
                    ), false), distributed_by IS NOT NULL
                    FROM feed";
        sqlx::query(look).fetch_one(&mut *connection).await.unwrap();
    }
    (server.processor_seconds() - before) / real(LOOKS)
}

fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_serve_behind_a_pooler_that_hands_out_connections_by_transaction() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let Some(pooler) = Pooler::before(&database.url()).await else {
        return;
    };
    let replicas = [Server::on(&pooler.url()), Server::on(&pooler.url())];
    register(&replicas[0].api, 0..300).await;
    register(&replicas[1].api, 300..301).await;
    within(replicas[1].publish()).await;
    for n in [0, 150, 299, 300] {
        assert_eq!(
            answer(&replicas[0].api, n).await,
            answer(&replicas[1].api, n).await
        );
    }
    // The feed tells it, and the hint says when: look-ups are not asked any more.
    for replica in &replicas {
        let (status, degraded) = readiness(&replica.api).await;
        assert_eq!((status, degraded), (200, Vec::new()));
        let log = replica.log();
        assert!(!log.contains("task_failed"), "{log}");
        assert!(!log.contains("prepared statement"), "{log}");
    }
}
