//! Floods of CertIDs that nobody registered.

use std::collections::BTreeMap;
use std::time::Duration;

use offpeak::engine::RenewalInfo;
use sqlx::Connection as _;

use super::*;

/// Requests in a flood: far more than look-ups at once.
const FLOOD: u64 = 2_000;

/// So many wait for one query.
const MOST_WAITING: u64 = 64;

/// Asks for all of these at once; how often each outcome came.
async fn ask(engine: &Arc<Engine>, numbers: impl Iterator<Item = u64>) -> BTreeMap<String, u64> {
    let asking: Vec<_> = numbers
        .map(|n| {
            let engine = Arc::clone(engine);
            tokio::spawn(async move { engine.renewal_info(&certid(n)).await })
        })
        .collect();
    let mut outcomes = BTreeMap::new();
    for asked in asking {
        let outcome: Result<RenewalInfo, Miss> = asked.await.unwrap();
        let outcome = match outcome {
            Ok(_) => "found".to_owned(),
            Err(miss) => format!("{miss:?}"),
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

fn of(outcomes: &BTreeMap<String, u64>, outcome: &str) -> u64 {
    outcomes.get(outcome).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_certids_asks_the_store_for_many_at_a_time() {
    let Some(database) = databases().await.into_iter().find(Database::is_postgres) else {
        return;
    };
    let service = replica(&database, Config::default()).await;
    let (engine, elsewhere) = (&service.engine, replica(&database, Config::default()).await);
    let mine: Vec<Submission> = (0..50).map(ninety_days).collect();
    engine.register(&mine, None).await.unwrap();
    let theirs: Vec<Submission> = (100..150).map(ninety_days).collect();
    elsewhere.engine.register(&theirs, None).await.unwrap();

    // Nothing that the store is asked comes back while somebody has the table to himself.
    let mut operator = crate::support::open_connection(&database.url()).await;
    let mut holding = operator.begin().await.unwrap();
    sqlx::query("LOCK TABLE certificates IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *holding)
        .await
        .unwrap();
    let before = engine.store().queries_run();
    let flood = tokio::spawn({
        let engine = Arc::clone(engine);
        async move { ask(&engine, 1_000..1_000 + FLOOD).await }
    });
    // Known ones beside it are answered, and cost nothing.
    for n in 0..50 {
        window(engine, n).await;
    }
    // The store gives up on what it waits for.
    let outcomes = flood.await.unwrap();
    assert_eq!(of(&outcomes, "Busy"), FLOOD, "never 404: {outcomes:?}");
    let asked = engine.store().queries_run() - before;
    // One at a time, and one more for each time that one is given up.
    assert!((1..=10).contains(&asked), "{asked} queries for {FLOOD}");
    holding.rollback().await.unwrap();

    // With the store back, many who are told "unknown" have cost one query, each turned away none.
    let before = engine.store().queries_run();
    let outcomes = ask(engine, 10_000..10_000 + FLOOD).await;
    let asked = engine.store().queries_run() - before;
    let (unknown, busy) = (of(&outcomes, "UnknownSerial"), of(&outcomes, "Busy"));
    assert_eq!(unknown + busy, FLOOD, "{outcomes:?}");
    assert!(unknown >= MOST_WAITING, "{outcomes:?}");
    assert!(
        asked <= 1 + unknown / 10,
        "{asked} queries for {outcomes:?}"
    );

    // One that another replica registered is found or put off, in the flood as well.
    let mixed = (20_000..20_000 + FLOOD).chain(100..150);
    let outcomes = ask(engine, mixed).await;
    assert!(of(&outcomes, "UnknownSerial") <= FLOOD, "{outcomes:?}");
    for n in 100..150 {
        window(engine, n).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_for_one_unknown_certid_cost_one_query() {
    let Some(database) = databases().await.into_iter().find(Database::is_postgres) else {
        return;
    };
    let service = replica(&database, Config::default()).await;
    let before = service.engine.store().queries_run();
    let outcomes = ask(&service.engine, std::iter::repeat_n(7, 500)).await;
    assert_eq!(of(&outcomes, "UnknownIssuer"), 500, "{outcomes:?}");
    let asked = service.engine.store().queries_run() - before;
    // Where that takes longer than a second it is asked once more.
    assert!((1..=10).contains(&asked), "{asked} queries for 500");
}

#[tokio::test]
async fn a_feed_without_news_costs_one_query() {
    let Some(database) = databases().await.into_iter().find(Database::is_postgres) else {
        return;
    };
    let service = replica(&database, Config::default()).await;
    let many: Vec<Submission> = (0..500).map(ninety_days).collect();
    service.engine.register(&many, None).await.unwrap();
    // The transactions of other tests on the same server hold the feed's place back for a while:
    // what was told last is told again.
    let mut cost = 0;
    for _ in 0..1_000 {
        let before = service.engine.store().queries_run();
        service.engine.catch_up().await.unwrap();
        cost = service.engine.store().queries_run() - before;
        if cost == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{cost} queries, and nothing has changed");
}
