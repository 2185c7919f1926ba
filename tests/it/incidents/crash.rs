//! An opening that is broken off, at any moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use offpeak::domain::certificate::Cause;
use offpeak::domain::moves::amendment::Amendment;
use offpeak::domain::moves::incident::State;
use offpeak::engine::Intent;

use super::*;
use crate::server::config;
use crate::support::databases;

/// Drives a future so many steps and drops it; whether it came to its end before.
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
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    false
}

#[tokio::test]
async fn an_opening_broken_off_goes_on_and_moves_nothing_twice() {
    for database in databases().await {
        let server = TestServer::on(&database.url(), config()).await;
        register(&server, 0..5_000).await;
        let incident = revocation(&server, 0..5_000).await;
        let id = incident["id"].as_i64().unwrap();
        let opening = Amendment::to_state(State::Open);
        let mut moved: BTreeMap<CertId, Span> = BTreeMap::new();
        let mut stopped = 0;
        // How many steps it takes is the machine's: it is broken off early and late.
        for steps in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144] {
            let amend = server
                .engine
                .amend_incident(id, &opening, Intent::InEarnest);
            stopped += u32::from(!cut_off_after(steps, amend).await);
            // As after a crash: a process that knows what the store holds and no more.
            let restarted = TestServer::on(&database.url(), config()).await;
            let rows = restarted
                .engine
                .store()
                .certificates_in(&offpeak::store::IdRange::ALL, 6_000);
            for row in rows.await.unwrap() {
                if row.cause == Cause::Incident(id) {
                    let first = *moved.entry(row.id.clone()).or_insert(row.window);
                    assert_eq!(first, row.window, "moved twice");
                }
            }
        }
        assert!(stopped > 1, "hardly any opening was broken off");
        let opened = open(&server, &incident).await;
        assert_eq!(opened["state"], "open");
        let mut late = 0;
        for (n, window) in (0..5_000).zip(windows(&server, 0..5_000).await) {
            match moved.get(&certid(n)) {
                Some(first) => assert_eq!(*first, window),
                None => late += u32::from(window.from > NOW + DAY),
            }
        }
        assert_eq!(late, 0, "everything that was to be moved is");
        let again = open(&server, &incident).await;
        assert_eq!(again["plan"]["toMove"], 0);
        assert!(again["moved"].as_u64().unwrap() >= moved.len() as u64);
    }
}
