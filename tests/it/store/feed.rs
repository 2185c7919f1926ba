use super::*;

use offpeak::domain::certificate::Successor;

on_both_stores!(
    a_reader_ends_with_what_is_there,
    nothing_falls_between_load_and_changes,
    overlap_does_no_harm,
    removals_reach_every_reader,
    what_another_handle_wrote_is_told,
);

async fn what_another_handle_wrote_is_told(url: &str) {
    // PostgreSQL tells again what is younger than the oldest transaction of the whole server, and
    // other tests run beside this one.
    let as_told = |told: usize, want: usize| {
        assert!(told == want || told > want && url.starts_with("postgres"));
    };
    let (writer, reading) = (open(url).await, open(url).await);
    let mut reader = Reader::load(&*reading).await;
    assert_eq!(reader.follow(&*reading).await, 0);
    register(&*writer, &certificates(0..3)).await;
    assert_eq!(reader.follow(&*reading).await, 3);
    writer.succeed(&id(1), &Successor::By(id(2))).await.unwrap();
    as_told(reader.follow(&*reading).await, 1);
    assert_eq!(
        reader.certificates[&id(1)].successor,
        Some(Successor::By(id(2)))
    );
    writer.unsucceed(&id(1)).await.unwrap();
    as_told(reader.follow(&*reading).await, 1);
    assert_eq!(reader.certificates[&id(1)], certificate(1));
    // What changes nothing is no news.
    register(&*writer, &certificates(0..3)).await;
    writer.unsucceed(&id(1)).await.unwrap();
    writer.remove(&[id(77)]).await.unwrap();
    as_told(reader.follow(&*reading).await, 0);
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

/// A transaction that began before a load and commits after it is told by the next `changes`,
/// although its number is lower than those of others that the load saw.
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
    let mut slow = sqlx::PgConnection::connect(url).await.unwrap();
    let mut transaction = slow.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO removals (key_identifier, serial) VALUES ('\\x01'::bytea, '\\x02'::bytea)",
    )
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
