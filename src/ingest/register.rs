//! Registers the certificates of a request.

use std::borrow::Cow;
use std::error::Error;
use std::pin::pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::decode::Item;
use super::error::{Done, IngestError};
use super::format::CertificateFormat;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Submission};
use crate::domain::time::Timestamp;
use crate::engine::verdict::{Rejection, Report, Verdict};
use crate::engine::{self, Engine, EngineError};
use crate::store::ImportProgress;

/// Observations, or certificates to revert, in a durable step: about 2 MB and some tens of
/// milliseconds.
pub(super) const STEP_RECORDS: usize = 10_000;
/// Bytes decoded at once, even if chunks are larger, so that the decoded records stay small.
pub(super) const PIECE_OCTETS: usize = 64 << 10;

/// Registers the certificates of a body, in durable steps.
///
/// # Errors
/// [`IngestError::Body`] if the body is cut off, and [`IngestError::Engine`] if the engine fails.
/// Both report what was accepted so far, which is kept.
pub async fn register<S, E>(
    engine: &Engine,
    format: CertificateFormat,
    body: S,
) -> Result<Report, IngestError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    register_in(engine, format, body).await
}

/// The functions of the engine needed to register certificates.
#[async_trait]
pub(super) trait Registry: Sync {
    /// Records drawn but not stored yet.
    type Drawn: Send;
    /// Records stored but not in memory yet.
    type Stored: Send;

    fn now(&self) -> Timestamp;
    async fn begin(&self) -> Result<Self::Drawn, EngineError>;
    /// When it was begun, which is the registration time of its certificates.
    fn begun_at(drawn: &Self::Drawn) -> Timestamp;
    fn draw(&self, drawn: &mut Self::Drawn, submission: &Submission);
    /// The same records with their predecessors, found by names. It keeps the names.
    async fn with_predecessors<'a>(
        &self,
        submissions: &'a [Submission],
    ) -> Result<Cow<'a, [Submission]>, EngineError> {
        Ok(Cow::Borrowed(submissions))
    }
    /// Whether storing it would store anything.
    fn takes_something(drawn: &Self::Drawn) -> bool;
    /// How many records the next step should contain.
    fn step_records(&self) -> usize;
    async fn store(
        &self,
        drawn: Self::Drawn,
        progress: Option<&ImportProgress>,
    ) -> Result<Self::Stored, EngineError>;
    /// The result of each record, in order; call it once.
    fn verdicts(stored: &mut Self::Stored) -> Vec<Verdict>;
    async fn take_in(&self, stored: Self::Stored);

    async fn register(
        &self,
        submissions: &[Submission],
        progress: Option<&ImportProgress>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let mut drawn = self.begin().await?;
        for submission in submissions {
            self.draw(&mut drawn, submission);
        }
        let mut stored = self.store(drawn, progress).await?;
        let verdicts = Self::verdicts(&mut stored);
        self.take_in(stored).await;
        Ok(verdicts)
    }

    /// Whether an issuer's certificates belong to the CA `default` although others are configured.
    fn is_unclaimed(&self, issuer: &KeyIdentifier) -> bool;
    /// Called when certificates of such an issuer were registered.
    fn took_unclaimed(&self, issuer: &KeyIdentifier, certificates: u64);
    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, EngineError>;
    async fn remove(&self, ids: &[CertId]) -> Result<u64, EngineError>;
    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, EngineError>;
    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, EngineError>;
}

#[async_trait]
impl Registry for Engine {
    type Drawn = engine::Step;
    type Stored = engine::Stored;

    fn now(&self) -> Timestamp {
        self.now()
    }

    async fn begin(&self) -> Result<Self::Drawn, EngineError> {
        self.begin_step().await
    }

    fn begun_at(drawn: &Self::Drawn) -> Timestamp {
        drawn.begun_at()
    }

    fn draw(&self, drawn: &mut Self::Drawn, submission: &Submission) {
        self.draw_next(drawn, submission);
    }

    async fn with_predecessors<'a>(
        &self,
        submissions: &'a [Submission],
    ) -> Result<Cow<'a, [Submission]>, EngineError> {
        self.with_predecessors(submissions).await
    }

    fn takes_something(drawn: &Self::Drawn) -> bool {
        drawn.takes_something()
    }

    fn step_records(&self) -> usize {
        self.store().step_records()
    }

    async fn store(
        &self,
        drawn: Self::Drawn,
        progress: Option<&ImportProgress>,
    ) -> Result<Self::Stored, EngineError> {
        self.store_step(drawn, progress).await
    }

    fn verdicts(stored: &mut Self::Stored) -> Vec<Verdict> {
        stored.verdicts()
    }

    async fn take_in(&self, stored: Self::Stored) {
        self.take_in(stored).await;
    }

    async fn register(
        &self,
        submissions: &[Submission],
        progress: Option<&ImportProgress>,
    ) -> Result<Vec<Verdict>, EngineError> {
        self.register(submissions, progress).await
    }

    fn is_unclaimed(&self, issuer: &KeyIdentifier) -> bool {
        self.is_unclaimed(issuer)
    }

    fn took_unclaimed(&self, issuer: &KeyIdentifier, certificates: u64) {
        self.took_unclaimed(issuer, certificates);
    }

    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, EngineError> {
        // The rows with exactly these CertIDs, not their other spellings.
        Ok(self.store().certificates(ids).await?)
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, EngineError> {
        self.remove(ids).await
    }

    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, EngineError> {
        Ok(self.store().import_progress(sha256).await?)
    }

    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, EngineError> {
        Ok(self.store().forget_file(sha256).await?)
    }
}

