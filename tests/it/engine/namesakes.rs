//! Certificates that take another's place by their names.

use super::*;

fn named(n: u64, not_before: Timestamp, names: &[&str]) -> Submission {
    Submission {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..issued(n, not_before, 90 * DAY)
    }
}

async fn successor(engine: &Arc<Engine>, n: u64) -> Option<Successor> {
    engine
        .certificate(&certid(n))
        .await
        .unwrap()
        .unwrap()
        .successor
}

#[tokio::test]
async fn who_says_nothing_replaces_what_is_due_for_the_same_names() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let register = async |submission: Submission| {
            engine.register(&[submission], None).await.unwrap();
            engine.catch_up().await.unwrap();
        };
        // Two servers of the same names, a day apart, and one of other names.
        register(named(1, NOW, &["a.example", "B.example."])).await;
        register(named(2, NOW + DAY, &["b.example", "a.example"])).await;
        register(named(3, NOW, &["a.example"])).await;
        // Nobody renews before the window: this is a third server.
        service.clock.set(NOW + 2 * DAY);
        register(named(4, NOW + 2 * DAY, &["a.example", "b.example"])).await;
        for n in 1..=4 {
            assert_eq!(successor(engine, n).await, None, "{n}");
        }
        let last = window(engine, 1).await.to.max(window(engine, 2).await.to);
        service.clock.set(last);
        // Without names nothing is known.
        register(issued(5, last, 90 * DAY)).await;
        assert_eq!(successor(engine, 1).await, None);
        // Two at once: each takes one place, the first to end first.
        let both = [6, 7].map(|n| named(n, last, &["a.example", "b.example"]));
        engine.register(&both, None).await.unwrap();
        engine.catch_up().await.unwrap();
        assert_eq!(successor(engine, 1).await, Some(Successor::By(certid(6))));
        assert_eq!(successor(engine, 2).await, Some(Successor::By(certid(7))));
        assert_eq!(successor(engine, 3).await, None);
        assert_eq!(successor(engine, 4).await, None);
        // The same again changes nothing, nor does a certificate take its own place.
        engine.register(&both, None).await.unwrap();
        assert_eq!(successor(engine, 6).await, None);
        // What a source says itself counts.
        let said = Submission {
            replaces: Some(certid(3)),
            ..named(8, last, &["a.example", "b.example"])
        };
        register(said).await;
        assert_eq!(successor(engine, 3).await, Some(Successor::By(certid(8))));
        assert_eq!(successor(engine, 4).await, None);
    }
}
