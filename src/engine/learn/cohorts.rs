//! Compares the control group with steered certificates: when their windows are, and how they were
//! renewed.

use serde::Serialize;

use crate::domain::allocation::experiment::distribution::{Distribution, DistributionReport};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::index::{Entry, Group, Renewal};
use crate::engine::service::Engine;

/// Both groups of a CA.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortsReport {
    /// The CA.
    pub ca: CaName,
    /// When it was made.
    pub generated_at: Timestamp,
    /// The configured share of the control group.
    pub control_share: f64,
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// Certificates with the plain window.
    pub control: CohortReport,
    /// All others.
    pub steered: CohortReport,
}

/// One group: the certificates in memory, replaced or not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CohortReport {
    /// When their windows start.
    #[serde(flatten)]
    pub windows: DistributionReport,
    /// How they were renewed.
    pub renewals: Renewals,
}

/// The number of certificates by outcome; each counts once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Renewals {
    /// The successor was issued in the window.
    pub in_window: u64,
    /// The successor was issued before the window.
    pub before: u64,
    /// The successor was issued after the window.
    pub after: u64,
    /// There is a successor, or an order for one, but the time of issuance is unknown.
    pub untold: u64,
    /// Not replaced, and the window has not passed.
    pub ahead: u64,
    /// Not known to be replaced, although the window has passed.
    pub overdue: u64,
}

#[derive(Debug, Default)]
struct Cohort {
    windows: Distribution,
    renewals: Renewals,
}

impl Engine {
    /// Both groups of a CA, from one pass over the index, which takes a second for ten million
    /// certificates; `None` if there is no such CA.
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
            Renewal::Unknown if entry.replaced => &mut self.renewals.untold,
            Renewal::Unknown if now < entry.window.to => &mut self.renewals.ahead,
            Renewal::Unknown => &mut self.renewals.overdue,
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
