//! Many certificates in one step, as imports bring them: new ones, known ones, and both.

use super::*;

use offpeak::domain::certificate::Successor;

on_all_stores!(
    many_new_ones_come_back_as_they_were,
    new_ones_among_known_ones_are_told_apart,
);

/// Enough that they are copied and not inserted.
const MANY: u32 = 700;

/// Each shape that a row may have.
fn rows(serials: std::ops::Range<u32>) -> Vec<Certificate> {
    let mut rows = certificates(serials);
    for (place, row) in rows.iter_mut().enumerate() {
        row.successor = match place % 4 {
            0 => Some(Successor::By(id(u32::try_from(place).unwrap() + 9_000))),
            1 => Some(Successor::Order(format!("order „{place}“\n\\N\t"))),
            _ => None,
        };
    }
    rows
}

fn by_id(rows: &[Certificate]) -> BTreeMap<CertId, Certificate> {
    rows.iter()
        .map(|row| (row.id.clone(), row.clone()))
        .collect()
}

async fn many_new_ones_come_back_as_they_were(url: &str) {
    let store = open(url).await;
    let given = rows(0..MANY);
    let outcomes = register(&*store, &given).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Registered::Inserted)
    );
    assert_eq!(Reader::load(&*store).await.certificates, by_id(&given));
    // The feed tells them as any other.
    let mut following = Reader::load(&*store).await;
    let more = rows(MANY..2 * MANY);
    register(&*store, &more).await;
    following.follow(&*store).await;
    let all = [given, more].concat();
    assert_eq!(following.certificates, by_id(&all));
}

async fn new_ones_among_known_ones_are_told_apart(url: &str) {
    let store = open(url).await;
    let first = rows(0..MANY);
    register(&*store, &first).await;
    // Half of them known, with other windows, which do not count; then known ones alone; then new
    // ones alone, twice.
    let mut mixed = rows(MANY / 2..MANY / 2 + MANY);
    for row in &mut mixed {
        row.window.from = row.window.from + 1;
    }
    for (turn, given) in [
        mixed.clone(),
        first.clone(),
        rows(5_000..5_000 + MANY),
        rows(6_000..6_000 + MANY),
    ]
    .into_iter()
    .enumerate()
    {
        let known = Reader::load(&*store).await.certificates;
        let outcomes = register(&*store, &given).await;
        for (row, outcome) in given.iter().zip(outcomes) {
            let wanted = match known.get(&row.id) {
                Some(stored) => Registered::Existing(Box::new(stored.clone())),
                None => Registered::Inserted,
            };
            assert_eq!(outcome, wanted, "turn {turn}");
        }
        let mut wanted = by_id(&given);
        wanted.extend(known);
        assert_eq!(Reader::load(&*store).await.certificates, wanted);
    }
}

#[tokio::test]
async fn what_fails_amid_a_step_in_sqlite_leaves_nothing_of_it() {
    use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

    let database = crate::support::fresh_sqlite();
    let store = open(&database.url()).await;
    let given = rows(0..MANY);
    // In the order of CertIDs, which is the order of rows, half of the step comes before it.
    let in_order: Vec<Certificate> = by_id(&given).into_values().collect();
    let refused = in_order[given.len() / 2].validity.not_before.unix();
    let mut other = SqliteConnection::connect(&database.url()).await.unwrap();
    let trigger = format!(
        "CREATE TRIGGER refusing BEFORE INSERT ON certificates WHEN NEW.not_before = {refused}
         BEGIN SELECT RAISE(FAIL, 'refused'); END"
    );
    sqlx::query(AssertSqlSafe(trigger))
        .execute(&mut other)
        .await
        .unwrap();
    let registration = Registration {
        certificates: &given,
        ..Registration::default()
    };
    let error = store.register(registration).await.unwrap_err();
    assert!(matches!(error, StoreError::Query { .. }), "{error:?}");
    assert!(Reader::load(&*store).await.certificates.is_empty());
    sqlx::query("DROP TRIGGER refusing")
        .execute(&mut other)
        .await
        .unwrap();
    register(&*store, &given).await;
    assert_eq!(Reader::load(&*store).await.certificates, by_id(&given));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_in_sqlite_grow_until_somebody_else_writes() {
    let database = crate::support::fresh_sqlite();
    let (importing, serving) = (open(&database.url()).await, open(&database.url()).await);
    let mut written = 0;
    for _ in 0..3 {
        let step = u32::try_from(importing.step_records()).unwrap();
        register(&*importing, &rows(written..written + step)).await;
        written += step;
        assert_eq!(importing.step_records(), 2 * step as usize);
    }
    let alone = importing.step_records();
    // One of its own leaves it as it is, and so does reading.
    register(&*importing, &rows(20_000..20_001)).await;
    Reader::load(&*serving).await;
    register(&*importing, &rows(21_000..21_000 + MANY)).await;
    assert_eq!(importing.step_records(), alone);
    register(&*serving, &rows(22_000..22_001)).await;
    register(&*importing, &rows(23_000..23_000 + MANY)).await;
    assert!(importing.step_records() < alone);
}

/// By the planner's own choice the whole table would be read for them. Serials are in no order, as a CA's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_looked_up_by_their_keys() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = open(&database.url()).await;
    let mut connection = open_connection(&database.url()).await;
    let fill = "INSERT INTO certificates (key_identifier, serial, not_before, not_after, issued_at,
             hour_known, steered, registered_at, window_start, window_end, table_number)
         SELECT '\\x0102', '\\x10'::bytea || int8send(n * 2654435761 % 4294967296),
                n, n + 9, n, true, false, n, n, n, 7
         FROM generate_series(1, 80000::bigint) AS n;
         ANALYZE certificates";
    sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    let asked = (1..=10_000_u64).map(|n| {
        let scattered = (n * 2_654_435_761 % 4_294_967_296).to_be_bytes();
        CertId {
            key_identifier: KeyIdentifier::new(&[1, 2]).unwrap(),
            serial: Serial::new(&[&[0x10], &scattered[..]].concat()).unwrap(),
        }
    });
    let asked: Vec<CertId> = asked.collect();
    let found = store.certificates(&asked).await.unwrap();
    assert_eq!(found.len(), asked.len());
    // A connection tells its counts when it is closed, if not before.
    drop(store);
    let mut read = 0_i64;
    while read < 10_000 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        read = sqlx::query_scalar(
            "SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables
             WHERE relname = 'certificates'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
    }
    assert!(read < 20_000, "{read} rows of 80,000 were read");
}
