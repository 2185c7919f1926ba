//! Imports a file of certificates. After a crash at any moment, the next run continues after the
//! last durable step, and its report covers the whole file.
//!
//! A step stores its certificates and the file's progress in one transaction. The results of its
//! records are known only afterwards, so the stored report ends before the step. A run that
//! continues judges the records of the last durable step again, without counting them twice.

use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::{Pin, pin};

use futures_util::future::{BoxFuture, MaybeDone, maybe_done};
use futures_util::{FutureExt as _, StreamExt as _, poll};

use super::decode::Item;
use super::error::{Done, IngestError};
use super::fields::Unknown;
use super::file::KnownFile;
use super::format::CertificateFormat;
use super::kept::{Kept, corrupt};
use super::lines::Position;
use super::namesakes::name_predecessors;
use super::register::{PIECE_OCTETS, Registry, Step, warn_of_unclaimed};
use super::watch::Watch;
use crate::domain::certificate::Submission;
use crate::domain::certificate::certid::CertId;
use crate::domain::time::{MINUTE, Timestamp};
use crate::engine::verdict::{Report, Verdict};
use crate::engine::{Engine, EngineError};
use crate::store::ImportProgress;

/// Records drawn before the step being stored gets processor time again: some tenths of a
/// millisecond, less than a statement of that step takes.
const DRAWN_AT_ONCE: usize = 32;

/// Imports the certificates of a file. If it was imported completely before, this only adds
/// certificates that have been removed since. A file of which nothing was accepted is not
/// remembered, so the next import starts anew.
///
/// # Errors
/// [`IngestError`]; another run continues where this one ended.
pub async fn import(
    engine: &Engine,
    file: &KnownFile,
    (format, unknown): (CertificateFormat, Unknown),
    watch: &mut dyn Watch,
) -> Result<Report, IngestError> {
    import_in(engine, file, (format, unknown), watch).await
}

/// How the records of the current step are processed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The file was imported before: missing certificates are registered, nothing is counted.
    Again,
    /// The last durable step of a crashed run, up to this offset: judged, not counted.
    Judging(u64),
    /// Registered, together with the file's progress.
    Taking,
}

struct Import<'a, R: Registry> {
    registry: &'a R,
    file: &'a KnownFile,
    watch: &'a mut dyn Watch,
    kept: Kept,
    phase: Phase,
    step: Step,
    /// The current step's draws so far, if it is registered.
    drawn: Option<R::Drawn>,
    storing: Option<Storing<'a, R>>,
}

/// A step being stored. Meanwhile the next one is read and drawn, but stored only after this one is
/// durable.
struct Storing<'a, R: Registry> {
    step: Step,
    at: Position,
    work: MaybeDone<BoxFuture<'a, Result<R::Stored, EngineError>>>,
}

pub(super) async fn import_in<R: Registry>(
    registry: &R,
    file: &KnownFile,
    (format, unknown): (CertificateFormat, Unknown),
    watch: &mut dyn Watch,
) -> Result<Report, IngestError> {
    let now = registry.now();
    let (kept, phase) = begin(registry, file, now)
        .await
        .map_err(|source| IngestError::Engine {
            done: Box::default(),
            source,
        })?;
    let mut import = Import {
        registry,
        file,
        watch,
        kept,
        phase,
        step: Step::default(),
        drawn: None,
        storing: None,
    };
    let read = import.read(format, unknown).await;
    // Whatever ended the reading, the step being stored is reported.
    import.settle().await?;
    import.end(read?).await?;
    Ok(import.kept.report)
}

async fn begin<R: Registry>(
    registry: &R,
    file: &KnownFile,
    now: Timestamp,
) -> Result<(Kept, Phase), EngineError> {
    let Some(progress) = registry.import_progress(&file.sha256).await? else {
        return Ok((Kept::starting(now), Phase::Taking));
    };
    let kept = Kept::of(&progress)?;
    Ok(if kept.is_reported(&progress) {
        (Kept::starting(now), Phase::Again)
    } else {
        (kept, Phase::Judging(progress.offset))
    })
}

