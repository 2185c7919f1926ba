//! Several processes that have the same source.

use std::sync::Arc;
use std::time::Duration;

use offpeak::store::SourceStep;

use super::log::Case;
use super::log_odd::order;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_another_process_reads_is_said_to_be_read_elsewhere() {
    let case = Case::new("nginx-combined").await;
    case.append("acme.log", &order("-", 28, "12:00:00"));
    let following = tokio::spawn(offpeak::source::follow(Arc::clone(&case.engine)));
    let name = case.engine.config().sources[0].name.clone();
    let is = async |wanted: &str| {
        for _ in 0..600 {
            let reports = case.engine.source_reports();
            if reports
                .first()
                .is_some_and(|one| one.state.name() == wanted)
            {
                assert_eq!(reports[0].reason, None);
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", case.engine.source_reports());
    };
    is("reading").await;
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
    case.append("acme.log", &order("-", 28, "12:01:00"));
    is("elsewhere").await;
    following.abort();
}
