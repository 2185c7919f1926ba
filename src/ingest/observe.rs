//! Stores the observations of a request or file: either all of them count once, or none.

use std::error::Error;
use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};

use super::decode::{Decode, Item};
use super::error::{Done, IngestError};
use super::fields::Unknown;
use super::format::ObservationFormat;
use super::register::{PIECE_OCTETS, STEP_RECORDS};
use crate::domain::demand::observation::Observation;
use crate::domain::demand::permission::Reporter;
use crate::engine::verdict::{Rejection, Report, Verdict};
use crate::engine::{Engine, EngineError};
use crate::store::{BatchKey, ClosedBatch, Closing};

/// The result for the observations of a request or file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Observed {
    /// Counted now.
    Counted(Report),
    /// The same key was used with another body; nothing counts.
    KeyReused,
    /// Counted before; this is the answer given then.
    Repeated(Report),
}

/// Counts the observations of a body that `reporter` is allowed to submit, with an optional `key`.
/// The same key with the same body counts once and gets the same answer.
///
/// # Errors
/// [`IngestError::Body`] if the body is cut off, [`IngestError::Changed`] if it is not the file
/// that its key identifies, [`IngestError::Engine`] if the engine fails. Nothing counts then.
pub async fn observe<S, E>(
    engine: &Engine,
    reporter: &Reporter,
    (format, unknown): (ObservationFormat, Unknown),
    body: S,
    key: Option<BatchKey>,
) -> Result<Observed, IngestError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    observe_in(&Bound { engine, reporter }, (format, unknown), body, key).await
}

/// The engine, limited to what a caller may submit.
struct Bound<'a> {
    engine: &'a Engine,
    reporter: &'a Reporter,
}

/// The functions of the engine needed to count observations.
#[async_trait]
pub(super) trait Counter: Sync {
    fn judge(&self, observation: &Observation) -> Result<(), Rejection>;
    /// The identity of the submitter.
    fn reported_by(&self) -> Option<&str>;
    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, EngineError>;
    async fn open_batch(&self) -> Result<i64, EngineError>;
    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), EngineError>;
    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
    ) -> Result<Closing, EngineError>;
}

#[async_trait]
impl Counter for Bound<'_> {
    fn judge(&self, observation: &Observation) -> Result<(), Rejection> {
        if let Some(refusal) = self.reporter.permission.refusal(observation) {
            return Err(Rejection::new("source", refusal));
        }
        self.engine.judge(observation)
    }

    fn reported_by(&self) -> Option<&str> {
        self.reporter.known_as.as_deref()
    }

    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, EngineError> {
        Ok(self.engine.store().closed_batch(key).await?)
    }

    async fn open_batch(&self) -> Result<i64, EngineError> {
        Ok(self.engine.store().open_batch(self.engine.now()).await?)
    }

    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), EngineError> {
        Ok(self.engine.store().append_batch(batch, rows).await?)
    }

    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
    ) -> Result<Closing, EngineError> {
        let now = self.engine.now();
        Ok(self
            .engine
            .store()
            .close_batch(batch, key, closed, now)
            .await?)
    }
}

pub(super) async fn observe_in<C: Counter, S, E>(
    counter: &C,
    (format, unknown): (ObservationFormat, Unknown),
    body: S,
    key: Option<BatchKey>,
) -> Result<Observed, IngestError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let known = match &key {
        Some(key) => counter.closed_batch(key).await.map_err(nothing_counted)?,
        None => None,
    };
    let mut body = pin!(body);
    let mut hash = Sha256::new();
    let mut counting = known.is_none().then(|| Counting::new(format, unknown));
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|source| IngestError::Body {
            done: Box::default(),
            source: source.into(),
        })?;
        hash.update(&chunk);
        if let Some(counting) = &mut counting {
            for piece in chunk.chunks(PIECE_OCTETS) {
                counting
                    .push(counter, piece)
                    .await
                    .map_err(nothing_counted)?;
            }
        }
    }
    let sha256: [u8; 32] = hash.finalize().into();
    if matches!(&key, Some(BatchKey::File(named)) if *named != sha256) {
        return Err(IngestError::Changed);
    }
    match (known, counting) {
        (Some(known), _) => repeated(&known, sha256).map_err(nothing_counted),
        (None, counting) => counting
            .unwrap_or_else(|| Counting::new(format, unknown))
            .close(counter, sha256, key.as_ref())
            .await
            .map_err(nothing_counted),
    }
}