impl<R: Registry> Import<'_, R> {
    /// Processes all complete steps; returns where the file ends.
    async fn read(
        &mut self,
        format: CertificateFormat,
        unknown: Unknown,
    ) -> Result<Position, IngestError> {
        let mut decoder = format.decoder_with(unknown);
        let mut items = Vec::new();
        let from = self.kept.judged;
        if from.offset > 0 {
            if format == CertificateFormat::Csv {
                decoder.push(self.file.header(), &mut items);
                items.clear();
            }
            decoder.resume(from);
            self.watch.resumed(from);
        }
        let mut chunks = pin!(self.file.bytes_from(from.offset));
        while let Some(chunk) = chunks.next().await {
            for piece in chunk?.chunks(PIECE_OCTETS) {
                decoder.push(piece, &mut items);
                self.add(&mut items).await?;
            }
        }
        let end = decoder.finish(&mut items);
        self.add(&mut items).await?;
        Ok(end)
    }

    async fn add(&mut self, items: &mut Vec<Item<Submission>>) -> Result<(), IngestError> {
        if self.phase == Phase::Taking {
            let named = name_predecessors(self.registry, items).await;
            named.map_err(|source| self.failed(source))?;
        }
        for (count, item) in items.drain(..).enumerate() {
            let next = item.next;
            if let (Phase::Taking, Ok(submission)) = (self.phase, &item.record) {
                let mut drawn = self.drawn().await?;
                self.registry.draw(&mut drawn, submission);
                self.drawn = Some(drawn);
            }
            self.step.add(item);
            let is_over = match self.phase {
                Phase::Again | Phase::Taking => self.step.len() >= self.registry.step_records(),
                Phase::Judging(until) => next.offset >= until,
            };
            if is_over {
                self.over(next, Completeness::Partial).await?;
            } else if count % DRAWN_AT_ONCE == 0 {
                self.drive().await;
            }
        }
        Ok(())
    }

    /// Polls the step that is being stored.
    async fn drive(&mut self) {
        if let Some(storing) = &mut self.storing {
            let _ = poll!(&mut storing.work);
            // Let other tasks run; without it the runtime would delay further polls.
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the step being stored is durable, and reports its verdicts.
    async fn durable(&mut self) -> Result<Option<R::Stored>, IngestError> {
        let Some(mut storing) = self.storing.take() else {
            return Ok(None);
        };
        (&mut storing.work).await;
        // It has just finished, and its output was not taken before.
        let Some(stored) = Pin::new(&mut storing.work).take_output() else {
            return Ok(None);
        };
        let mut stored = stored.map_err(|source| self.failed(source))?;
        let judged = R::verdicts(&mut stored);
        self.report(storing.step, storing.at, judged);
        Ok(Some(stored))
    }

    /// Adds a durable step to memory, while the next one is being stored.
    async fn take_in(&mut self, stored: Option<R::Stored>) {
        let Some(stored) = stored else {
            return;
        };
        let mut taken = pin!(self.registry.take_in(stored));
        let storing = &mut self.storing;
        poll_fn(|context| {
            if let Some(storing) = storing {
                let _ = Pin::new(&mut storing.work).poll(context);
            }
            taken.as_mut().poll(context)
        })
        .await;
    }

    /// Finishes the step that is being stored.
    async fn settle(&mut self) -> Result<(), IngestError> {
        let stored = self.durable().await?;
        self.take_in(stored).await;
        Ok(())
    }

    async fn end(&mut self, end: Position) -> Result<(), IngestError> {
        if end.offset != self.file.octets || !self.file.is_unchanged().await? {
            return Err(IngestError::Changed);
        }
        if let Phase::Judging(_) = self.phase {
            self.over(end, Completeness::Partial).await?;
        }
        let from = self.kept.judged;
        self.over(end, Completeness::Whole).await?;
        if self.phase == Phase::Taking && from.offset > 0 && from != end {
            // Records that the report was delivered, so that the next run starts anew.
            self.over(end, Completeness::Whole).await?;
        }
        Ok(())
    }

    /// Ends the current step at `at`.
    async fn over(&mut self, at: Position, completeness: Completeness) -> Result<(), IngestError> {
        let before = self.durable().await?;
        let step = std::mem::take(&mut self.step);
        let judged = match self.phase {
            Phase::Taking => {
                self.take(step, at, completeness).await?;
                self.take_in(before).await;
                return match completeness {
                    Completeness::Partial => Ok(()),
                    Completeness::Whole => self.settle().await,
                };
            }
            Phase::Again if step.is_empty() => Ok(Vec::new()),
            Phase::Again => self.without_counting(&step, Verdict::Unchanged).await,
            Phase::Judging(_) => self.judge_again(&step).await,
        };
        let judged = judged.map_err(|source| self.failed(source))?;
        self.report(step, at, judged);
        if let Phase::Judging(_) = self.phase {
            self.phase = Phase::Taking;
        }
        Ok(())
    }

    /// Reports the results of a step that ends at `at`.
    fn report(&mut self, step: Step, at: Position, judged: Vec<Verdict>) {
        warn_of_unclaimed(self.registry, &step, &judged, &mut self.kept.report);
        for (line, verdict) in step.verdicts(judged) {
            self.watch.judged(line, &verdict);
            self.kept.report.add(line, verdict);
        }
        self.kept.judged = at;
        self.watch.reached(at);
    }

    /// The current step's draws so far.
    async fn drawn(&mut self) -> Result<R::Drawn, IngestError> {
        match self.drawn.take() {
            Some(drawn) => Ok(drawn),
            None => self
                .registry
                .begin()
                .await
                .map_err(|source| self.failed(source)),
        }
    }

    /// Starts to store the step and the file's progress.
    async fn take(
        &mut self,
        step: Step,
        at: Position,
        completeness: Completeness,
    ) -> Result<(), IngestError> {
        let registry = self.registry;
        let drawn = self.drawn().await?;
        self.kept.step_at = R::begun_at(&drawn).unix();
        let report =
            serde_json::to_string(&self.kept).map_err(|error| self.failed(corrupt(&error)))?;
        let progress = ImportProgress {
            sha256: self.file.sha256,
            offset: at.offset,
            line: at.line,
            complete: completeness == Completeness::Whole,
            report,
        };
        // While all records were rejected, nothing is remembered of the file, because the reason
        // may be corrected. Then it is imported as if for the first time.
        let is_known = self.kept.report.took_something() || R::takes_something(&drawn);
        let work = async move {
            let progress = Some(&progress).filter(|_| is_known);
            registry.store(drawn, progress).await
        };
        self.storing = Some(Storing {
            step,
            at,
            work: maybe_done(work.boxed()),
        });
        Ok(())
    }

    fn failed(&self, source: EngineError) -> IngestError {
        IngestError::Engine {
            done: Box::new(Done {
                line: self.kept.judged.line,
                report: self.kept.report.clone(),
            }),
            source,
        }
    }

    /// The results of a durable step whose verdicts were lost: it accepted what has been registered
    /// since the step began.
    async fn judge_again(&self, step: &Step) -> Result<Vec<Verdict>, EngineError> {
        let mut judged = self.without_counting(step, Verdict::Accepted).await?;
        let step_at = Timestamp::from_unix(self.kept.step_at);
        let asked: Vec<CertId> = step.submissions.iter().map(|one| one.id.clone()).collect();
        let rows = self.registry.certificates(&asked).await?;
        let mut new: HashSet<CertId> = rows
            .into_iter()
            .filter(|row| row.registered_at >= step_at)
            .map(|row| row.id)
            .collect();
        for (submission, verdict) in step.submissions.iter().zip(&mut judged) {
            // The first occurrence counts.
            if new.remove(&submission.id) && *verdict == Verdict::Unchanged {
                *verdict = Verdict::Accepted;
            }
        }
        Ok(judged)
    }

    /// Registers what can still be registered. Expired certificates are observations that were
    /// already counted with the file's progress; they get the verdict `expired`. (That a few of
    /// them, of unknown issuers, were rejected is no longer known.)
    async fn without_counting(
        &self,
        step: &Step,
        expired: Verdict,
    ) -> Result<Vec<Verdict>, EngineError> {
        // A minute's margin, so that none expires in between.
        let soon = self.registry.now() + MINUTE;
        let is_live = |submission: &&Submission| submission.validity.not_after > soon;
        let live: Vec<Submission> = step.submissions.iter().filter(is_live).cloned().collect();
        let mut judged = if live.is_empty() {
            Vec::new()
        } else {
            self.registry.register(&live, None).await?
        }
        .into_iter();
        Ok(step
            .submissions
            .iter()
            .filter_map(|submission| {
                if is_live(&submission) {
                    judged.next()
                } else {
                    Some(expired.clone())
                }
            })
            .collect())
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Completeness {
    Partial,
    Whole,
}
