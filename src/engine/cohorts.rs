//! The control group beside the steered: when their windows are, and how they were renewed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Engine;
use super::index::{Entry, Fingerprint};
use super::world::World;
use crate::domain::allocation::experiment::distribution::{Distribution, DistributionReport};
use crate::domain::certificate::{Basis, Certificate, Successor};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Span, Timestamp};

/// Certificates whose successor is known by name and not in the index yet, while all is loaded in
/// any order: 32 octets each, 64 MB at most. Past that a renewal's time stays unknown.
const MOST_AWAITED: usize = 2_000_000;

/// On which window a certificate is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Group {
    /// The plain one.
    Control,
    /// The one drawn for it.
    Steered,
}

/// When a certificate was renewed, held against its window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Renewal {
    /// After it.
    After,
    /// Before it.
    Before,
    /// In it.
    InWindow,
    /// It was not, or nobody knows when.
    #[default]
    Untold,
}

/// Predecessors by their successors.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<HashMap<Fingerprint, Fingerprint>>);

/// Both cohorts of a CA.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortsReport {
    /// Whose.
    pub ca: CaName,
    /// When it was made.
    pub generated_at: Timestamp,
    /// The share that is configured for the control group.
    pub control_share: f64,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// Those on the plain window.
    pub control: CohortReport,
    /// All others.
    pub steered: CohortReport,
}

/// One cohort: the certificates in memory, replaced or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortReport {
    /// When their windows start.
    #[serde(flatten)]
    pub windows: DistributionReport,
    /// What became of them.
    pub renewals: Renewals,
}

/// What became of certificates; each counts once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewals {
    /// The successor was issued in the window.
    pub in_window: u64,
    /// It was issued before the window.
    pub before: u64,
    /// It was issued after the window.
    pub after: u64,
    /// There is a successor, or an order for one, and nobody knows when it was issued.
    pub untold: u64,
    /// Not replaced, the window ahead or open.
    pub ahead: u64,
    /// Not replaced, as far as anybody told, and the window is over.
    pub overdue: u64,
}

#[derive(Debug, Default)]
struct Cohort {
    windows: Distribution,
    renewals: Renewals,
}

impl Engine {
    /// Both cohorts of a CA, by one pass over the index, a second for ten million certificates;
    /// `None`: no such CA.
    #[must_use]
    pub fn cohorts(&self, ca: &CaName) -> Option<CohortsReport> {
        let world = self.world();
        let at = world.config.ca_named(ca.as_str())?;
        let policy = &world.config.cas[at];
        let now = self.now();
        let mut control = Cohort::default();
        let mut steered = Cohort::default();
        world.index.each(|entry| {
            if usize::from(entry.ca) == at {
                let cohort = match entry.group {
                    Group::Control => &mut control,
                    Group::Steered => &mut steered,
                };
                cohort.add(entry, policy.slot_seconds, now);
            }
        });
        Some(CohortsReport {
            ca: ca.clone(),
            generated_at: now,
            control_share: policy.control_share,
            slot_seconds: policy.slot_seconds,
            control: control.report(policy.slot_seconds),
            steered: steered.report(policy.slot_seconds),
        })
    }
}

impl Group {
    pub(super) const fn of(basis: Basis) -> Self {
        match basis {
            Basis::Plain(_) => Self::Control,
            Basis::Span(_) | Basis::Table(_) | Basis::Tick(_) => Self::Steered,
        }
    }
}

impl Cohort {
    fn add(&mut self, entry: &Entry, slot_seconds: i64, now: Timestamp) {
        self.windows.add(entry.window, entry.validity, slot_seconds);
        let counter = match entry.renewal {
            Renewal::After => &mut self.renewals.after,
            Renewal::Before => &mut self.renewals.before,
            Renewal::InWindow => &mut self.renewals.in_window,
            Renewal::Untold if entry.replaced => &mut self.renewals.untold,
            Renewal::Untold if now < entry.window.to => &mut self.renewals.ahead,
            Renewal::Untold => &mut self.renewals.overdue,
        };
        *counter += 1;
    }

    fn report(&self, slot_seconds: i64) -> CohortReport {
        CohortReport {
            windows: self.windows.report(slot_seconds),
            renewals: self.renewals,
        }
    }
}

impl Renewal {
    fn of(window: Span, renewed_at: Timestamp) -> Self {
        if renewed_at < window.from {
            Self::Before
        } else if renewed_at < window.to {
            Self::InWindow
        } else {
            Self::After
        }
    }
}

impl Awaited {
    /// As they were kept.
    pub(super) fn of(kept: Vec<(Fingerprint, Fingerprint)>) -> Self {
        Self(Mutex::new(kept.into_iter().collect()))
    }

    /// To be kept.
    pub(super) fn all(&self) -> Vec<(Fingerprint, Fingerprint)> {
        self.lock().iter().map(|(to, from)| (*to, *from)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Fingerprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// When a certificate was renewed. Where its successor is not in the index yet, that one will
    /// tell. Only where there is a control group to compare.
    pub(super) fn renewal(&self, ca: usize, certificate: &Certificate) -> Renewal {
        let Some(Successor::By(by)) = &certificate.successor else {
            return Renewal::Untold;
        };
        if self.config.cas[ca].control_share <= 0.0 {
            return Renewal::Untold;
        }
        let successor = self.index.fingerprint(by);
        if let Some(minute) = self.index.get(successor, |entry| entry.issued_at) {
            // In the middle of the minute that the index knows: as often too late as too early.
            return Renewal::of(certificate.window, minute + MINUTE / 2);
        }
        let mut awaited = self.awaited.lock();
        if awaited.len() < MOST_AWAITED {
            awaited.insert(successor, self.index.fingerprint(&certificate.id));
        }
        Renewal::Untold
    }

    /// Tells the certificate that waits for this successor, if one does, when that was issued.
    pub(super) fn renewed_by(&self, ca: usize, successor: Fingerprint, issued_at: Timestamp) {
        if self.config.cas[ca].control_share <= 0.0 {
            return;
        }
        let predecessor = self.awaited.lock().remove(&successor);
        if let Some(predecessor) = predecessor {
            self.index.teach(predecessor, |entry| {
                if entry.replaced {
                    entry.renewal = Renewal::of(entry.window, issued_at);
                }
            });
        }
    }
}