/// The records of one step, valid and rejected, in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct Step {
    lines: Vec<(u64, Option<Rejection>)>,
    pub(super) submissions: Vec<Submission>,
}

impl Step {
    pub(super) fn add(&mut self, item: Item<Submission>) {
        let rejection = match item.record {
            Ok(submission) => {
                self.submissions.push(submission);
                None
            }
            Err(rejection) => Some(rejection),
        };
        self.lines.push((item.line, rejection));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The verdict of each line, from the verdicts of the submissions.
    pub(super) fn verdicts(self, judged: Vec<Verdict>) -> impl Iterator<Item = (u64, Verdict)> {
        let mut judged = judged.into_iter();
        self.lines.into_iter().map(move |(line, rejection)| {
            let verdict = match rejection {
                Some(rejection) => Verdict::Rejected(rejection),
                // The engine returns a verdict for each; a record without one is not accepted.
                None => judged.next().unwrap_or_else(|| {
                    Verdict::Rejected(Rejection::new(
                        super::rejected::WHOLE_RECORD,
                        "it was not judged",
                    ))
                }),
            };
            (line, verdict)
        })
    }
}

pub(super) async fn register_in<R: Registry, S, E>(
    registry: &R,
    format: CertificateFormat,
    body: S,
) -> Result<Report, IngestError>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut decoder = format.decoder();
    let mut items = Vec::new();
    let mut step = Step::default();
    let mut done = Done::default();
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(source) => {
                return Err(IngestError::Body {
                    done: Box::new(done),
                    source: source.into(),
                });
            }
        };
        for piece in chunk.chunks(PIECE_OCTETS) {
            decoder.push(piece, &mut items);
            for item in items.drain(..) {
                step.add(item);
                if step.len() >= registry.step_records() {
                    take_step(registry, &mut step, &mut done).await?;
                }
            }
        }
    }
    decoder.finish(&mut items);
    for item in items.drain(..) {
        step.add(item);
    }
    take_step(registry, &mut step, &mut done).await?;
    Ok(done.report)
}

async fn take_step<R: Registry>(
    registry: &R,
    step: &mut Step,
    done: &mut Done,
) -> Result<(), IngestError> {
    let step = std::mem::take(step);
    let judged = if step.submissions.is_empty() {
        Vec::new()
    } else {
        match registry.register(&step.submissions, None).await {
            Ok(judged) => judged,
            Err(source) => {
                return Err(IngestError::Engine {
                    done: Box::new(std::mem::take(done)),
                    source,
                });
            }
        }
    };
    warn_of_unclaimed(registry, &step, &judged, &mut done.report);
    for (line, verdict) in step.verdicts(judged) {
        done.line = line;
        done.report.add(line, verdict);
    }
    Ok(())
}

/// Warns about the certificates that a step registered for the CA `default`.
pub(super) fn warn_of_unclaimed<R: Registry>(
    registry: &R,
    step: &Step,
    judged: &[Verdict],
    report: &mut Report,
) {
    // Certificates of an issuer usually come together, so it is looked up once.
    let mut issuer: Option<(&KeyIdentifier, bool)> = None;
    let mut unclaimed: Vec<(&KeyIdentifier, u64)> = Vec::new();
    for (submission, verdict) in step.submissions.iter().zip(judged) {
        let own = &submission.id.key_identifier;
        let is_unclaimed = match issuer {
            Some((known, is_unclaimed)) if known == own => is_unclaimed,
            _ => registry.is_unclaimed(own),
        };
        issuer = Some((own, is_unclaimed));
        if !is_unclaimed || matches!(verdict, Verdict::Rejected(_)) {
            continue;
        }
        // The maximum number of warnings.
        let is_full = unclaimed.len() >= Report::MOST_WARNINGS;
        match unclaimed.iter_mut().find(|(known, _)| *known == own) {
            Some((_, certificates)) => *certificates += 1,
            None if is_full => {}
            None => unclaimed.push((own, 1)),
        }
    }
    for (issuer, certificates) in unclaimed {
        registry.took_unclaimed(issuer, certificates);
        report.unclaimed(issuer, certificates);
    }
}
