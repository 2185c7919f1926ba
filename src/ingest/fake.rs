//! An in-memory registry that can crash before or after any of its durable steps.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;

use super::register::Registry;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Basis, Cause, Certificate, Submission};
use crate::domain::time::{Span, Timestamp};
use crate::engine::EngineError;
use crate::engine::verdict::{Rejection, Verdict};
use crate::store::ImportProgress;

/// 2026-11-21T00:00:00Z, the start of the fake's clock.
pub(super) const NOW: i64 = 1_795_219_200;

/// Ten minutes; shorter lifetimes are rejected.
const LEAST_LIFE_SECONDS: i64 = 600;

/// When a call to `register` fails, as seen by a process that was killed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crash {
    /// After the n-th step became durable.
    After(usize),
    /// Before the n-th step became durable.
    Before(usize),
}

/// How a step was processed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Did {
    Store,
    TakeIn,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rows: HashMap<CertId, Certificate>,
    pub(super) progress: HashMap<[u8; 32], ImportProgress>,
    /// How often an expired certificate was counted.
    pub(super) expired: HashMap<CertId, u64>,
    /// The number of submissions in each call.
    pub(super) calls: Vec<usize>,
    /// How the steps were processed, in order.
    pub(super) done: Vec<Did>,
}

#[derive(Debug, Default)]
pub(super) struct FakeRegistry {
    pub(super) state: Mutex<State>,
    pub(super) crash: Mutex<Option<Crash>>,
    seconds: AtomicI64,
}

fn crashed() -> EngineError {
    EngineError::Corrupt {
        what: "process",
        detail: "killed".to_owned(),
    }
}

impl State {
    fn judge(&mut self, submission: &Submission, now: Timestamp) -> Verdict {
        let validity = submission.validity;
        if validity.not_after < now {
            *self.expired.entry(submission.id.clone()).or_default() += 1;
            return Verdict::Accepted;
        }
        if validity.life_seconds() < LEAST_LIFE_SECONDS {
            return Verdict::Rejected(Rejection::new("notAfter", "under ten minutes of life"));
        }
        match self.rows.get(&submission.id) {
            Some(row) if row.validity == validity => Verdict::Unchanged,
            Some(_) => Verdict::Rejected(Rejection::new("certId", "registered with other dates")),
            None => {
                self.rows
                    .insert(submission.id.clone(), certificate(submission, now));
                Verdict::Accepted
            }
        }
    }
}

fn certificate(submission: &Submission, now: Timestamp) -> Certificate {
    let window = Span { from: now, to: now };
    Certificate {
        id: submission.id.clone(),
        validity: submission.validity,
        issued_at: submission.validity.not_before,
        hour_known: true,
        steered: false,
        registered_at: now,
        window,
        basis: Basis::Span(window),
        cause: Cause::Registration,
        follows: Some(0.3),
        successor: None,
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    type Drawn = (Timestamp, Vec<Submission>);
    type Stored = Vec<Verdict>;

    fn now(&self) -> Timestamp {
        Timestamp::from_unix(NOW + self.seconds.load(Ordering::SeqCst))
    }

    async fn begin(&self) -> Result<Self::Drawn, EngineError> {
        let seconds = self.seconds.fetch_add(1, Ordering::SeqCst);
        Ok((Timestamp::from_unix(NOW + seconds), Vec::new()))
    }

    fn begun_at(drawn: &Self::Drawn) -> Timestamp {
        drawn.0
    }

    fn draw(&self, drawn: &mut Self::Drawn, submission: &Submission) {
        drawn.1.push(submission.clone());
    }

    fn takes_something((now, submissions): &Self::Drawn) -> bool {
        submissions.iter().any(|Submission { validity, .. }| {
            validity.not_after < *now || validity.life_seconds() >= LEAST_LIFE_SECONDS
        })
    }

    fn step_records(&self) -> usize {
        10_000
    }

    async fn store(
        &self,
        (now, submissions): Self::Drawn,
        progress: Option<&ImportProgress>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(submissions.len());
        state.done.push(Did::Store);
        let crash = *self.crash.lock().unwrap();
        if crash == Some(Crash::Before(state.calls.len())) {
            return Err(crashed());
        }
        let verdicts = submissions
            .iter()
            .map(|submission| state.judge(submission, now))
            .collect();
        if let Some(progress) = progress {
            state.progress.insert(progress.sha256, progress.clone());
        }
        if crash == Some(Crash::After(state.calls.len())) {
            return Err(crashed());
        }
        Ok(verdicts)
    }

    fn verdicts(stored: &mut Self::Stored) -> Vec<Verdict> {
        std::mem::take(stored)
    }

    async fn take_in(&self, _stored: Self::Stored) {
        self.state.lock().unwrap().done.push(Did::TakeIn);
    }

    fn is_unclaimed(&self, _issuer: &KeyIdentifier) -> bool {
        false
    }

    fn took_unclaimed(&self, _issuer: &KeyIdentifier, _certificates: u64) {}

    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, EngineError> {
        let state = self.state.lock().unwrap();
        Ok(ids
            .iter()
            .filter_map(|id| state.rows.get(id).cloned())
            .collect())
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, EngineError> {
        let mut state = self.state.lock().unwrap();
        let removed = ids.iter().filter(|id| state.rows.remove(id).is_some());
        Ok(removed.count() as u64)
    }

    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, EngineError> {
        Ok(self.state.lock().unwrap().progress.get(sha256).cloned())
    }

    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, EngineError> {
        let mut state = self.state.lock().unwrap();
        Ok(state.progress.remove(sha256).is_some())
    }
}
