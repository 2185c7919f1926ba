use super::*;

use offpeak::domain::allocation::table::StoredTable;
use offpeak::domain::certificate::Successor;

on_all_stores!(
    a_row_that_somebody_holds_is_moved_as_it_is_then,
    a_window_is_moved_from_where_it_is,
    a_window_moves_once_whoever_moves_it,
    moves_and_other_writes_do_not_lock_each_other_out,
    moved_windows_reach_every_reader,
);

async fn shift(store: &dyn Store, moves: &[Move]) -> u64 {
    patiently(|| store.move_windows(&[], moves)).await
}

async fn moved_windows_reach_every_reader(url: &str) {
    let (store, other) = (open(url).await, open(url).await);
    let mut before = certificates(0..300);
    before[4].successor = Some(Successor::By(id(5)));
    before[5].successor = Some(Successor::Order("order".to_owned()));
    register(&*store, &before).await;
    let mut reader = Reader::load(&*other).await;
    assert_eq!(shift(&*store, &[]).await, 0);
    assert_eq!(shift(&*store, &[moved_by(999, 60)]).await, 0);
    // More than one statement of SQLite's, in no order, every basis and cause to every other.
    let moves: Vec<Move> = (0..250).rev().map(|n| moved_by(n, 900)).collect();
    let tables = [3, -7].map(|number: i64| StoredTable {
        number,
        bytes: Arc::from(number.to_string().as_bytes()),
        needed_until: Timestamp::MAX,
    });
    assert_eq!(store.move_windows(&tables, &moves).await.unwrap(), 250);
    for table in &tables {
        let stored = other.table(table.number).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&table.bytes));
    }
    let mut want: BTreeMap<CertId, Certificate> = before
        .into_iter()
        .map(|one| (one.id.clone(), one))
        .collect();
    for one in &moves {
        let row = want.remove(&one.id).unwrap();
        want.insert(one.id.clone(), after(one, row));
    }
    reader.follow(&*other).await;
    assert_eq!(reader.certificates, want);
    assert_eq!(Reader::load(&*other).await.certificates, want);
    assert_eq!(
        other.certificate(&id(0)).await.unwrap().as_ref(),
        Some(&want[&id(0)])
    );
}

async fn a_window_is_moved_from_where_it_is(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..3)).await;
    let first = moved_by(0, 900);
    // Both ends are compared.
    for (from, to) in [(1, 0), (0, 1), (-1, -1)] {
        let mut elsewhere = first.clone();
        elsewhere.from.from = elsewhere.from.from + from;
        elsewhere.from.to = elsewhere.from.to + to;
        assert_eq!(shift(&*store, &[elsewhere]).await, 0);
    }
    assert_eq!(
        store.certificate(&id(0)).await.unwrap(),
        Some(certificate(0))
    );
    // Of several moves of one certificate the first counts, whatever stands between them.
    let mut second = moved_by(0, 1_800);
    let moves = [first.clone(), moved_by(1, 900), second.clone()];
    assert_eq!(shift(&*store, &moves).await, 2);
    assert_eq!(
        store.certificate(&id(0)).await.unwrap(),
        Some(after(&first, certificate(0)))
    );
    // Again, and from where it was: nothing. From where it is: moved.
    assert_eq!(shift(&*store, &moves).await, 0);
    assert_eq!(shift(&*store, &[second.clone()]).await, 0);
    second.from = first.to;
    assert_eq!(shift(&*store, &[second.clone(), moved_by(2, 60)]).await, 2);
    assert_eq!(
        store.certificate(&id(0)).await.unwrap(),
        Some(after(&second, certificate(0)))
    );
    // One that was taken back and registered again has a window of its own.
    store.remove(&[id(0)]).await.unwrap();
    second.from = second.to;
    assert_eq!(shift(&*store, &[second]).await, 0);
    register(&*store, &certificates(0..1)).await;
    assert_eq!(shift(&*store, std::slice::from_ref(&first)).await, 1);
}

/// Several processes, each with another window for every certificate: one of them moves it.
async fn a_window_moves_once_whoever_moves_it(url: &str) {
    const PROCESSES: i64 = 4;
    const CERTIFICATES: u32 = 500;
    let store = open(url).await;
    register(&*store, &certificates(0..CERTIFICATES)).await;
    let mut tasks = Vec::new();
    for process in 1..=PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut moves: Vec<Move> = (0..CERTIFICATES)
                .map(|n| moved_by(n, process * 900))
                .collect();
            if process % 2 == 1 {
                moves.reverse();
            }
            let mut taken = 0;
            for chunk in moves.chunks(97) {
                taken += shift(&*store, chunk).await;
            }
            taken
        }));
    }
    let mut taken = 0;
    for task in tasks {
        taken += task.await.unwrap();
    }
    assert_eq!(taken, u64::from(CERTIFICATES));
    let read = Reader::load(&*store).await.certificates;
    for n in 0..CERTIFICATES {
        // Window, basis and cause are of one mover.
        let row = &read[&id(n)];
        let seconds = row.window.from - certificate(n).window.from;
        assert!(seconds % 900 == 0 && (1..=PROCESSES).contains(&(seconds / 900)));
        assert_eq!(*row, after(&moved_by(n, seconds), certificate(n)));
    }
}

