//! A database that takes no writes for a while, and writers that are gone before their end.

use super::*;

use std::time::Duration;

use offpeak::domain::policy::ca::CaName;

use sqlx::{AssertSqlSafe, Connection as _};

use crate::support::{Disk, fresh_postgres};

on_both_stores!(a_writer_that_is_gone_amid_its_transaction_keeps_nobody_away);

/// Room for the database and its log, and little more.
const DISK_OCTETS: u64 = 20 << 20;
/// Writers that are gone after this long, twice and so on, are at any point of their transaction.
const STRIDE: Duration = Duration::from_micros(150);

fn ca_of(_: &KeyIdentifier) -> CaName {
    CaName::default()
}

fn all_of(certificates: &[Certificate]) -> Registration<'_> {
    Registration {
        certificates,
        ..Registration::default()
    }
}

/// Whether this was turned away as something that passes.
fn is_away<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_disk_breaks_off_leaves_no_transaction_behind() {
    let Some(disk) = Disk::of(DISK_OCTETS) else {
        return;
    };
    let store = open(&disk.url()).await;
    let (first, many) = (certificates(0..2_000), certificates(2_000..22_000));
    store.register(all_of(&first)).await.unwrap();
    assert_eq!(store.trouble(), None);
    disk.fill();
    assert!(is_away(&store.register(all_of(&many)).await));
    assert_eq!(store.trouble().as_deref(), Some("its disk is full"));
    // Nothing of it is there, and what is there can be read.
    assert_eq!(
        store.certificates(&[id(0), id(2_000)]).await.unwrap().len(),
        1
    );
    for turn in 0..40 {
        // Some end by themselves, others amid their statements or their commit.
        let _ = tokio::time::timeout(STRIDE * turn, store.register(all_of(&many))).await;
    }
    // There is no room: it stays so.
    assert!(store.try_again().await.is_err());
    assert_eq!(store.trouble().as_deref(), Some("its disk is full"));
    let _ = store
        .purge_expired(certificate(100).validity.not_after, 2_000, &ca_of)
        .await;

    disk.free();
    store.try_again().await.unwrap();
    assert_eq!(store.trouble(), None);
    for chunk in certificates(22_000..22_500).chunks(25) {
        let registered = store.register(all_of(chunk)).await.unwrap();
        assert_eq!(inserted(&registered), 25);
    }
    let purged = store.purge_expired(certificate(200).validity.not_after, 2_000, &ca_of);
    purged.await.unwrap();
    assert_eq!(store.certificate(&id(0)).await.unwrap(), None);
}

/// Without anything that fails: whoever is gone leaves nothing, and keeps nobody away.
async fn a_writer_that_is_gone_amid_its_transaction_keeps_nobody_away(url: &str) {
    let store = open(url).await;
    let many = certificates(100..2_100);
    for turn in 0..40 {
        let _ = tokio::time::timeout(STRIDE * 4 * turn, store.register(all_of(&many))).await;
        let one = [certificate(turn)];
        let registered = store.register(all_of(&one)).await.unwrap();
        assert_eq!(inserted(&registered), 1, "after turn {turn}");
        let there = store.certificates(&[id(100), id(2_099)]).await.unwrap();
        assert_ne!(there.len(), 1, "all or nothing, after turn {turn}");
    }
}

/// As one that has failed over to a standby.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_read_only_takes_writes_again_by_itself() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    let store = open(&database.url()).await;
    store.register(all_of(&certificates(0..10))).await.unwrap();
    let mut connection = open_connection(&database.url()).await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let mut set = async |state: &str| {
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = {state}");
        let mut changes = connection.begin().await.unwrap();
        sqlx::query("SET TRANSACTION READ WRITE")
            .execute(&mut *changes)
            .await
            .unwrap();
        sqlx::query(AssertSqlSafe(set))
            .execute(&mut *changes)
            .await
            .unwrap();
        changes.commit().await.unwrap();
        // It holds for those that connect from now on.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&mut connection)
        .await
        .unwrap();
    };
    set("on").await;
    // The first ones may find connections that are no more.
    let more = certificates(10..20);
    for _ in 0..20 {
        assert!(is_away(&store.register(all_of(&more)).await));
    }
    assert_eq!(store.trouble().as_deref(), Some("it is read-only"));
    assert!(store.try_again().await.is_err());
    set("off").await;
    while store.try_again().await.is_err() {}
    assert_eq!(store.trouble(), None);
    assert_eq!(inserted(&store.register(all_of(&more)).await.unwrap()), 10);
}
