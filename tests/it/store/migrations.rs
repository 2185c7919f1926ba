use super::*;

use offpeak::store::pending;
use sqlx::Connection as _;

/// Those that the binary has.
const NAMES: [&str; 12] = [
    "0001_initial",
    "0002_gateway",
    "0003_outbox",
    "0004_sources",
    "0005_planned",
    "0006_delivery",
    "0007_failures",
    "0008_exports",
    "0009_dimension",
    "0010_replicas",
    "0011_names",
    "0012_tellers",
];

on_both_stores!(
    a_database_from_the_future_is_refused,
    an_empty_database_is_migrated,
    migrating_again_changes_nothing,
    several_may_start_at_once,
);

async fn an_empty_database_is_migrated(url: &str) {
    assert_eq!(pending(url).await.unwrap(), NAMES);
    // Asking created nothing.
    assert_eq!(pending(url).await.unwrap(), NAMES);
    connect(url, Migrations::RefusePending).await.unwrap();
    assert_eq!(pending(url).await.unwrap(), [""; 0]);
}

async fn migrating_again_changes_nothing(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..100)).await;
    let observations = [observation(1)];
    let registration = Registration {
        observations: &observations,
        ..Registration::default()
    };
    store.register(registration).await.unwrap();
    store.create_incident(&incident("kept")).await.unwrap();
    let now = Timestamp::from_unix(START);
    store.note_polls(&[(1, 2)], now).await.unwrap();
    let key = store.hash_key().await.unwrap();
    let before = Reader::load(&*store).await;
    drop(store);
    for migrations in [Migrations::Apply, Migrations::RefusePending] {
        let store = connect(url, migrations).await.unwrap();
        let after = Reader::load(&*store).await;
        assert_eq!(after.certificates, before.certificates);
        assert_eq!(after.batches, before.batches);
        assert_eq!(after.incidents, before.incidents);
        assert_eq!(after.incidents[&1].name, "kept");
        assert_eq!(after.polls, BTreeMap::from([(1, 2)]));
        assert!(store.hash_key().await.unwrap() == key);
    }
}

async fn several_may_start_at_once(url: &str) {
    let mut tasks = Vec::new();
    for serial in 0..6 {
        let url = url.to_owned();
        tasks.push(tokio::spawn(async move {
            register(&*open(&url).await, &[certificate(serial)]).await
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), [Registered::Inserted]);
    }
    assert_eq!(Reader::load(&*open(url).await).await.certificates.len(), 6);
}

async fn a_database_from_the_future_is_refused(url: &str) {
    drop(open(url).await);
    let insert = "INSERT INTO _sqlx_migrations
                  (version, description, success, checksum, execution_time)
                  SELECT 9999, 'tomorrow', success, checksum, execution_time FROM _sqlx_migrations
                  ORDER BY version LIMIT 1";
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::query(insert).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = open_connection(url).await;
        sqlx::query(insert).execute(&mut connection).await.unwrap();
    }
    for error in [
        connect(url, Migrations::Apply).await.unwrap_err(),
        pending(url).await.unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                StoreError::Newer {
                    database: 9999,
                    binary: 12
                }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_postgres_with_pending_migrations_is_refused_by_name() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    // Somebody else's table: the database is not empty, and not ours yet.
    let mut connection = open_connection(&url).await;
    sqlx::query("CREATE TABLE somebody (name text)")
        .execute(&mut connection)
        .await
        .unwrap();
    let error = connect(&url, Migrations::RefusePending).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::PendingMigrations(names) if names[..] == NAMES),
        "{error:?}"
    );
    assert_eq!(pending(&url).await.unwrap(), NAMES);
    connect(&url, Migrations::Apply).await.unwrap();
    connect(&url, Migrations::RefusePending).await.unwrap();
    assert_eq!(pending(&url).await.unwrap(), [""; 0]);
}
