//! What was taken from a peer, taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::source::read_once;
use offpeak::store::SourceStep;
use serde_json::json;

use super::peer::{NOW, engine, peer, taken, text};
use crate::process::offpeak;

/// What the peer forgot, and what it has now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_from_a_peer_can_be_forgotten_and_is_taken_anew() {
    let wrong = Arc::new(AtomicBool::new(true));
    let has = Arc::clone(&wrong);
    let answer = move |RawQuery(query): RawQuery| {
        let line = |vantage: &str, count| {
            json!({"at": "2026-11-28T11:00:00Z", "kind": "attempt", "count": count, "ca": "default",
                   "source": "log", "vantage": vantage})
        };
        let mut lines = vec![line("front", 5)];
        if has.load(Ordering::SeqCst) {
            lines.push(line("back", 1_000));
        }
        if query.is_some_and(|query| query.contains("after=")) {
            lines.clear();
        }
        let report = json!({"next": "x.1", "more": false, "observations": lines});
        async move { report.to_string() }
    };
    let folder = tempfile::tempdir().unwrap();
    let url = peer(Router::new().route("/v1/export", get(answer))).await;
    let (engine, database) = engine(&text(folder.path(), &url)).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    // Of somebody else, whose vantage is called alike.
    let others = Observation {
        vantage: Some("peer:southern".to_owned()),
        ..Observation::plain(NOW.parse().unwrap(), Source::Log, Kind::Attempt, 3)
    };
    let step = SourceStep {
        source: "southern",
        from: None,
        to: "{}",
        observations: &[others],
        counted: &[],
    };
    assert!(
        engine
            .store()
            .advance_source(step, engine.now())
            .await
            .unwrap()
    );
    engine.catch_up().await.unwrap();
    let counts = async || {
        let mut counts: Vec<u64> = taken(&engine).await.iter().map(|one| one.count).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(counts().await, [3, 5, 1_000]);
    wrong.store(false, Ordering::SeqCst);
    read_once(&engine, &source).await.unwrap();
    assert_eq!(counts().await, [3, 5, 1_000]);
    let forget = |name: &str| {
        let mut command = offpeak();
        command.args(["forget", "--peer", name, "--database", &database.url()]);
        tokio::task::block_in_place(|| command.output().unwrap())
    };
    let report = forget("south");
    assert!(report.status.success(), "{report:?}");
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(
        report.starts_with("peer south: 2 counts no longer count"),
        "{report}"
    );
    assert_eq!(counts().await, [3]);
    // Who runs meanwhile hears of it, and takes what there is now.
    engine.catch_up().await.unwrap();
    assert_eq!(engine.how_cas_are(None)[0].sources.len(), 1);
    read_once(&engine, &source).await.unwrap();
    assert_eq!(counts().await, [3, 5]);
    assert_eq!(forget("nobody").status.code(), Some(3));
}