/// The move waits for somebody who has changed rows and not committed yet, and then takes each as
/// it is: a successor stays, a window that is another stays, and who is gone is gone.
async fn a_row_that_somebody_holds_is_moved_as_it_is_then(url: &str) {
    let store = open(url).await;
    register(&*store, &certificates(0..4)).await;
    let serial = |n: u32| {
        let hexadecimal = |octet: &u8| format!("{octet:02x}");
        let octets: String = id(n).serial.octets().iter().map(hexadecimal).collect();
        if url.starts_with("sqlite") {
            format!("x'{octets}'")
        } else {
            format!("'\\x{octets}'::bytea")
        }
    };
    let steps = [
        format!(
            "UPDATE certificates SET successor_order = 'meanwhile' WHERE serial = {}",
            serial(0)
        ),
        format!(
            "UPDATE certificates SET window_end = window_end + 1 WHERE serial = {}",
            serial(1)
        ),
        format!("DELETE FROM certificates WHERE serial = {}", serial(2)),
    ];
    let moves: Vec<Move> = (0..4).map(|n| moved_by(n, 900)).collect();
    let other = open(url).await;
    let moving = {
        let moves = moves.clone();
        async move { other.move_windows(&[], &moves).await.unwrap() }
    };
    assert_eq!(during(url, &steps, moving).await, 2);
    let row = async |n| store.certificate(&id(n)).await.unwrap();
    let mut replaced = after(&moves[0], certificate(0));
    replaced.successor = Some(Successor::Order("meanwhile".to_owned()));
    assert_eq!(row(0).await, Some(replaced));
    let mut elsewhere = certificate(1);
    elsewhere.window.to = elsewhere.window.to + 1;
    assert_eq!(row(1).await, Some(elsewhere));
    assert_eq!(row(2).await, None);
    assert_eq!(row(3).await, Some(after(&moves[3], certificate(3))));
}

/// Runs `work` while a transaction that has taken these steps is open, and commits that once the
/// work waits for it.
async fn during<T: Send + 'static>(
    url: &str,
    steps: &[String],
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    use sqlx::{AssertSqlSafe, Connection as _};
    if url.starts_with("sqlite") {
        let mut holder = sqlx::SqliteConnection::connect(url).await.unwrap();
        let mut transaction = holder.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for step in steps {
            let step = sqlx::query(AssertSqlSafe(step.clone()));
            step.execute(&mut *transaction).await.unwrap();
        }
        // One writer at a time: wherever the work has come to, it has written nothing.
        let work = tokio::spawn(work);
        tokio::task::yield_now().await;
        transaction.commit().await.unwrap();
        return work.await.unwrap();
    }
    let mut holder = open_connection(url).await;
    let mut watcher = open_connection(url).await;
    let mut transaction = holder.begin().await.unwrap();
    for step in steps {
        let step = sqlx::query(AssertSqlSafe(step.clone()));
        step.execute(&mut *transaction).await.unwrap();
    }
    let work = tokio::spawn(work);
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(&mut watcher)
        .await
        .unwrap()
    {
        assert!(!work.is_finished(), "it did not wait");
        tokio::task::yield_now().await;
    }
    transaction.commit().await.unwrap();
    work.await.unwrap()
}

/// Moves, removals and registrations that name successors crosswise, of the same certificates.
async fn moves_and_other_writes_do_not_lock_each_other_out(url: &str) {
    const PROCESSES: u32 = 4;
    const CERTIFICATES: u32 = 600;
    let store = open(url).await;
    register(&*store, &certificates(0..CERTIFICATES)).await;
    let mut tasks = Vec::new();
    for process in 0..PROCESSES {
        let store = open(url).await;
        tasks.push(tokio::spawn(async move {
            let mut serials: Vec<u32> = (0..CERTIFICATES).collect();
            let turn = serials.len() / 4 * process as usize;
            serials.rotate_left(turn);
            if process % 2 == 1 {
                serials.reverse();
            }
            let seconds = i64::from(process + 1) * 900;
            let moves: Vec<Move> = serials.iter().map(|&n| moved_by(n, seconds)).collect();
            let ids: Vec<CertId> = serials.iter().map(|&n| id(n)).collect();
            let new = certificates(1_000 + process * 10..1_010 + process * 10);
            let successions: Vec<(CertId, Successor)> = ids
                .iter()
                .map(|old| (old.clone(), Successor::By(new[0].id.clone())))
                .collect();
            for round in 0..3 {
                shift(&*store, &moves).await;
                let registration = Registration {
                    certificates: &new,
                    successions: if round == 0 { &successions } else { &[] },
                    ..Registration::default()
                };
                patiently(|| store.register(registration)).await;
                patiently(|| store.remove(&ids[..50])).await;
                register(&*store, &certificates(0..CERTIFICATES)).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let read = Reader::load(&*store).await.certificates;
    assert_eq!(read.len(), 600 + 40);
    for n in 0..CERTIFICATES {
        let row = &read[&id(n)];
        let seconds = row.window.from - certificate(n).window.from;
        let want = match seconds {
            0 => certificate(n),
            seconds => after(&moved_by(n, seconds), certificate(n)),
        };
        let successor = row.successor.clone();
        assert_eq!(*row, Certificate { successor, ..want });
    }
}
