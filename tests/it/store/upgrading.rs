//! From the schema before the outbox to this one, with rows in it, while processes of both versions run.
//! The other version is its statements, word for word: by its rows it is told what this one writes.

use offpeak::domain::certificate::Successor;
use offpeak::store::{BatchKey, ClosedBatch, finish};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};

use super::*;

const SCHEMA: [&str; 2] = [
    include_str!("../../../migrations/postgres/0001_initial.sql"),
    include_str!("../../../migrations/postgres/0002_gateway.sql"),
];

/// A process of the version before the outbox.
struct Earlier {
    connection: PgConnection,
    place: String,
}

impl Earlier {
    async fn on(url: &str) -> Self {
        let options = crate::support::behind(url);
        let options = options.application_name("offpeak");
        let mut earlier = Self {
            connection: PgConnection::connect_with(&options).await.unwrap(),
            place: String::new(),
        };
        earlier.place = earlier.next_place().await;
        earlier
    }

    async fn run(&mut self, statements: &str) {
        raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// Where it reads on: it is told twice what was written while some transaction was open, and `PostgreSQL`'s own
    /// upkeep opens them too. So that a test can count, this waits until none is.
    async fn next_place(&mut self) -> String {
        for _ in 0..1_200 {
            let (first, end): (String, String) = sqlx::query_as(
                "SELECT pg_snapshot_xmin(now.it)::text, pg_snapshot_xmax(now.it)::text
                 FROM (SELECT pg_current_snapshot() AS it) AS now",
            )
            .fetch_one(&mut self.connection)
            .await
            .unwrap();
            if first == end {
                return first;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("a transaction stays open");
    }

    async fn register(&mut self, serial: u32) {
        let one = certificate(serial);
        let hex = |octets: &[u8]| {
            let digits = octets.iter().map(|octet| format!("{octet:02x}"));
            digits.collect::<String>()
        };
        // As `certificate` makes it where the number is even and divides by 3 and 4 and not by 5 and 7.
        let (before, window) = (one.validity.not_before.unix(), one.window.from.unix());
        self.run(&format!(
            "INSERT INTO certificates (key_identifier, serial, not_before, not_after, issued_at,
                 hour_known, steered, registered_at, window_start, window_end, table_number)
             SELECT '\\x{}'::bytea, '\\x{}'::bytea, {before}, {}, {}, true, false, {},
                 {window}, {}, {serial}
             ON CONFLICT DO NOTHING",
            hex(one.id.key_identifier.octets()),
            hex(one.id.serial.octets()),
            one.validity.not_after.unix(),
            one.issued_at.unix(),
            one.registered_at.unix(),
            one.window.to.unix(),
        ))
        .await;
    }

    /// What it is told since its last look: how many rows of each kind.
    async fn told(&mut self) -> [i64; 6] {
        let mut told = [0; 6];
        let place = self.next_place().await;
        let tables = [
            "certificates",
            "removals",
            "forgettings",
            "batches",
            "incidents",
            "polls",
        ];
        for (told, table) in told.iter_mut().zip(tables) {
            *told = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT count(*) FROM {table} WHERE changed >= '{}'::text::xid8
                 AND changed < pg_snapshot_xmax(pg_current_snapshot())",
                self.place
            )))
            .fetch_one(&mut self.connection)
            .await
            .unwrap();
        }
        self.place = place;
        told
    }
}

/// A server of its own, so that no other test's transactions hold back what the earlier version is told.
async fn earlier_schema() -> Option<(crate::database_server::DatabaseServer, String)> {
    let server = crate::database_server::DatabaseServer::start().await?;
    let url = server.url();
    let mut connection = open_connection(&url).await;
    for statements in SCHEMA {
        raw_sql(statements).execute(&mut connection).await.unwrap();
    }
    // As the driver notes what it has applied.
    let fresh = crate::support::fresh_postgres().await?;
    drop(open(&fresh.url()).await);
    let mut noted = open_connection(&fresh.url()).await;
    let rows: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT version, description, checksum FROM _sqlx_migrations WHERE version < 3",
    )
    .fetch_all(&mut noted)
    .await
    .unwrap();
    let table = "CREATE TABLE _sqlx_migrations (
        version bigint PRIMARY KEY, description text NOT NULL,
        installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL,
        checksum bytea NOT NULL, execution_time bigint NOT NULL)";
    raw_sql(table).execute(&mut connection).await.unwrap();
    for (version, description, checksum) in rows {
        sqlx::query("INSERT INTO _sqlx_migrations VALUES ($1, $2, now(), true, $3, 0)")
            .bind(version)
            .bind(description)
            .bind(checksum)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    Some((server, url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_both_versions_get_each_other_s_changes() {
    let Some((_server, url)) = earlier_schema().await else {
        return;
    };
    let mut earlier = Earlier::on(&url).await;
    for serial in [12, 24, 36] {
        earlier.register(serial).await;
    }
    earlier
        .run("INSERT INTO polls (fingerprint, record, written_at) VALUES (decode(repeat('00', 15) || '07', 'hex'), 1, 0)")
        .await;
    earlier.told().await;

    let refused = connect(&url, Migrations::RefusePending).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::PendingMigrations(_)),
        "{refused:?}"
    );
    let store = connect(&url, Migrations::Apply).await.unwrap();
    let mut reader = Reader::load(&*store).await;
    assert_eq!(reader.certificates.len(), 3);
    assert_eq!(reader.certificates[&id(12)], certificate(12));
    // A place of the earlier version is none of this one's.
    let place: i64 = earlier.place.parse().unwrap();
    let mut old = Reader {
        position: FeedPosition(place),
        ..Reader::default()
    };
    old.follow(&*store).await;
    assert_eq!(old.lost, 1);

    changes_reach_the_later_version(&*store, &mut earlier, &mut reader).await;
    changes_reach_the_earlier_version(&*store, &mut earlier).await;
    reader.follow(&*store).await;
    assert_eq!(
        reader.certificates,
        Reader::load(&*store).await.certificates
    );

    // Its time ends when it does.
    let refused = finish(&url).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::EarlierVersion(1)),
        "{refused:?}"
    );
    earlier.connection.close().await.unwrap();
    finish_when_gone(&url).await;
    finish(&url).await.unwrap();
    register(&*store, &certificates(80..90)).await;
    store.remove(&[id(80)]).await.unwrap();
    assert_eq!(reader.follow(&*store).await, 11);
    assert_eq!(
        reader.certificates,
        Reader::load(&*store).await.certificates
    );
    assert_eq!(reader.lost, 0);
}

