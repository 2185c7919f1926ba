//! Bodies that are complete, cut off or repeated, and an engine that fails.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::Unknown;
use super::error::IngestError;
use super::fake::{Crash, FakeRegistry, NOW};
use super::format::{CertificateFormat, ObservationFormat};
use super::observe::{Counter, Observed, observe_in};
use super::register::register_in;
use crate::domain::demand::observation::Observation;
use crate::domain::time::DAY;
use crate::engine::EngineError;
use crate::engine::verdict::{Rejection, Report};
use crate::store::{BatchKey, ClosedBatch, Closing};

const NDJSON: (ObservationFormat, Unknown) = (ObservationFormat::Ndjson, Unknown::Refused);

type Chunk = Result<Bytes, &'static str>;

fn cut(body: &str, octets: usize) -> impl Stream<Item = Chunk> + Send + use<> {
    let chunks: Vec<Chunk> = body
        .as_bytes()
        .chunks(octets)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

fn broken_off(body: &str) -> impl Stream<Item = Chunk> + Send + use<> {
    let whole = Bytes::copy_from_slice(body.as_bytes());
    stream::iter([Ok(whole), Err("connection reset")])
}

fn certificates(lines: usize) -> String {
    let mut body = "cert_id,not_before,not_after\n".to_owned();
    for number in 0..lines {
        let not_after = if number % 1_000 == 999 {
            "never"
        } else {
            "1797811200"
        };
        writeln!(body, "AQ.{},{NOW},{not_after}", serial(number)).unwrap();
    }
    body
}

/// Two characters for the upper and the lower twelve bits each: three octets.
fn serial(number: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |shift: usize| char::from(DIGITS[number >> shift & 63]);
    [18, 12, 6, 0].map(digit).iter().collect()
}

#[tokio::test]
async fn a_body_is_registered_in_steps_and_reported_by_line() {
    let registry = FakeRegistry::default();
    let body = cut(&certificates(25_000), 1_000_000);
    let report = register_in(&registry, CertificateFormat::Csv, body)
        .await
        .unwrap();
    assert_eq!((report.accepted, report.rejected), (24_975, 25));
    assert_eq!(report.errors[0].line, 1_001);
    assert_eq!(report.errors[0].field, "not_after");
    let state = registry.state.lock().unwrap();
    assert_eq!(state.calls, [9_990, 9_990, 4_995]);
    assert!(state.progress.is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_its_steps_and_says_how_far_it_came() {
    let registry = FakeRegistry::default();
    let body = broken_off(&certificates(12_345));
    let error = register_in(&registry, CertificateFormat::Csv, body)
        .await
        .unwrap_err();
    let IngestError::Body { done, source } = error else {
        panic!("{error:?}");
    };
    assert_eq!((done.line, done.report.accepted), (10_001, 9_990));
    assert_eq!(source.to_string(), "connection reset");
    assert_eq!(registry.state.lock().unwrap().rows.len(), 9_990);
}

#[tokio::test]
async fn an_engine_that_fails_in_the_second_step_leaves_the_first_accepted() {
    let registry = FakeRegistry::default();
    *registry.crash.lock().unwrap() = Some(Crash::Before(2));
    let body = cut(&certificates(25_000), 100_000);
    let error = register_in(&registry, CertificateFormat::Csv, body)
        .await
        .unwrap_err();
    let IngestError::Engine { done, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!((done.line, done.report.accepted), (10_001, 9_990));
}

#[tokio::test]
async fn a_body_of_bad_lines_alone_does_not_trouble_the_registry() {
    let registry = FakeRegistry::default();
    let body = cut("{}\nhello\n", 1);
    let report = register_in(&registry, CertificateFormat::Ndjson, body)
        .await
        .unwrap();
    assert_eq!((report.accepted, report.rejected), (0, 2));
    assert!(registry.state.lock().unwrap().calls.is_empty());
}

/// An in-memory counter.
#[derive(Default)]
struct FakeCounter {
    state: Mutex<Counted>,
    /// Closed by someone else between looking up the key and closing.
    racing: Option<ClosedBatch>,
}

#[derive(Default)]
struct Counted {
    open: HashMap<i64, Vec<Observation>>,
    rows: Vec<Observation>,
    closed: HashMap<BatchKey, ClosedBatch>,
}

#[async_trait]
impl Counter for FakeCounter {
    fn judge(&self, observation: &Observation) -> Result<(), Rejection> {
        if observation.at.unix() > NOW + 300 {
            return Err(Rejection::new("at", "it is in the future"));
        }
        Ok(())
    }

    fn reported_by(&self) -> Option<&str> {
        None
    }

    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, EngineError> {
        Ok(self.state.lock().unwrap().closed.get(key).cloned())
    }

    async fn open_batch(&self) -> Result<i64, EngineError> {
        let mut state = self.state.lock().unwrap();
        let batch = i64::try_from(state.open.len()).unwrap();
        state.open.insert(batch, Vec::new());
        Ok(batch)
    }

    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), EngineError> {
        let mut state = self.state.lock().unwrap();
        let open = state.open.get_mut(&batch).unwrap();
        open.extend_from_slice(rows);
        Ok(())
    }

    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
    ) -> Result<Closing, EngineError> {
        if let Some(first) = &self.racing {
            return Ok(Closing::Repeated(first.clone()));
        }
        let mut state = self.state.lock().unwrap();
        let rows = state.open.remove(&batch).unwrap();
        state.rows.extend(rows);
        if let Some(key) = key {
            state.closed.insert(key.clone(), closed.clone());
        }
        Ok(Closing::Counted)
    }
}

const BODY: &str = "{\"at\":0,\"kind\":\"issued\",\"count\":3}\n\
                    {\"at\":0,\"kind\":\"issued\",\"count\":-3}\n\
                    {\"at\":9999999999,\"kind\":\"issued\",\"count\":3}\n\
                    {\"at\":60,\"kind\":\"failed\",\"count\":0}\n";

fn request(key: &str) -> BatchKey {
    BatchKey::Request(key.to_owned())
}

async fn observed(counter: &FakeCounter, body: &str, key: impl Into<Option<BatchKey>>) -> Observed {
    observe_in(counter, NDJSON, cut(body, 7), key.into())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_good_lines_of_a_body_count_and_the_bad_ones_are_named() {
    let counter = FakeCounter::default();
    let Observed::Counted(report) = observed(&counter, BODY, None).await else {
        panic!("it was not counted");
    };
    assert_eq!((report.accepted, report.rejected), (2, 2));
    let fields: Vec<_> = report
        .errors
        .iter()
        .map(|error| (error.line, error.field.as_str()))
        .collect();
    assert_eq!(fields, [(2, "count"), (3, "at")]);
    assert_eq!(counter.state.lock().unwrap().rows.len(), 2);
    // Without a key, the same body counts again.
    observed(&counter, BODY, None).await;
    assert_eq!(counter.state.lock().unwrap().rows.len(), 4);
}

#[tokio::test]
async fn the_same_key_counts_once_and_answers_as_before() {
    let counter = FakeCounter::default();
    let Observed::Counted(first) = observed(&counter, BODY, request("a")).await else {
        panic!("it was not counted");
    };
    assert_eq!(
        observed(&counter, BODY, request("a")).await,
        Observed::Repeated(first)
    );
    assert_eq!(
        observed(&counter, "{}\n", request("a")).await,
        Observed::KeyReused
    );
    assert_eq!(counter.state.lock().unwrap().rows.len(), 2);
    assert!(matches!(
        observed(&counter, BODY, request("b")).await,
        Observed::Counted(_)
    ));
    assert_eq!(counter.state.lock().unwrap().rows.len(), 4);
}

#[tokio::test]
async fn a_body_of_which_nothing_was_taken_may_come_again_under_its_key() {
    let counter = FakeCounter::default();
    for _ in 0..2 {
        let refused = observed(&counter, "{}\n", request("a")).await;
        let one = Report {
            rejected: 1,
            ..Report::default()
        };
        let Observed::Counted(report) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            Report {
                errors: Vec::new(),
                ..report
            },
            one
        );
    }
    // After the correction, with the same key, it counts and is remembered.
    assert!(matches!(
        observed(&counter, BODY, request("a")).await,
        Observed::Counted(_)
    ));
    assert_eq!(
        observed(&counter, "{}\n", request("a")).await,
        Observed::KeyReused
    );
}

#[tokio::test]
async fn of_two_that_race_with_one_key_the_second_gets_the_firsts_answer() {
    let lost = FakeCounter::default();
    observed(&lost, BODY, request("a")).await;
    let closed = lost
        .state
        .into_inner()
        .unwrap()
        .closed
        .remove(&request("a"));
    let counter = FakeCounter {
        racing: closed,
        ..FakeCounter::default()
    };
    assert!(matches!(
        observed(&counter, BODY, request("a")).await,
        Observed::Repeated(_)
    ));
    let other = BODY.replace("60", "61");
    assert_eq!(
        observed(&counter, &other, request("a")).await,
        Observed::KeyReused
    );
    assert!(counter.state.lock().unwrap().rows.is_empty());
}

#[tokio::test]
async fn of_observations_that_break_off_none_counts() {
    let counter = FakeCounter::default();
    let many = BODY.repeat(6_000);
    let error = observe_in(&counter, NDJSON, broken_off(&many), Some(request("a")))
        .await
        .unwrap_err();
    assert!(matches!(error, IngestError::Body { .. }), "{error:?}");
    let state = counter.state.lock().unwrap();
    assert!(state.rows.is_empty() && state.closed.is_empty());
    assert_eq!(state.open.len(), 1, "what came is left open, to be swept");
}

#[tokio::test]
async fn a_file_that_is_not_what_its_key_says_does_not_count() {
    let counter = FakeCounter::default();
    let key = Some(BatchKey::File([0; 32]));
    let error = observe_in(&counter, NDJSON, cut(BODY, 100), key)
        .await
        .unwrap_err();
    assert!(matches!(error, IngestError::Changed), "{error:?}");
    assert!(counter.state.lock().unwrap().rows.is_empty());
}

#[test]
fn the_test_bodies_dates_lie_after_the_fakes_clock() {
    assert_eq!(NOW + 30 * DAY, 1_797_811_200);
}
