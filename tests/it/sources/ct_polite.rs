//! Logs that say that they are asked too much: they are left alone, and the others are read.

use offpeak::engine::SourceState;
use std::time::Duration;

use axum::http::StatusCode;

use super::ct::{ISSUERS, case_of, folder};
use super::ct_log::Log;

/// The longest that reading one log of 1,024 entries may take: 30 requests at five a second.
const BOUND: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_says_429_is_left_alone_and_no_other_waits() {
    let Some(folder) = folder() else { return };
    let (first, second) = (
        Log::start(folder.clone()).await,
        Log::start(folder.clone()).await,
    );
    let other = Log::start(folder).await;
    *first.shown.busy.lock().unwrap() = Some(StatusCode::TOO_MANY_REQUESTS);
    let case = case_of(&[&[&first, &second], &[&other]], "").await;
    let read = tokio::time::timeout(BOUND, case.read()).await;
    read.expect("the other operator's log waits").unwrap();
    assert_eq!(case.count().await, ISSUERS[0].1 + ISSUERS[2].1);
    assert_eq!((first.asked(""), second.asked("")), (1, 0));
    let report = &case.engine.source_reports()[0];
    assert_eq!(
        (report.state, report.logs_failing),
        (SourceState::Reading, 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_says_503_holds_itself_alone() {
    let Some(folder) = folder() else { return };
    let (first, second) = (Log::start(folder.clone()).await, Log::start(folder).await);
    *first.shown.busy.lock().unwrap() = Some(StatusCode::SERVICE_UNAVAILABLE);
    let case = case_of(&[&[&first, &second]], "").await;
    let read = tokio::time::timeout(BOUND, case.read()).await;
    read.expect("the operator's other log waits").unwrap();
    assert_eq!(case.count().await, ISSUERS[0].1 + ISSUERS[2].1);
    assert_eq!(first.asked(""), 1);
    assert_eq!(case.engine.source_reports()[0].logs_failing, 1);
}