/// What the earlier version writes, this one is told.
async fn changes_reach_the_later_version(
    store: &dyn Store,
    earlier: &mut Earlier,
    reader: &mut Reader,
) {
    earlier.register(48).await;
    earlier.register(48).await;
    assert_eq!(reader.follow(store).await, 1);
    assert_eq!(reader.certificates[&id(48)], certificate(48));
    earlier
        .run("UPDATE certificates SET successor_order = 'o', changed = pg_current_xact_id() WHERE table_number IN (12, 24)")
        .await;
    assert_eq!(reader.follow(store).await, 2);
    let order = Some(Successor::Order("o".to_owned()));
    assert_eq!(reader.certificates[&id(24)].successor, order);
    earlier
        .run("WITH gone AS (DELETE FROM certificates WHERE table_number = 36 RETURNING key_identifier, serial)
              INSERT INTO removals (key_identifier, serial) SELECT key_identifier, serial FROM gone
              ON CONFLICT (key_identifier, serial) DO UPDATE SET changed = excluded.changed")
        .await;
    assert_eq!(reader.follow(store).await, 1);
    assert!(!reader.certificates.contains_key(&id(36)));
    earlier
        .run("INSERT INTO polls AS present (fingerprint, record, written_at)
              VALUES (decode(repeat('00', 15) || '07', 'hex'), 1, 5), (decode(repeat('00', 15) || '08', 'hex'), 2, 5)
              ON CONFLICT (fingerprint) DO UPDATE SET record = excluded.record, changed = CASE
              WHEN present.record = excluded.record THEN present.changed ELSE excluded.changed END")
        .await;
    assert_eq!(reader.follow(store).await, 1);
    assert_eq!(reader.polls, BTreeMap::from([(7, 1), (8, 2)]));
    earlier
        .run("BEGIN; INSERT INTO batches (closed, file, silent, changed) VALUES (true, '\\x01', false, pg_current_xact_id());
              INSERT INTO observations (batch, started_at, ended_at, kind, count, ca, source, steered)
              VALUES (1, 0, 60, 'issued', 3, 'example', 'ca', false); COMMIT")
        .await;
    assert_eq!(reader.follow(store).await, 1);
    assert_eq!(reader.observations().len(), 1);
    earlier
        .run("BEGIN; DELETE FROM observations; DELETE FROM batches; INSERT INTO forgettings DEFAULT VALUES; COMMIT")
        .await;
    assert_eq!(reader.follow(store).await, 1);
    assert_eq!(reader.forgotten, 1);
}

/// And the other way round.
async fn changes_reach_the_earlier_version(store: &dyn Store, earlier: &mut Earlier) {
    earlier.told().await;
    register(store, &certificates(60..63)).await;
    register(store, &[certificate(72)]).await;
    assert_eq!(earlier.told().await, [4, 0, 0, 0, 0, 0]);
    let moved = [moved_by(60, 60), moved_by(61, 60)];
    assert_eq!(store.move_windows(&[], &moved).await.unwrap(), 2);
    assert_eq!(earlier.told().await, [2, 0, 0, 0, 0, 0]);
    store.remove(&[id(60), id(61)]).await.unwrap();
    assert_eq!(earlier.told().await, [0, 2, 0, 0, 0, 0]);
    let now = Timestamp::from_unix(START);
    store
        .note_polls(&[(7, 1), (8, 3), (9, 4)], now)
        .await
        .unwrap();
    assert_eq!(earlier.told().await, [0, 0, 0, 0, 0, 2]);
    store.create_incident(&incident("both")).await.unwrap();
    assert_eq!(earlier.told().await, [0, 0, 0, 0, 1, 0]);
    let batch = store.open_batch(now).await.unwrap();
    store.append_batch(batch, &[observation(1)]).await.unwrap();
    let (key, closed) = (
        BatchKey::File([7; 32]),
        ClosedBatch {
            sha256: [7; 32],
            report: "{}".to_owned(),
        },
    );
    store
        .close_batch(batch, Some(&key), &closed, now)
        .await
        .unwrap();
    assert_eq!(earlier.told().await, [0, 0, 0, 1, 0, 0]);
    assert!(store.forget_file(&[7; 32]).await.unwrap());
    assert_eq!(earlier.told().await, [0, 0, 1, 0, 0, 0]);
}

/// The server needs a moment to notice that a connection was closed.
async fn finish_when_gone(url: &str) {
    for _ in 0..200 {
        match finish(url).await {
            Err(StoreError::EarlierVersion(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            done => return done.unwrap(),
        }
    }
    panic!("the earlier version's connection stays");
}
