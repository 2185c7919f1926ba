//! Work that one of several processes does for all.

use offpeak::config::Config;
use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::store::{Lease, Migrations, Store, Turn, connect};

use super::*;
use crate::support::databases;

const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

async fn is_free(store: &dyn Store, duty: Lease) -> bool {
    store.take_lease(duty, Turn::Now).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duty_is_one_process_s_until_it_is_given_back_or_the_process_is_gone() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let store = async || connect(&database.url(), Migrations::Apply).await.unwrap();
    let (one, other) = (store().await, store().await);
    let term = one.take_lease(Lease::Purge, Turn::Now).await.unwrap();
    assert!(term.is_some());
    assert!(!is_free(&*other, Lease::Purge).await);
    assert!(!is_free(&*one, Lease::Purge).await);
    assert!(is_free(&*other, Lease::Publication).await, "each by itself");
    let waiting = tokio::spawn({
        let other = Arc::clone(&other);
        async move { other.take_lease(Lease::Purge, Turn::Wait).await.unwrap() }
    });
    drop(term);
    assert!(within(waiting).await.unwrap().is_some());
    until("it was given back", async || {
        is_free(&*one, Lease::Purge).await
    })
    .await;

    // Its connection is closed under it, as when the process is killed.
    let lost = one.take_lease(Lease::Purge, Turn::Now).await.unwrap();
    let mut operator = crate::support::open_connection(&database.url()).await;
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE locktype = 'advisory' AND database =
             (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .execute(&mut operator)
    .await
    .unwrap();
    until("another takes over", async || {
        is_free(&*other, Lease::Purge).await
    })
    .await;
    drop(lost);
    assert!(is_free(&*one, Lease::Sweep).await, "the pool has others");
}

async fn replica(url: &str) -> (Arc<Engine>, Arc<ManualClock>) {
    let store = connect(url, Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::open(store, Config::default(), as_clock).await;
    (engine.unwrap(), clock)
}

fn number(engine: &Engine) -> i64 {
    engine
        .publication()
        .map_or(0, |publication| publication.number)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_one_publishes_and_another_takes_over() {
    for database in databases().await {
        let url = database.url();
        let replicas = [
            replica(&url).await,
            replica(&url).await,
            replica(&url).await,
        ];
        let publish_all = async || {
            let [(a, _), (b, _), (c, _)] = &replicas;
            let (a, b, c) =
                tokio::join!(a.publish_if_due(), b.publish_if_due(), c.publish_if_due());
            (a.unwrap(), b.unwrap(), c.unwrap())
        };
        // Where there is none, all wait for the one that is made.
        publish_all().await;
        for (engine, _) in &replicas {
            assert_eq!(number(engine), 1);
        }
        for (_, clock) in &replicas {
            clock.set(NOW + DAY);
        }
        // Who had not the duty takes the new one at a later turn; PostgreSQL may notice a moment
        // later that the duty before has ended.
        until("one makes it and all have it", async || {
            publish_all().await;
            replicas.iter().all(|(engine, _)| number(engine) == 2)
        })
        .await;
        if !database.is_postgres() {
            continue;
        }
        for (_, clock) in &replicas {
            clock.set(NOW + 2 * DAY);
        }
        let [(holder, _), (other, _), _] = &replicas;
        let term = holder
            .store()
            .take_lease(Lease::Publication, Turn::Now)
            .await;
        other.publish_if_due().await.unwrap();
        assert_eq!(number(other), 2, "left to the one that is at it");
        drop(term);
        until("the next turn makes it", async || {
            other.publish_if_due().await.unwrap();
            number(other) == 3
        })
        .await;
    }
}
