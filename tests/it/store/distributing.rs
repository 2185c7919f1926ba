//! Where the rows lie. Citus itself is not needed to show what it is told: two of its names are.

use offpeak::store::distribute;
use sqlx::raw_sql;

use super::*;

const CITUS: &str = "
    CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod \"char\", told text);
    CREATE FUNCTION create_distributed_table(
        table_name regclass, distribution_column text, colocate_with text DEFAULT 'default'
    ) RETURNS void LANGUAGE sql AS $$
        INSERT INTO pg_dist_partition VALUES
            (table_name, 'h', table_name || ' by ' || distribution_column || ' with ' || colocate_with)
    $$";

#[tokio::test]
async fn certificates_are_distributed_by_serial_and_the_rest_stays() {
    let sqlite = crate::support::fresh_sqlite();
    drop(open(&sqlite.url()).await);
    let error = distribute(&sqlite.url()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotDistributable), "{error:?}");
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    let store = open(&url).await;
    register(&*store, &certificates(0..9)).await;
    let mut connection = open_connection(&url).await;
    raw_sql(CITUS).execute(&mut connection).await.unwrap();
    let done = distribute(&url).await.unwrap();
    assert_eq!(
        done,
        [
            "dropped what was kept for processes of the version before",
            "certificates is distributed by serial",
            "incident_certificates is distributed by serial, together with certificates",
            "gateway_certificates is distributed by serial, together with certificates",
            "polls is distributed by fingerprint",
            "all other tables stay on this server",
        ]
    );
    let told: Vec<String> = sqlx::query_scalar("SELECT told FROM pg_dist_partition")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(
        told,
        [
            "certificates by serial with default",
            "incident_certificates by serial with certificates",
            "gateway_certificates by serial with certificates",
            "polls by fingerprint with default",
        ]
    );
    let again = distribute(&url).await.unwrap();
    assert_eq!(again[1], "certificates is distributed already");

    let Some(empty) = crate::support::fresh_postgres().await else {
        return;
    };
    let mut beside_it = open_connection(&empty.url()).await;
    raw_sql(CITUS).execute(&mut beside_it).await.unwrap();
    let error = distribute(&empty.url()).await.unwrap_err();
    let pending = matches!(error, StoreError::PendingMigrations(_));
    assert!(pending, "{error:?}");

    // Each unique key has the column that the rows are distributed by.
    let without: Vec<String> = sqlx::query_scalar(
        "SELECT indexrelid::regclass::text FROM pg_index
         WHERE indisunique
           AND indrelid IN (SELECT logicalrelid FROM pg_dist_partition)
           AND NOT EXISTS (
               SELECT 1 FROM pg_attribute
               WHERE attrelid = indrelid AND attnum = ANY(indkey)
                 AND attname IN ('serial', 'fingerprint'))",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(without, [""; 0]);
    // A load begins early, and is told the last hour again.
    register(&*store, &certificates(9..12)).await;
    let mut reader = Reader::load(&*store).await;
    assert_eq!(reader.certificates.len(), 12);
    assert!(reader.follow(&*store).await >= 12);
    assert_eq!((reader.certificates.len(), reader.lost), (12, 0));
}

/// Processes of the version before go on with what is kept for them.
#[tokio::test]
async fn without_citus_nothing_is_changed() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    drop(open(&url).await);
    let mut connection = open_connection(&url).await;
    // As a migration from the version before leaves it.
    let kept = "CREATE TABLE IF NOT EXISTS removals (number bigint PRIMARY KEY)";
    raw_sql(kept).execute(&mut connection).await.unwrap();
    let error = distribute(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::NoCitus), "{error:?}");
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass('removals') IS NOT NULL")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(is_there);
}
