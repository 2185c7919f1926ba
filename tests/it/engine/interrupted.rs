//! Requests whose client is gone, and passes that break off.

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::policy::ca::CaName;

use super::*;

use offpeak::store::{BatchKey, ClosedBatch, IdRange};
use sqlx::Connection as _;

/// Drives a future so many steps and drops it, as a server does when the connection closes;
/// whether it came to its end before.
async fn cut_off_after(steps: u32, future: impl Future) -> bool {
    let mut future = std::pin::pin!(future);
    for _ in 0..steps {
        let done = std::future::poll_fn(|context| {
            Poll::Ready(matches!(future.as_mut().poll(context), Poll::Ready(_)))
        })
        .await;
        if done {
            return true;
        }
        // The database answers from threads of its own.
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    false
}

#[tokio::test]
async fn a_registration_cut_off_leaves_the_ledger_as_the_store_is() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let all = Span {
            from: NOW,
            to: NOW + 90 * DAY,
        };
        let mut stopped = 0;
        for round in 0..60 {
            let steps = u32::try_from(round % 6).unwrap() + 1;
            let batch: Vec<Submission> = (round * 20..round * 20 + 20).map(ninety_days).collect();
            if !cut_off_after(steps, engine.register(&batch, None)).await {
                stopped += 1;
            }
        }
        assert!(stopped > 5, "hardly any registration was cut off");
        // Let the database finish or undo what it had begun.
        let settled = replica(&database, Config::default()).await;
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            settled.engine.catch_up().await.unwrap();
            engine.catch_up().await.unwrap();
            let stored = engine
                .store()
                .certificates_in(&IdRange::ALL, 2_000)
                .await
                .unwrap();
            if stored.len() == settled.engine.certificates_indexed() {
                break;
            }
        }
        let (here, there) = (
            engine.windows_promised(all),
            settled.engine.windows_promised(all),
        );
        assert!(
            (here - there).abs() < 1e-6,
            "{here} promised, {there} given"
        );
    }
}

#[tokio::test]
async fn observations_count_once_however_often_a_pass_breaks_off() {
    for database in databases().await {
        let reading = replica(&database, Config::default()).await;
        let writing = replica(&database, Config::default()).await;
        let mut stopped = 0;
        for day in 0..12 {
            let from = NOW - (13 - day) * DAY;
            let lines: Vec<Observation> =
                (0..1_440).map(|n| observation(from + n * MINUTE)).collect();
            let store = writing.engine.store();
            let batch = store.open_batch(NOW).await.unwrap();
            store.append_batch(batch, &lines).await.unwrap();
            let closed = ClosedBatch {
                sha256: [0; 32],
                report: String::new(),
            };
            store.close_batch(batch, None, &closed, NOW).await.unwrap();
            for steps in 1..=12 {
                if !cut_off_after(steps, reading.engine.catch_up()).await {
                    stopped += 1;
                }
            }
            reading.engine.catch_up().await.unwrap();
        }
        assert!(stopped > 5, "hardly any pass was cut off");
        let restarted = replica(&database, Config::default()).await;
        let learned = |engine: &Engine| {
            engine.learn();
            let profile = engine.profile(&CaName::default()).unwrap();
            (profile.mean_per_hour(), profile.version.clone())
        };
        assert_eq!(learned(&reading.engine), learned(&restarted.engine));
    }
}

fn observation(at: Timestamp) -> Observation {
    Observation::plain(at, Source::Ca, Kind::Issued, 7)
}

/// PostgreSQL tells the same again for as long as an older transaction is under way.
#[tokio::test]
async fn what_was_taken_back_is_summed_anew_once() {
    let Some(database) = databases().await.into_iter().find(Database::is_postgres) else {
        return;
    };
    let service = replica(&database, Config::default()).await;
    let store = service.engine.store();
    let key = BatchKey::File([7; 32]);
    let closed = ClosedBatch {
        sha256: [7; 32],
        report: "{}".to_owned(),
    };
    let batch = store.open_batch(NOW).await.unwrap();
    store
        .close_batch(batch, Some(&key), &closed, NOW)
        .await
        .unwrap();
    service.engine.catch_up().await.unwrap();
    let mut older = crate::support::open_connection(&database.url()).await;
    let begin = "BEGIN; INSERT INTO outbox (kind) VALUES ('forgotten')";
    sqlx::raw_sql(begin).execute(&mut older).await.unwrap();
    assert!(store.forget_file(&[7; 32]).await.unwrap());
    let mut queries = Vec::new();
    for _ in 0..3 {
        let before = store.queries_run();
        service.engine.catch_up().await.unwrap();
        queries.push(store.queries_run() - before);
    }
    assert!(
        queries[1] < queries[0],
        "summed anew each time: {queries:?}"
    );
    assert_eq!(queries[1], queries[2]);
    older.close().await.unwrap();
}
