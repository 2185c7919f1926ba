//! Steps that end in the middle: nothing half is left.

use super::*;

use std::task::Poll;

use offpeak::domain::allocation::table::StoredTable;

on_all_stores!(
    a_step_that_fails_leaves_nothing,
    a_step_that_nobody_waits_for_is_whole_or_nothing,
);

/// Makes the database refuse one row of each kind: that of the last certificate that is written.
async fn refuse_the_last(url: &str, last: &CertId, fingerprint: u128) {
    use sqlx::{AssertSqlSafe, Connection as _};
    let hexadecimal = |octet: &u8| format!("{octet:02x}");
    let octets: String = last.serial.octets().iter().map(hexadecimal).collect();
    let rows = [
        ("UPDATE", "certificates", "serial", octets.clone()),
        ("INSERT", "incident_certificates", "serial", octets),
        (
            "INSERT",
            "polls",
            "fingerprint",
            format!("{fingerprint:032x}"),
        ),
    ];
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        for (what, table, column, octets) in rows {
            let trigger = format!(
                "CREATE TRIGGER refuse_{table} BEFORE {what} ON {table}
                 WHEN NEW.{column} = x'{octets}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
            );
            let create = sqlx::query(AssertSqlSafe(trigger));
            create.execute(&mut connection).await.unwrap();
        }
        return;
    }
    let mut connection = open_connection(url).await;
    sqlx::query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN RAISE EXCEPTION ''refused''; END'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (what, table, column, octets) in rows {
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE {what} ON {table} FOR EACH ROW
             WHEN (NEW.{column} = '\\x{octets}'::bytea) EXECUTE FUNCTION refuse()"
        );
        let create = sqlx::query(AssertSqlSafe(trigger));
        create.execute(&mut connection).await.unwrap();
    }
}

fn table() -> StoredTable {
    StoredTable {
        number: 77,
        bytes: Arc::from(&b"table"[..]),
        needed_until: Timestamp::MAX,
    }
}

/// Each step is more than one statement's worth in either store, and the last row fails.
async fn a_step_that_fails_leaves_nothing(url: &str) {
    const ROWS: u32 = 10_500;
    let store = open(url).await;
    let given = certificates(0..ROWS);
    register(&*store, &given).await;
    let before = Reader::load(&*store).await;
    let last = given.iter().map(|one| &one.id).max().unwrap();
    refuse_the_last(url, last, u128::from(ROWS - 1)).await;
    let moves: Vec<Move> = (0..ROWS).map(|n| moved_by(n, 900)).collect();
    store.move_windows(&[table()], &moves).await.unwrap_err();
    assert_eq!(store.table(77).await.unwrap(), None);
    let ids: Vec<CertId> = (0..ROWS).map(id).collect();
    store.add_incident_certificates(1, &ids).await.unwrap_err();
    let records: Vec<(u128, u64)> = (0..ROWS).map(|n| (u128::from(n), u64::from(n))).collect();
    let now = Timestamp::from_unix(START);
    store.note_polls(&records, now).await.unwrap_err();
    let read = Reader::load(&*store).await;
    assert_eq!(read.certificates, before.certificates);
    assert_eq!(read.polls, BTreeMap::new());
    let members = store
        .incident_certificates_in(1, &IdRange::ALL, 9)
        .await
        .unwrap();
    assert_eq!(members, []);
    // Without the last of each they pass: nothing of them was there, and nothing is locked.
    let others: Vec<CertId> = ids.iter().filter(|one| *one != last).cloned().collect();
    let moves: Vec<Move> = moves.into_iter().filter(|one| one.id != *last).collect();
    let want = u64::from(ROWS - 1);
    assert_eq!(store.move_windows(&[table()], &moves).await.unwrap(), want);
    assert_eq!(
        store.add_incident_certificates(1, &others).await.unwrap(),
        want
    );
    store
        .note_polls(&records[..records.len() - 1], now)
        .await
        .unwrap();
    assert_eq!(Reader::load(&*store).await.polls.len() as u64, want);
}

/// The work, dropped where it has not ended after being polled so many times.
async fn polled<T>(times: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            // The next answer wakes it, or ends it.
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The caller is gone after the first answer, the second, and so on.
async fn a_step_that_nobody_waits_for_is_whole_or_nothing(url: &str) {
    const ROWS: u32 = 300;
    let store = open(url).await;
    let given = certificates(0..ROWS);
    let all: Vec<CertId> = given.iter().map(|one| one.id.clone()).collect();
    let moves: Vec<Move> = (0..ROWS).map(|n| moved_by(n, 900)).collect();
    let tables = [StoredTable {
        needed_until: Timestamp::from_unix(START),
        ..table()
    }];
    for times in 1.. {
        store.remove(&all).await.unwrap();
        store.sweep_tables(Timestamp::MAX).await.unwrap();
        register(&*store, &given).await;
        let ended = polled(times, store.move_windows(&tables, &moves)).await;
        // This waits for whatever still holds the row: a commit may be under way.
        assert_eq!(store.remove(&all[..1]).await.unwrap(), 1);
        let read = Reader::load(&*store).await.certificates;
        let there = moves[1..]
            .iter()
            .filter(|one| read[&one.id].window == one.to);
        let there = there.count();
        assert!(there == 0 || there + 1 == all.len(), "{there} moved");
        let stored = store.table(77).await.unwrap().is_some();
        assert_eq!(stored, there > 0, "table and windows go together");
        if let Some(told) = ended {
            assert_eq!(told.unwrap(), u64::from(ROWS));
            assert!(times > 1, "it was interrupted before");
            return;
        }
    }
}
