//! Registers certificates: checks, draws, stores, and only then answers.

use std::collections::HashSet;
use std::sync::Arc;

use super::step::{Step, Stored, unbook};
use crate::domain::allocation::allocator::{Draw, Drawn};
use crate::domain::allocation::experiment::cohort::{is_control, plain};
use crate::domain::allocation::table::Reason;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::Purpose;
use crate::domain::certificate::{Cause, Certificate, Submission, Successor};
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::index::booking;
use crate::engine::service::Engine;
use crate::engine::state::change::RowOrigin;
use crate::engine::state::memory::Memory;
use crate::engine::verdict::{Rejection, Verdict};
use crate::store::{ImportProgress, Registered, Registration};

/// Certificates drawn or added to memory before the thread runs other tasks: some tenths of a
/// millisecond.
const AT_ONCE: usize = 64;
/// A source's clock may run ahead of ours by this much.
const MOST_AHEAD_SECONDS: i64 = DAY;

/// A submission before it is stored.
enum Judged {
    /// To be stored.
    Drawn(Box<Certificate>, usize),
    /// It has expired, and counts only as an observation of issuance.
    Expired(Box<Observation>),
    /// It was rejected.
    Rejected(Rejection),
}

impl Engine {
    /// Registers certificates in one durable step; returns the verdict on each, in order.
    /// `progress`, if given, is stored in the same step.
    ///
    /// # Errors
    /// [`EngineError::Store`] and [`EngineError::NotSummed`]: nothing of this call is stored.
    pub async fn register(
        &self,
        submissions: &[Submission],
        progress: Option<&ImportProgress>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let submissions = self.with_predecessors(submissions).await?;
        let mut step = self.begin_step().await?;
        for some in submissions.chunks(AT_ONCE) {
            for submission in some {
                self.draw_next(&mut step, submission);
            }
            tokio::task::yield_now().await;
        }
        let mut stored = self.store_step(step, progress).await?;
        let verdicts = stored.verdicts();
        self.take_in(stored).await;
        Ok(verdicts)
    }

    /// Begins an empty step, as soon as everything is summed.
    ///
    /// # Errors
    /// [`EngineError::NotSummed`] if that takes more than some seconds.
    pub async fn begin_step(&self) -> Result<Step, EngineError> {
        self.wait_until_ready().await?;
        Ok(Step {
            memory: self.memory(),
            now: self.now(),
            judged: Vec::new(),
            tables: Vec::new(),
            numbers: HashSet::new(),
            successions: Vec::new(),
            observations: Vec::new(),
            certificates: Vec::new(),
            cas: Vec::new(),
            settled: 0,
        })
    }

    /// Checks a submission and draws its window, as the next of a step. This does not use the
    /// store, so a step can be drawn while another is being stored.
    pub fn draw_next(&self, step: &mut Step, submission: &Submission) {
        let memory = Arc::clone(&step.memory);
        let judged = match judge(&memory, submission, step.now, step) {
            Judged::Drawn(certificate, ca) => {
                step.cas.push(ca);
                step.certificates.push(*certificate);
                Ok(Some(step.certificates.len() - 1))
            }
            Judged::Expired(observation) => {
                step.observations.push(*observation);
                Ok(None)
            }
            Judged::Rejected(rejection) => Err(rejection),
        };
        step.judged.push(judged);
    }

    /// Stores a step, with `progress` if given.
    ///
    /// # Errors
    /// [`EngineError::Store`]: nothing of the step is stored.
    pub async fn store_step(
        &self,
        step: Step,
        progress: Option<&ImportProgress>,
    ) -> Result<Stored, EngineError> {
        if !step.takes_something() && progress.is_none() {
            let outcomes = Vec::new();
            return Ok(Stored { step, outcomes });
        }
        let registration = Registration {
            tables: &step.tables,
            certificates: &step.certificates,
            successions: &step.successions,
            observations: &step.observations,
            progress,
        };
        let outcomes = self.store().register(registration).await?;
        let numbers: Vec<i64> = step.tables.iter().map(|table| table.number).collect();
        if !numbers.is_empty() {
            for ca in &step.memory.cas {
                ca.allocator().durable(&numbers);
            }
        }
        Ok(Stored { step, outcomes })
    }

