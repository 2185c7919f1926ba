//! After a restart, until everything is summed from the store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use offpeak::domain::certificate::names::Names;
use offpeak::domain::certificate::{Submission, Validity};
use offpeak::domain::time::DAY;
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::store::{Migrations, connect};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use tokio::time::timeout;

use crate::server::{NOW, TestServer, config};
use crate::support::{FreshSqlite, fresh_sqlite};

/// They wait for 5 s; what takes longer than this is not turned away.
const HANGS_AFTER: Duration = Duration::from_mins(1);
/// Registered before the restart, and after it.
const KNOWN: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
const NEW: &str = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyI";

/// An engine with a file of its index.
async fn resumed(database: &FreshSqlite, clock: &Arc<ManualClock>) -> Arc<Engine> {
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let file = database.url().replacen("sqlite:", "", 1) + ".index";
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Engine::resume(store, config(), clock, file.into())
        .await
        .unwrap()
}

#[tokio::test]
async fn what_needs_the_sums_is_turned_away_until_they_are_there() {
    let database = fresh_sqlite();
    let clock = Arc::new(ManualClock::at(NOW));
    let before = resumed(&database, &clock).await;
    let validity = Validity {
        not_before: NOW,
        not_after: NOW + 90 * DAY,
    };
    let known = Submission {
        id: KNOWN.parse().unwrap(),
        validity,
        issued_at: None,
        replaces: None,
        names: Names::default(),
    };
    before.register(&[known], None).await.unwrap();
    before.keep_snapshot().await.unwrap();
    drop(before);
    let engine = resumed(&database, &clock).await;
    assert!(!engine.is_summed());
    // Nothing sums while nobody runs it.
    let server = TestServer::around(engine, clock, Some(database)).await;
    let requests = || -> Vec<RequestBuilder> {
        let as_admin = |method, path: &str| server.as_admin(method, path);
        let line = json!({
            "certId": NEW, "notBefore": NOW, "notAfter": NOW + 90 * DAY,
        });
        let drill = json!({
            "kind": "drill", "ca": "example", "name": "d", "renewBy": NOW + DAY,
        });
        vec![
            as_admin(Method::POST, "/v1/certificates")
                .header("content-type", "application/x-ndjson")
                .body(line.to_string()),
            as_admin(Method::POST, "/v1/incidents").json(&drill),
            as_admin(Method::POST, "/v1/publish"),
            as_admin(Method::POST, "/v1/rebalance").json(&json!({ "ca": "example" })),
            as_admin(Method::DELETE, &format!("/v1/certificates/{KNOWN}")),
        ]
    };
    let turned_away = join_all(requests().into_iter().map(RequestBuilder::send));
    let turned_away = timeout(HANGS_AFTER, turned_away).await.expect("it hangs");
    for answer in turned_away {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 503, "{}", answer.url());
        assert!(answer.headers().contains_key(RETRY_AFTER));
        let problem = "application/problem+json";
        assert_eq!(answer.headers()["content-type"], problem);
    }
    assert_eq!(server.engine.certificates_indexed(), 1);
    server.engine.sum_up().await.unwrap();
    for request in requests() {
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}
