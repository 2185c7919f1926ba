use super::*;

use offpeak::domain::certificate::Successor;

on_all_stores!(
    a_place_that_was_never_given_is_lost,
    a_reader_ends_with_what_is_there,
    nothing_falls_between_load_and_changes,
    overlap_does_no_harm,
    removals_reach_every_reader,
    what_another_handle_wrote_is_in_the_feed,
);

async fn what_another_handle_wrote_is_in_the_feed(url: &str) {
    let (writer, reading) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*reading).await;
    assert_eq!(reader.follow(&*reading).await, 0);
    register(&*writer, &certificates(0..3)).await;
    assert_eq!(reader.follow(&*reading).await, 3);
    writer.succeed(&id(1), &Successor::By(id(2))).await.unwrap();
    assert_eq!(reader.follow(&*reading).await, 1);
    assert_eq!(
        reader.certificates[&id(1)].successor,
        Some(Successor::By(id(2)))
    );
    writer.unsucceed(&id(1)).await.unwrap();
    assert_eq!(reader.follow(&*reading).await, 1);
    assert_eq!(reader.certificates[&id(1)], certificate(1));
    // What changes nothing is no news.
    register(&*writer, &certificates(0..3)).await;
    writer.unsucceed(&id(1)).await.unwrap();
    writer.remove(&[id(77)]).await.unwrap();
    assert_eq!(reader.follow(&*reading).await, 0);
}

async fn removals_reach_every_reader(url: &str) {
    let (writer, reading) = (open(url).await, open(url).await);
    register(&*writer, &certificates(0..4)).await;
    let mut early = Reader::load(&*reading).await;
    writer.remove(&[id(0), id(1)]).await.unwrap();
    let mut between = Reader::load(&*reading).await;
    let mut again = certificate(1);
    again.window.from = again.window.from + 60;
    register(&*writer, &[again.clone()]).await;
    let mut late = Reader::load(&*reading).await;
    // Removed twice: the second removal is news again.
    writer.remove(&[id(3)]).await.unwrap();
    register(&*writer, &[certificate(3)]).await;
    writer.remove(&[id(3)]).await.unwrap();
    for reader in [&mut early, &mut between, &mut late] {
        reader.follow(&*reading).await;
        let want = BTreeMap::from([(id(1), again.clone()), (id(2), certificate(2))]);
        assert_eq!(reader.certificates, want);
    }
}

async fn overlap_does_no_harm(url: &str) {
    let store = open(url).await;
    let start = Reader::load(&*store).await.position;
    register(&*store, &certificates(0..5)).await;
    store.remove(&[id(2)]).await.unwrap();
    let observations = [observation(1), observation(2)];
    let registration = Registration {
        observations: &observations,
        ..Registration::default()
    };
    store.register(registration).await.unwrap();
    let mut reader = Reader::load(&*store).await;
    let before = (reader.certificates.clone(), reader.batches.clone());
    reader.position = start;
    assert!(reader.follow(&*store).await >= 7);
    assert_eq!((reader.certificates, reader.batches), before);
}

