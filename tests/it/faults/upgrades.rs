//! Replicas of two versions on one database.

use sqlx::raw_sql;

use super::*;

fn migrate(url: &str) -> String {
    run(offpeak().args(["migrate", "--database", url]))
}

/// What a migration of a later version may do under replicas of this one: add.
const LATER: &str = "
    ALTER TABLE certificates ADD COLUMN later bigint DEFAULT 7;
    ALTER TABLE observations ADD COLUMN later bigint;
    ALTER TABLE batches ADD COLUMN later text DEFAULT 'x';
    ALTER TABLE incidents ADD COLUMN later text;
    ALTER TABLE documents ADD COLUMN later bytea;
    CREATE TABLE later (number bigint PRIMARY KEY);
    CREATE INDEX later_certificates ON certificates (later);
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    SELECT 9999, 'later', true, checksum, 0 FROM _sqlx_migrations WHERE version = 1";

#[tokio::test(flavor = "multi_thread")]
async fn several_may_migrate_while_replicas_serve() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    // All find it empty.
    let starting: Vec<_> = (0..3)
        .map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || Server::on(&url))
        })
        .collect();
    let mut replicas = Vec::new();
    for replica in starting {
        replicas.push(within(replica).await.unwrap());
    }
    register(&replicas[0].api, 0..10).await;
    let migrating: Vec<_> = (0..3)
        .map(|_| {
            let url = url.clone();
            tokio::task::spawn_blocking(move || migrate(&url))
        })
        .collect();
    register(&replicas[1].api, 10..20).await;
    for migration in migrating {
        within(migration).await.unwrap();
    }
    for n in 0..20 {
        assert_eq!(
            answer(&replicas[1].api, n).await,
            answer(&replicas[2].api, n).await
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_go_on_under_a_later_version_s_migration() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    let replicas = [Server::on(&url), Server::on(&url)];
    // Statements are prepared now, and have to fit afterwards.
    for (replica, from) in replicas.iter().zip([0, 10]) {
        register(&replica.api, from..from + 9).await;
        register(&replica.api, from + 9..from + 10).await;
    }
    let mut operator = crate::support::open_connection(&url).await;
    // One at a time: a transaction that locks several tables and a reader of the feed, who goes
    // through them in another order, may stand in each other's way.
    for statement in LATER.split(';') {
        raw_sql(statement).execute(&mut operator).await.unwrap();
    }
    for (replica, from) in replicas.iter().zip([20, 30]) {
        register(&replica.api, from..from + 9).await;
        register(&replica.api, from + 9..from + 10).await;
        within(replica.publish()).await;
    }
    for n in 0..40 {
        assert_eq!(
            answer(&replicas[0].api, n).await,
            answer(&replicas[1].api, n).await
        );
    }
    for replica in &replicas {
        let (status, degraded) = readiness(&replica.api).await;
        assert_eq!((status, degraded), (200, Vec::new()));
    }
}