    /// Adds the certificates of a durable step to memory.
    pub async fn take_in(&self, stored: Stored) {
        let Stored { mut step, outcomes } = stored;
        let memory = Arc::clone(&step.memory);
        for (at, outcome) in outcomes.iter().enumerate() {
            let (certificate, ca) = (&step.certificates[at], step.cas[at]);
            match outcome {
                Registered::Existing(stored) => {
                    unbook(&memory, certificate, ca);
                    memory.put(stored, RowOrigin::Read);
                }
                Registered::Inserted => {
                    memory.put(certificate, RowOrigin::Drawn);
                    memory.show_shadow(certificate, ca);
                }
            }
            step.settled += 1;
            if step.settled % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        for (predecessor, successor) in &step.successions {
            memory.hand_on_rhythm(predecessor, successor);
        }
        // The state may have been rebuilt meanwhile, from a snapshot without these.
        let current = self.memory();
        if !Arc::ptr_eq(&current.index, &memory.index) {
            for certificate in step.inserted(&outcomes) {
                current.put(certificate, RowOrigin::Read);
            }
        }
        metrics::counter!("offpeak_certificates_registered_total")
            .increment(step.inserted(&outcomes).count() as u64);
    }
}

/// Draws a window for a submission, or says why there is none. The draw is added to the ledger, so
/// that the next of the same batch takes it into account.
fn judge(memory: &Memory, submission: &Submission, now: Timestamp, step: &mut Step) -> Judged {
    let reject = |field: &str, detail: String| Judged::Rejected(Rejection::new(field, detail));
    let Submission {
        id,
        validity,
        replaces,
        ..
    } = submission;
    let Some(ca) = memory.config.ca_of(&id.key_identifier) else {
        let detail = format!("no CA claims the issuer {}", id.key_identifier);
        return reject("certId", detail);
    };
    let in_force = memory.in_force();
    let policy = &in_force.policies[ca];
    if replaces.as_ref() == Some(id) {
        return reject("replaces", "names the certificate itself".to_owned());
    }
    if validity.not_after < validity.not_before {
        return reject("notAfter", "is before notBefore".to_owned());
    }
    let issuance = match Issuance::of(submission, policy, now) {
        Ok(issuance) => issuance,
        Err(rejection) => return Judged::Rejected(rejection),
    };
    if validity.not_after < now {
        return Judged::Expired(Box::new(issuance.observation(policy.name.clone())));
    }
    let predecessor = replaces.as_ref().map(|named| as_registered(memory, named));
    let (steered, schedule) = predecessor
        .as_ref()
        .and_then(|predecessor| {
            let predecessor = memory.index.fingerprint(predecessor);
            memory.index.get(predecessor, |entry| {
                (entry.window.contains(issuance.at), entry.polls().schedule())
            })
        })
        .unwrap_or_default();
    let hash = memory.hash(Purpose::Window1, id);
    let profile = memory.cas[ca].profile.load();
    let mut allocator = memory.cas[ca].allocator();
    let draw = Draw {
        policy,
        profile: &profile,
        now,
        schedule,
        certificates: 1,
    };
    let Drawn {
        window,
        basis,
        table,
        reason,
        follows,
    } = match allocator.draw(draw, *validity, issuance.at, hash) {
        Ok(drawn) if is_control(memory.hash(Purpose::Cohort, id), policy.control_share) => {
            plain(policy, *validity, issuance.at, now, hash, drawn)
        }
        Ok(drawn) => drawn,
        Err(error) => return reject("notAfter", error.to_string()),
    };
    let certificate = Certificate {
        id: id.clone(),
        validity: *validity,
        issued_at: issuance.at,
        hour_known: issuance.hour_known,
        steered,
        registered_at: now,
        window,
        basis,
        cause: Cause::Registration,
        follows,
        successor: None,
    };
    allocator.ledger.book(&booking(&certificate));
    drop(allocator);
    if let Some(table) = table
        && step.numbers.insert(table.number)
    {
        if reason == Some(Reason::NothingOpen) {
            tracing::warn!(event = "nothing_open", ca = %policy.name, table = table.number);
        }
        step.tables.push(table);
    }
    if let Some(predecessor) = predecessor {
        step.successions
            .push((predecessor, Successor::By(id.clone())));
    }
    Judged::Drawn(Box::new(certificate), ca)
}

/// The CertID under which a named certificate is registered. Clients that drop a serial's sign
/// octet from URLs also drop it from `replaces`.
pub(in crate::engine) fn as_registered(memory: &Memory, named: &CertId) -> CertId {
    let is_there = |id: &CertId| {
        let fingerprint = memory.index.fingerprint(id);
        memory.index.get(fingerprint, |_| ()).is_some()
    };
    match named.with_sign_octet() {
        Some(restored) if !is_there(named) && is_there(&restored) => restored,
        _ => named.clone(),
    }
}

/// When a certificate was issued, as far as its source knows; now if the stated time is impossible.
pub(super) fn issued_at(submission: &Submission, policy: &CaPolicy, now: Timestamp) -> Timestamp {
    Issuance::of(submission, policy, now).map_or(now, |issuance| issuance.at)
}

/// When a certificate was issued, as far as its source knows.
struct Issuance {
    at: Timestamp,
    hour_known: bool,
}

impl Issuance {
    /// As stated by the source, else `notBefore` + the CA's backdating. The hour is unknown if
    /// `notBefore` is exactly midnight. Never later than now, because a later time comes from a
    /// wrong clock.
    fn of(submission: &Submission, policy: &CaPolicy, now: Timestamp) -> Result<Self, Rejection> {
        match submission.issued_at {
            Some(at) if at > now + MOST_AHEAD_SECONDS => Err(Rejection::new(
                "issuedAt",
                format!("{at} is more than a day ahead of our clock ({now})"),
            )),
            Some(at) => Ok(Self {
                at: at.min(now),
                hour_known: true,
            }),
            None => Ok(Self {
                at: (submission.validity.not_before + policy.backdate_seconds).min(now),
                hour_known: submission.validity.not_before.second_of_day() != 0,
            }),
        }
    }

    fn observation(&self, ca: CaName) -> Observation {
        let (at, seconds) = if self.hour_known {
            (self.at - self.at.second_of_day() % 60, 60)
        } else {
            (self.at - self.at.second_of_day(), 86_400)
        };
        Observation {
            seconds,
            ca,
            ..Observation::plain(at, Source::Registrations, Kind::Issued, 1)
        }
    }
}
