//! Another's database, SQLite and PostgreSQL, asked by a query.

use std::sync::Arc;

use offpeak::domain::demand::observation::{Kind, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::source::read_once;
use sqlx::{Connection as _, Executor as _};

use super::csv::{counted, engine};
use crate::pooler::Pooler;
use crate::support::{fresh_postgres, open_connection};

/// 2026-11-28T12:00:00Z.
const NOON: i64 = 1_795_867_200;

fn source(database: &str, query: &str, columns: &str) -> String {
    format!(
        "[[source]]\nname = \"issuance\"\nca = \"default\"\nkind = \"sql\"\nsource = \"ca\"\n\
         database = \"{database}\"\nbackfill = \"1h\"\nquery = '''{query}'''\ncolumns = {columns}\n"
    )
}

/// Counts by minutes after noon, 0 left out, and how many minutes are known.
async fn report(engine: &Engine) -> (Vec<(i64, u64)>, usize) {
    let found = counted(engine).await;
    assert!(
        found
            .iter()
            .all(|one| one.source == Source::Ca && one.kind == Kind::Issued)
    );
    let minute = |at: Timestamp| (at.unix() - NOON).div_euclid(60);
    let counts = found
        .iter()
        .filter(|one| one.count > 0)
        .map(|one| (minute(one.at), one.count));
    (counts.collect(), found.len())
}

async fn refused(text: &str) -> String {
    let (engine, _database) = engine(text, NOON + 600).await;
    let source = engine.config().sources[0].clone();
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert_eq!(counted(&engine).await.len(), 0);
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_s_sqlite_is_asked_by_a_query_and_only_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.db");
    let url = format!("sqlite:{}", path.display());
    let mut ca = sqlx::SqliteConnection::connect(&format!("{url}?mode=rwc"))
        .await
        .unwrap();
    ca.execute("CREATE TABLE certificates (serial TEXT, \"issued at\" INTEGER)")
        .await
        .unwrap();
    for second in [1, 2, 65, 300] {
        let at = NOON + second;
        ca.execute(sqlx::AssertSqlSafe(format!(
            "INSERT INTO certificates VALUES ('a', {at})"
        )))
        .await
        .unwrap();
    }
    let query =
        "SELECT \"issued at\" FROM certificates WHERE \"issued at\" >= $1 AND \"issued at\" < $2";
    let columns = "{ at = \"issued at\" }";
    let (engine, _database) = engine(&source(&url, query, columns), NOON + 600).await;
    let of = engine.config().sources[0].clone();
    read_once(&engine, &of).await.unwrap();
    read_once(&engine, &of).await.unwrap();
    // The database knows all there is: minutes without a row are minutes with none.
    assert_eq!(report(&engine).await, (vec![(0, 2), (1, 1), (5, 1)], 60));
    for (query, columns, want) in [
        (
            "SELECT 5 AS x, $1 AS y, $2 AS z",
            "{ at = \"nothing\" }",
            "no such column: q.nothing",
        ),
        (
            "SELECT $1 - 1 AS at, $2 AS z",
            "{ at = \"at\" }",
            "the query gives a row of ",
        ),
        (
            "SELECT 'x' AS at, $1 AS y, $2 AS z",
            "{ at = \"at\" }",
            "1 of 1 rows are not what `columns` says",
        ),
        (
            "SELECT $1 AS at, $2 AS z) AS q; DROP TABLE certificates; --",
            "{ at = \"at\" }",
            "",
        ),
    ] {
        let error = refused(&source(&url, query, columns)).await;
        assert!(error.contains(want), "{query}: {error}");
    }
    // It is still there, whatever the query tried.
    ca.execute("SELECT count(*) FROM certificates")
        .await
        .unwrap();
    let gone = refused(&source("sqlite:/nowhere/ca.db", query, columns)).await;
    assert!(gone.contains("unable to open database file"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_s_postgresql_is_asked_by_a_query_and_only_read() {
    if let Some(database) = fresh_postgres().await {
        is_asked_and_only_read(&database.url()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_s_postgresql_is_asked_through_a_pooler_by_transaction() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    if let Some(pooler) = Pooler::before(&database.url()).await {
        is_asked_and_only_read(&pooler.url()).await;
    }
}

async fn is_asked_and_only_read(url: &str) {
    let mut ca = open_connection(url).await;
    ca.execute("CREATE TABLE certificates (issued timestamptz, n integer, step text)")
        .await
        .unwrap();
    ca.execute(
        "INSERT INTO certificates VALUES ('2026-11-28T13:00:00+01:00', 7, 'finalize'), \
         ('2026-11-28T12:03:00Z', 2, NULL), ('2026-11-28T12:30:00Z', 5, NULL)",
    )
    .await
    .unwrap();
    let query = "SELECT issued, n, step FROM certificates \
                 WHERE issued >= to_timestamp($1) AND issued < to_timestamp($2)";
    let columns = "{ at = \"issued\", count = \"n\", endpoint = \"step\" }";
    let (engine, _database) = engine(&source(url, query, columns), NOON + 600).await;
    let engine: Arc<Engine> = engine;
    let of = engine.config().sources[0].clone();
    read_once(&engine, &of).await.unwrap();
    read_once(&engine, &of).await.unwrap();
    // Whoever counts tells of the minutes that he names.
    assert_eq!(report(&engine).await, (vec![(0, 7), (3, 2)], 2));
    ca.execute("CREATE FUNCTION write() RETURNS timestamptz LANGUAGE sql AS $$ DELETE FROM certificates; SELECT now() $$")
        .await
        .unwrap();
    let query = "SELECT write() AS issued, 1 AS n, '' AS step, $1::bigint, $2::bigint";
    let error = refused(&source(url, query, columns)).await;
    assert!(
        error.contains("cannot execute DELETE in a read-only transaction"),
        "{error}"
    );
}