/// Writers and removers at full speed, readers that load and follow meanwhile: once all is quiet
/// every reader has what a load would give.
async fn a_reader_ends_with_what_is_there(url: &str) {
    const WRITERS: u32 = 3;
    const ROUNDS: u32 = 40;
    let mut tasks = Vec::new();
    for writer in 0..WRITERS {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let from = writer * 10_000 + round * 10;
                register(&*store, &certificates(from..from + 10)).await;
                let gone = [id(from), id(from + 1)];
                patiently(|| store.remove(&gone)).await;
                register(&*store, &certificates(from..from + 1)).await;
                let (old, new) = (id(from + 2), Successor::By(id(from + 3)));
                patiently(|| store.succeed(&old, &new)).await;
            }
        }));
    }
    let mut readers = Vec::new();
    for _ in 0..2 {
        let store = open(url).await;
        readers.push(tokio::spawn(async move {
            let mut reader = Reader::load(&*store).await;
            while reader.certificates.len() < (WRITERS * ROUNDS * 9) as usize {
                reader.follow(&*store).await;
                tokio::task::yield_now().await;
            }
            (reader, store)
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for reader in readers {
        let (mut reader, store) = tokio::time::timeout(std::time::Duration::from_mins(1), reader)
            .await
            .expect("a reader that was told everything")
            .unwrap();
        reader.follow(&*store).await;
        let loaded = Reader::load(&*store).await;
        assert_eq!(reader.certificates, loaded.certificates);
        assert_eq!(loaded.certificates.len(), (WRITERS * ROUNDS * 9) as usize);
    }
}

/// A transaction that wrote before a load and commits after it is told by the next `changes`,
/// although its number is lower than those of others that were told before it.
async fn nothing_falls_between_load_and_changes(url: &str) {
    use sqlx::Connection as _;
    let store = open(url).await;
    if url.starts_with("sqlite") {
        // One writer at a time: a commit's number is its place.
        let mut reader = Reader::load(&*store).await;
        for serial in 0..5 {
            register(&*store, &[certificate(serial)]).await;
            assert_eq!(reader.follow(&*store).await, 1);
        }
        return;
    }
    let mut slow = open_connection(url).await;
    let mut transaction = slow.begin().await.unwrap();
    sqlx::query("INSERT INTO outbox (kind, body) VALUES ('removed', '\\x01010102')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    register(&*store, &certificates(0..3)).await;
    let mut reader = Reader::load(&*store).await;
    assert_eq!(reader.certificates.len(), 3);
    let mut gone = certificate(9);
    gone.id = CertId {
        key_identifier: KeyIdentifier::new(&[1]).unwrap(),
        serial: Serial::new(&[2]).unwrap(),
    };
    reader.certificates.insert(gone.id.clone(), gone);
    reader.follow(&*store).await;
    assert_eq!(reader.certificates.len(), 4);
    transaction.commit().await.unwrap();
    reader.follow(&*store).await;
    assert_eq!(reader.certificates.len(), 3);
}

/// Whoever comes with a place of another database, or with one after which something was dropped, has to
/// load anew.
async fn a_place_that_was_never_given_is_lost(url: &str) {
    let store = open(url).await;
    if url.starts_with("sqlite") {
        return;
    }
    let mut reader = Reader::load(&*store).await;
    let FeedPosition(start) = reader.position;
    for serial in 0..3 {
        register(&*store, &[certificate(serial)]).await;
    }
    assert_eq!(reader.follow(&*store).await, 3);
    assert_eq!((reader.position.0, reader.lost), (start + 3, 0));
    for place in [0, start - 1, start + 4, i64::MAX] {
        reader.position = FeedPosition(place);
        reader.follow(&*store).await;
        assert_eq!(std::mem::take(&mut reader.lost), 1, "{place}");
    }
    let mut connection = open_connection(url).await;
    let old = "UPDATE outbox SET written_at = written_at - interval '25 hours' WHERE position < $1";
    sqlx::query(old)
        .bind(start + 3)
        .execute(&mut connection)
        .await
        .unwrap();
    let long_ago = Timestamp::from_unix(0);
    let sweep = store.sweep_observations(long_ago, long_ago, long_ago);
    sweep.await.unwrap();
    for (place, is_lost) in [(start, 1), (start + 1, 1), (start + 2, 0), (start + 3, 0)] {
        reader.position = FeedPosition(place);
        reader.follow(&*store).await;
        assert_eq!(std::mem::take(&mut reader.lost), is_lost, "{place}");
    }
}

/// A table of several parts, with gaps in it: each certificate is loaded once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_reads_each_part_of_a_large_table_once() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = open(&database.url()).await;
    let mut connection = open_connection(&database.url()).await;
    let fill = "INSERT INTO certificates (key_identifier, serial, not_before, not_after, issued_at,
             hour_known, steered, registered_at, window_start, window_end, table_number)
         SELECT '\\x0102', decode(lpad(to_hex(n), 16, '0'), 'hex'), n, n + 9, n, true, false, n, n, n, 7
         FROM generate_series(1, 80000) AS n;
         DELETE FROM certificates WHERE not_before % 7 = 3";
    sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    let pages: i64 = sqlx::query_scalar("SELECT pg_relation_size('certificates') / 8192")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(pages > 1_024, "one part of {pages} pages");
    let mut told = Vec::new();
    let mut on_change = |change| match change {
        Change::Certificate(one) => told.push(one.validity.not_before.unix()),
        other => panic!("{other:?}"),
    };
    let load = store.load(Load::Everything, Timestamp::MIN, &mut on_change);
    load.await.unwrap();
    told.sort_unstable();
    let want: Vec<i64> = (1..=80_000).filter(|n| n % 7 != 3).collect();
    assert!(told == want, "{} of {}", told.len(), want.len());
}
