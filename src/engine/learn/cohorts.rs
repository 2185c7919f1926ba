//! The control group beside the steered: when their windows are, and how they were renewed.

use serde::Serialize;

use crate::domain::allocation::experiment::distribution::{Distribution, DistributionReport};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::index::{Entry, Group, Renewal};
use crate::engine::service::Engine;

/// Both cohorts of a CA.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortsReport {
    /// The CA.
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
    /// How they were renewed.
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
        let memory = self.memory();
        let at = memory.config.ca_named(ca.as_str())?;
        let policy = &memory.config.cas[at];
        let now = self.now();
        let mut control = Cohort::default();
        let mut steered = Cohort::default();
        memory.index.each(|entry| {
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
