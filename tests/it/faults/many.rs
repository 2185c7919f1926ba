//! Twenty replicas on one PostgreSQL, and replicas behind a pooler that hands out connections by transaction.

use offpeak::store::{Migrations, connect};
use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

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
    let mut connection = crate::support::open_connection(&server.url()).await;
    let counting = "CREATE EXTENSION pg_stat_statements";
    raw_sql(counting).execute(&mut connection).await.unwrap();
    let mut replicas = Vec::new();
    for n in 0..REPLICAS {
        // By a name of its own, so that its connections are told from the others'.
        let role = AssertSqlSafe(format!("CREATE ROLE replica{n} SUPERUSER LOGIN"));
        raw_sql(role).execute(&mut connection).await.unwrap();
        let url = server.url().replace("postgres@", &format!("replica{n}@"));
        replicas.push(Server::on(&format!("{url}&connections={CONNECTIONS}")));
        if n == 0 {
            register(&replicas[0].api, 0..50).await;
        }
    }
    for replica in &replicas {
        answer(&replica.api, 7).await;
    }
    // A start asks for more than the feed does later.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, looked) = (server.processor_seconds(), looks(&mut connection).await);
    let asked = statements(&mut connection).await;
    let started = Instant::now();
    tokio::time::sleep(MEASURED).await;
    let looked = looks(&mut connection).await - looked;
    let asked = statements(&mut connection).await - asked;
    let seconds = started.elapsed().as_secs_f64();
    let share = (server.processor_seconds() - before) / seconds;
    let look = processor_seconds_of_a_look(&server, &mut connection).await;
    // Before and after each the pool may ask whether the connection is alive.
    let by_feed = looked / seconds * look * 3.0;
    println!("{share:.4} of a processor, {by_feed:.4} by the {looked} looks of {seconds:.1} s");
    println!("{asked} statements");
    assert!(looked > 0.0);
    assert!(by_feed < 0.05, "{by_feed}");
    // All that they ask at rest, counted: what it takes of a processor depends on the tests that run beside this one.
    let each = asked / seconds / real(REPLICAS);
    assert!(each < 20.0, "{each} statements a second of each replica");

    // Under load too: what one writes all others know, and nobody has asked them for it.
    let crowd: Vec<_> = (0..200)
        .map(|n: usize| {
            let api = replicas[n % REPLICAS].api.clone();
            let n = u32::try_from(n).unwrap();
            tokio::spawn(async move { register(&api, 50 + n..51 + n).await })
        })
        .collect();
    let mut most = 0;
    while !crowd.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(most_connections(&mut connection).await);
    }
    for one in crowd {
        one.await.unwrap();
    }
    for replica in &replicas {
        until("it knows what all wrote", async || {
            indexed(replica).await == 250
        })
        .await;
    }
    most = most.max(most_connections(&mut connection).await);
    // One more listens.
    println!("{most} connections of one process at most");
    assert!((1..=CONNECTIONS + 1).contains(&most), "{most}");
}

/// How often the feed has been looked at so far, by all.
async fn looks(connection: &mut PgConnection) -> f64 {
    let calls = sqlx::query_scalar(
        "SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements
         WHERE query LIKE '%distributed_by IS NOT NULL%FROM feed%' AND query LIKE '%outbox%'",
    );
    calls.fetch_one(connection).await.unwrap()
}

/// How many statements the replicas have sent so far.
async fn statements(connection: &mut PgConnection) -> f64 {
    let calls = sqlx::query_scalar(
        "SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements
         WHERE userid IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'replica%')",
    );
    calls.fetch_one(connection).await.unwrap()
}

/// The connections of the process that has the most.
async fn most_connections(connection: &mut PgConnection) -> usize {
    let most: i64 = sqlx::query_scalar(
        "SELECT coalesce(max(count), 0) FROM (
             SELECT count(*) FROM pg_stat_activity
             WHERE application_name LIKE 'offpeak/%' GROUP BY usename) AS each",
    )
    .fetch_one(connection)
    .await
    .unwrap();
    usize::try_from(most).unwrap()
}

/// How many certificates a replica knows of without asking.
async fn indexed(replica: &Server) -> u64 {
    let overview = within(replica.api.admin_get("/v1/overview")).await;
    let overview: Value = overview.json().await.unwrap();
    overview["certificates"].as_u64().unwrap()
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
    // The feed tells it, and the hint says when.
    register(&replicas[0].api, 301..310).await;
    for replica in &replicas {
        until("it knows without asking", async || {
            indexed(replica).await == 310
        })
        .await;
        let (status, degraded) = readiness(&replica.api).await;
        assert_eq!((status, degraded), (200, Vec::new()));
        let log = replica.log();
        assert!(!log.contains("task_failed"), "{log}");
        assert!(!log.contains("prepared statement"), "{log}");
    }

    // Who forgets where the database itself is, is told.
    let url = pooler.url();
    let (bare, _) = url.split_once("&direct=").unwrap();
    let error = connect(bare, Migrations::Apply).await.unwrap_err();
    assert!(error.to_string().contains("?direct=HOST:PORT"), "{error}");
}
