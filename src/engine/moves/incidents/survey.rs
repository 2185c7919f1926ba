//! Counts the certificates that an incident affects, and plans where they move.

use std::sync::Arc;

use super::error::IncidentError;
use super::walk::names_certificates;
use crate::domain::certificate::{Cause, Certificate};
use crate::domain::client::reach::{Listener, Reach};
use crate::domain::demand::announced::announced_and_retries;
use crate::domain::ledger::{Ledger, View};
use crate::domain::math::number::{real, whole};
use crate::domain::moves::incident::{Counted, Incident, Plan, Planner, PlanningContext};
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, Span, Timestamp};
use crate::engine::blocking::run_blocking;
use crate::engine::index::Entry;
use crate::engine::service::Engine;
use crate::engine::state::in_force::with_incidents;
use crate::engine::state::memory::Memory;

/// An incident and the data for planning it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) memory: Arc<Memory>,
    pub(super) incident: Arc<Incident>,
    /// The index of its CA.
    pub(super) ca: usize,
    /// The CA's policy, including what its other incidents close.
    pub(super) policy: Arc<CaPolicy>,
    pub(super) now: Timestamp,
    /// Since when polls have been recorded.
    listening_since: Timestamp,
}

/// The plan for the affected windows.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) plan: Arc<Plan>,
    /// The number of affected certificates: registered, valid and not replaced.
    pub(super) concerned: u64,
    /// How many of those it has already moved.
    pub(super) already: u64,
}

/// Certificates counted so far.
#[derive(Debug)]
struct Count {
    planner: Planner,
    /// The ledger of the certificates that will move.
    affected: Ledger,
    /// The number of these, and the sum of their lifetimes.
    to_move: i64,
    lives_seconds: i64,
    concerned: u64,
    already: u64,
}

impl Subject {
    /// The hash from which this incident draws a certificate's window.
    pub(super) fn hash(&self, certificate: &Certificate) -> u128 {
        let salt = Cause::Incident(self.incident.id).salt();
        self.memory.salted_hash(
            crate::domain::certificate::hash::Purpose::Window1,
            &certificate.id,
            salt,
        )
    }

    /// Whether a certificate may be moved at all.
    pub(super) fn concerns(&self, certificate: &Certificate) -> bool {
        certificate.successor.is_none()
            && certificate.validity.not_after > self.now
            && self.memory.config.ca_of(&certificate.id.key_identifier) == Some(self.ca)
    }

    /// Whether this incident has already moved a certificate, to a time that is still allowed.
    pub(super) fn has_moved(&self, certificate: &Certificate) -> bool {
        let Incident {
            id, ref renew_by, ..
        } = *self.incident;
        certificate.cause == Cause::Incident(id)
            && names_certificates(self.incident.kind)
            && renew_by.is_none_or(|renew_by| certificate.window.to <= renew_by)
    }

    /// Whether a certificate's client learns in time that its window has become `to`; `None` if it
    /// is not in memory, or is replaced.
    pub(super) fn reach(&self, certificate: &Certificate, to: Span) -> Option<Reach> {
        let fingerprint = self.memory.index.fingerprint(&certificate.id);
        let listener = |entry: &Entry| {
            (!entry.replaced).then(|| Listener {
                polls: entry.polls(),
                base_seconds: self.memory.base_seconds(entry),
                window: certificate.window,
                recorded_from: entry.recorded_from(self.listening_since),
            })
        };
        let listener = self.memory.index.get(fingerprint, listener).flatten()?;
        Some(listener.reach(to, self.incident.renew_by, self.now))
    }

