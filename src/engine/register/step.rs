//! Batches of certificates being stored and added to memory.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::engine::index::booking;
use crate::engine::state::memory::Memory;
use crate::engine::verdict::{Rejection, Verdict};
use crate::store::Registered;

/// Certificates to be stored in one durable step, already drawn and in the ledger. If it is dropped
/// before it is stored, they are removed from the ledger.
#[derive(Debug)]
pub struct Step {
    pub(in crate::engine) memory: Arc<Memory>,
    pub(in crate::engine) now: Timestamp,
    /// For each submission, the index of its certificate; none if it has expired.
    pub(in crate::engine) judged: Vec<Result<Option<usize>, Rejection>>,
    pub(in crate::engine) tables: Vec<StoredTable>,
    pub(in crate::engine) numbers: HashSet<i64>,
    pub(in crate::engine) successions: Vec<(CertId, Successor)>,
    pub(in crate::engine) observations: Vec<Observation>,
    pub(in crate::engine) certificates: Vec<Certificate>,
    /// For each certificate, the index of its CA.
    pub(in crate::engine) cas: Vec<usize>,
    /// How many of the certificates are in memory as stored.
    pub(in crate::engine) settled: usize,
}

impl Step {
    /// When it was begun, which is the registration time of its certificates.
    #[must_use]
    pub const fn begun_at(&self) -> Timestamp {
        self.now
    }

    /// Whether storing it stores anything.
    #[must_use]
    pub fn takes_something(&self) -> bool {
        !self.certificates.is_empty() || !self.observations.is_empty()
    }

    /// The certificates that were new.
    pub(in crate::engine) fn inserted<'a>(
        &'a self,
        outcomes: &'a [Registered],
    ) -> impl Iterator<Item = &'a Certificate> {
        self.certificates
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| **outcome == Registered::Inserted)
            .map(|(certificate, _)| certificate)
    }
}

/// A durable step that is not in memory yet.
#[derive(Debug)]
pub struct Stored {
    pub(in crate::engine) step: Step,
    /// The outcome for each certificate.
    pub(in crate::engine) outcomes: Vec<Registered>,
}

impl Stored {
    /// The verdict on each submission, in order; call it once.
    pub fn verdicts(&mut self) -> Vec<Verdict> {
        let judged = std::mem::take(&mut self.step.judged);
        judged
            .into_iter()
            .map(|judged| match judged {
                Ok(None) => Verdict::Accepted,
                Ok(Some(at)) => verdict(&self.step.certificates[at], &self.outcomes[at]),
                Err(rejection) => Verdict::Rejected(rejection),
            })
            .collect()
    }
}

impl Drop for Step {
    /// Removes unfinished draws from the ledger, after the store has failed or the caller was
    /// dropped. If they were stored after all, the feed adds them again.
    fn drop(&mut self) {
        let drawn = self.certificates.iter().zip(&self.cas);
        for (certificate, ca) in drawn.skip(self.settled) {
            unbook(&self.memory, certificate, *ca);
        }
    }
}

pub(in crate::engine) fn unbook(memory: &Memory, certificate: &Certificate, ca: usize) {
    memory.cas[ca]
        .allocator()
        .ledger
        .unbook(&booking(certificate));
}

fn verdict(submitted: &Certificate, outcome: &Registered) -> Verdict {
    match outcome {
        Registered::Existing(stored) if stored.validity == submitted.validity => Verdict::Unchanged,
        Registered::Existing(stored) => Verdict::Rejected(Rejection::new(
            "certId",
            format!(
                "registered before with other dates: {} to {}",
                stored.validity.not_before, stored.validity.not_after
            ),
        )),
        Registered::Inserted => Verdict::Accepted,
    }
}
