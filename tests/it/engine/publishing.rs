//! When a publication is made before its time, on real databases.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::store::ClosedBatch;
use serde_json::Value;

use super::*;

/// A thousand an hour from one instant to another, told to the store.
async fn observe(engine: &Engine, from: Timestamp, to: Timestamp) {
    let rows: Vec<Observation> = (0..(to - from) / HOUR)
        .map(|hour| Observation {
            seconds: 3_600,
            ..Observation::plain(from + hour * HOUR, Source::Ca, Kind::Issued, 1_000)
        })
        .collect();
    let closed = ClosedBatch {
        sha256: [0; 32],
        report: String::new(),
    };
    let store = engine.store();
    let batch = store.open_batch(engine.now()).await.unwrap();
    store.append_batch(batch, &rows).await.unwrap();
    store
        .close_batch(batch, None, &closed, engine.now())
        .await
        .unwrap();
}

/// What the task does at its next two turns: who had not the duty at the first takes what another
/// made at the second.
async fn two_turns(replicas: [&Service; 2]) {
    let [a, b] = replicas.map(|replica| &replica.engine);
    for _ in 0..2 {
        let (a, b) = tokio::join!(a.publish_if_due(), b.publish_if_due());
        a.unwrap();
        b.unwrap();
    }
}

async fn learn(replicas: [&Service; 2]) {
    for replica in replicas {
        replica.engine.catch_up().await.unwrap();
        replica.engine.learn();
    }
}

fn number(service: &Service) -> i64 {
    service.engine.publication().unwrap().number
}

fn ranking(service: &Service) -> Value {
    let publication = service.engine.publication().unwrap();
    let (_, bytes) = &publication.documents[0];
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_data_and_every_slot_that_is_known_since_are_published_at_once_and_once() {
    for database in databases().await {
        let a = replica(&database, Config::default()).await;
        let b = replica(&database, Config::default()).await;
        let both = [&a, &b];
        two_turns(both).await;
        assert_eq!(ranking(&a)["dataFrom"], Value::Null);
        assert_eq!(both.map(number), [1, 1]);

        // Three days tell no slot of the day, and are more than nothing.
        observe(&a.engine, NOW - 3 * DAY, NOW).await;
        learn(both).await;
        for replica in both {
            replica.clock.set(NOW + 1);
        }
        two_turns(both).await;
        assert_eq!(both.map(number), [2, 2], "one publication, not one each");
        let first = ranking(&b);
        assert!(first["dataFrom"].is_string(), "{first}");
        assert_eq!(first["slots"][0]["rank"], Value::Null);
        two_turns(both).await;
        assert_eq!(both.map(number), [2, 2], "nothing is new");

        // Three more do, a minute after the last one.
        observe(&b.engine, NOW - 6 * DAY, NOW - 3 * DAY).await;
        learn(both).await;
        for (seconds, want) in [(60, 2), (61, 3), (HOUR, 3)] {
            for replica in both {
                replica.clock.set(NOW + seconds);
            }
            two_turns(both).await;
            assert_eq!(both.map(number), [want, want], "after {seconds} s");
        }
        assert!(ranking(&a)["slots"][0]["rank"].is_number());

        // A restart knows what is published; the interval goes on from there.
        let restarted = replica(&database, Config::default()).await;
        for (seconds, want) in [(HOUR, 3), (DAY + 60, 3), (DAY + 61, 4)] {
            restarted.clock.set(NOW + seconds);
            restarted.engine.publish_if_due().await.unwrap();
            assert_eq!(number(&restarted), want, "after {seconds} s");
        }
    }
}