    /// Calls `act` with the planning context. `affected` is the ledger of the certificates that
    /// will move, `life_seconds` their mean lifetime.
    fn in_scene<R>(
        &self,
        affected: &Ledger,
        life_seconds: i64,
        act: impl FnOnce(&PlanningContext<'_>) -> R,
    ) -> R {
        let ca = &self.memory.cas[self.ca];
        let profile = ca.profile.load();
        let view = View {
            now: self.now,
            prior: self.policy.follow_prior,
            profile: &profile,
            life_seconds,
        };
        // Affected clients that follow no window return by themselves as usual.
        let expected = |span: Span| {
            let allocator = ca.allocator();
            let promised = allocator.ledger.promised(span) - affected.promised(span);
            let unsteered = allocator.ledger.unsteered(span, &view);
            promised.max(0.0) + unsteered + announced_and_retries(&self.policy, &profile, span)
        };
        act(&PlanningContext {
            incident: &self.incident,
            policy: &self.policy,
            now: self.now,
            model_version: &profile.version,
            failing: &profile.failing(),
            expected: &expected,
        })
    }
}

impl Count {
    fn new() -> Self {
        Self {
            planner: Planner::new(),
            affected: Ledger::default(),
            to_move: 0,
            lives_seconds: 0,
            concerned: 0,
            already: 0,
        }
    }

    fn mean_life_seconds(&self) -> i64 {
        if self.to_move == 0 {
            90 * DAY
        } else {
            whole(real(self.lives_seconds) / real(self.to_move))
        }
    }

    fn add(mut self, subject: &Subject, page: &[Certificate]) -> Self {
        let concerned = page
            .iter()
            .filter(|certificate| subject.concerns(certificate));
        let mut to_count = Vec::with_capacity(page.len());
        for certificate in concerned {
            self.concerned += 1;
            if subject.has_moved(certificate) {
                self.already += 1;
                continue;
            }
            self.to_move += 1;
            self.lives_seconds += certificate.validity.life_seconds();
            to_count.push(certificate);
        }
        // Counting needs no load.
        subject.in_scene(&Ledger::default(), 90 * DAY, |scene| {
            for certificate in to_count {
                let Certificate {
                    validity, window, ..
                } = *certificate;
                if self.planner.count(scene, validity, window) == Counted::Stays {
                    continue;
                }
                let fingerprint = subject.memory.index.fingerprint(&certificate.id);
                let booking = subject.memory.index.get(fingerprint, |entry| {
                    (!entry.replaced).then(|| entry.booking())
                });
                if let Some(booking) = booking.flatten() {
                    self.affected.book(&booking);
                }
            }
        });
        self
    }

    fn plan(self, subject: &Subject) -> Result<Survey, IncidentError> {
        let life_seconds = self.mean_life_seconds();
        let Self {
            planner,
            affected,
            concerned,
            already,
            ..
        } = self;
        let plan = subject.in_scene(&affected, life_seconds, |scene| planner.plan(scene))?;
        Ok(Survey {
            plan: Arc::new(plan),
            concerned,
            already,
        })
    }
}

impl Engine {
    /// The data for planning an incident.
    pub(super) fn subject(&self, incident: &Incident) -> Result<Subject, IncidentError> {
        let memory = self.memory();
        let ca = memory
            .config
            .ca_named(incident.ca.as_str())
            .ok_or_else(|| IncidentError::unknown_ca(&incident.ca))?;
        let others = |other: &Incident| other.id != incident.id;
        let policy = with_incidents(&memory.config.cas[ca], &memory.incidents(), others);
        Ok(Subject {
            incident: Arc::new(incident.clone()),
            ca,
            policy: Arc::new(policy),
            now: self.now(),
            listening_since: self.started_at,
            memory,
        })
    }

    /// Counts the certificates that an incident affects, and plans where they move.
    ///
    /// # Errors
    /// [`IncidentError::Refused`] if deadline and budget cannot both be kept;
    /// [`IncidentError::Engine`].
    pub(super) async fn survey(&self, subject: &Subject) -> Result<Survey, IncidentError> {
        let mut walk = self.walk(&subject.incident, subject.now).await?;
        let mut count = Count::new();
        while let Some(page) = walk.next(self, subject.now).await? {
            let subject = subject.clone();
            count = run_blocking(move || count.add(&subject, &page)).await?;
        }
        let subject = subject.clone();
        run_blocking(move || count.plan(&subject)).await?
    }
}