/// Observations being added to a batch.
struct Counting {
    decoder: Box<dyn Decode<Observation>>,
    items: Vec<Item<Observation>>,
    good: Vec<Observation>,
    report: Report,
    /// Opened for the first observation.
    batch: Option<i64>,
}

impl Counting {
    fn new(format: ObservationFormat, unknown: Unknown) -> Self {
        Self {
            decoder: format.decoder_with(unknown),
            items: Vec::new(),
            good: Vec::new(),
            report: Report::default(),
            batch: None,
        }
    }

    async fn push<C: Counter>(&mut self, counter: &C, piece: &[u8]) -> Result<(), EngineError> {
        self.decoder.push(piece, &mut self.items);
        self.judge(counter);
        if self.good.len() >= STEP_RECORDS {
            self.append(counter).await?;
        }
        Ok(())
    }

    fn judge<C: Counter>(&mut self, counter: &C) {
        for Item { line, record, .. } in self.items.drain(..) {
            let judged = record.and_then(|observation| {
                counter.judge(&observation)?;
                Ok(Observation {
                    reported_by: counter.reported_by().map(str::to_owned),
                    ..observation
                })
            });
            let verdict = match judged {
                Ok(observation) => {
                    self.good.push(observation);
                    Verdict::Accepted
                }
                Err(rejection) => Verdict::Rejected(rejection),
            };
            self.report.add(line, verdict);
        }
    }

    async fn append<C: Counter>(&mut self, counter: &C) -> Result<i64, EngineError> {
        let batch = match self.batch {
            Some(batch) => batch,
            None => counter.open_batch().await?,
        };
        self.batch = Some(batch);
        if !self.good.is_empty() {
            counter.append_batch(batch, &self.good).await?;
            self.good.clear();
        }
        Ok(batch)
    }

    async fn close<C: Counter>(
        mut self,
        counter: &C,
        sha256: [u8; 32],
        key: Option<&BatchKey>,
    ) -> Result<Observed, EngineError> {
        self.decoder.finish(&mut self.items);
        self.judge(counter);
        if !self.report.took_something() {
            // Nothing to count. It is not remembered, because the sender may send the same again
            // after correcting the reason, such as a wrong format or an unconfigured CA.
            return Ok(Observed::Counted(self.report));
        }
        let batch = self.append(counter).await?;
        let closed = ClosedBatch {
            sha256,
            report: serde_json::to_string(&self.report).map_err(|error| corrupt(&error))?,
        };
        match counter.close_batch(batch, key, &closed).await? {
            Closing::Counted => Ok(Observed::Counted(self.report)),
            Closing::Repeated(first) => repeated(&first, sha256),
        }
    }
}

/// The answer to a body with a known key.
fn repeated(known: &ClosedBatch, sha256: [u8; 32]) -> Result<Observed, EngineError> {
    if known.sha256 != sha256 {
        return Ok(Observed::KeyReused);
    }
    serde_json::from_str(&known.report)
        .map(Observed::Repeated)
        .map_err(|error| corrupt(&error))
}

fn corrupt(error: &serde_json::Error) -> EngineError {
    EngineError::Corrupt {
        what: "report of a batch",
        detail: error.to_string(),
    }
}

fn nothing_counted(source: EngineError) -> IngestError {
    IngestError::Engine {
        done: Box::new(Done::default()),
        source,
    }
}
