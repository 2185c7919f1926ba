//! Several processes that have the same source.

use std::sync::Arc;
use std::time::Duration;

use offpeak::engine::SourceState;
use offpeak::store::SourceStep;
use reqwest::Method;

use super::log::Case;
use super::log_odd::order;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_another_process_reads_is_said_to_be_read_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("shared.log");
    // Metrics are the process's: a name of its own.
    let head = format!(
        "[[source]]\nname = \"read-twice\"\nca = \"default\"\nkind = \"log\"\npath = \"{}\"\n\
         format = \"nginx-combined\"\n",
        log.display()
    );
    let case = Case::with("nginx-combined", head).await;
    let server = TestServer::around(Arc::clone(&case.engine), Arc::clone(&case.clock), None).await;
    std::fs::write(&log, order("-", 28, "12:00:00")).unwrap();
    let following = tokio::spawn(offpeak::source::follow(Arc::clone(&case.engine)));
    let name = case.engine.config().sources[0].name.clone();
    let shown = async || {
        let metrics = server.ask_admin(Method::GET, "/metrics").send().await;
        let metrics = metrics.unwrap().text().await.unwrap();
        ["up", "elsewhere"].map(|what| {
            let series = format!("offpeak_source_{what}{{source=\"read-twice\"}} ");
            let report = metrics.lines().find_map(|line| line.strip_prefix(&*series));
            report.map(str::to_owned)
        })
    };
    let is = async |wanted: SourceState| {
        for _ in 0..600 {
            let reports = case.engine.source_reports();
            let of = reports.iter().find(|one| one.name == name);
            if let Some(one) = of.filter(|one| one.state == wanted) {
                assert_eq!(one.reason, None);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", case.engine.source_reports());
    };
    is(SourceState::Reading).await;
    let report = |value: &str| Some(value.to_owned());
    assert_eq!(shown().await, [report("1"), report("0")]);
    // Another process was faster.
    let store = case.engine.store();
    let cursor = store.source_cursor(&name).await.unwrap().unwrap();
    let moved = format!("{cursor} ");
    let step = SourceStep {
        source: &name,
        from: Some(&cursor),
        to: &moved,
        observations: &[],
        counted: &[],
    };
    assert!(store.advance_source(step, case.engine.now()).await.unwrap());
    std::fs::write(
        &log,
        order("-", 28, "12:00:00") + &order("-", 28, "12:01:00"),
    )
    .unwrap();
    is(SourceState::Elsewhere).await;
    // Nobody is to be woken for it.
    assert_eq!(shown().await, [report("1"), report("1")]);
    following.abort();
}
