//! Shadow policies of CAs that configure one. They see every registration of this process, but
//! nothing of theirs is stored or served.

use crate::domain::allocation::experiment::shadow::{Shadow, ShadowReport};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::hash::Purpose;
use crate::domain::ledger::Ledger;
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::index::booking;
use crate::engine::service::Engine;
use crate::engine::state::ca::Ca;
use crate::engine::state::memory::Memory;

/// The shadow report of a CA.
#[derive(Clone, Debug, PartialEq)]
pub enum Shadowed {
    /// It has no shadow.
    No,
    /// It has one, with this difference.
    Yes(Box<ShadowReport>),
}

impl Memory {
    /// Starts the configured shadows, each with the present promises. A shadow whose policy has not
    /// changed continues.
    pub(in crate::engine) fn begin_shadows(&self, now: Timestamp) {
        for (ca, policy) in self.cas.iter().zip(&self.config.cas) {
            let mut shadow = ca.shadow();
            let known = shadow.as_ref().map(Shadow::policy);
            if known != policy.shadow.as_deref() {
                let begin = |policy: &_| Shadow::new(Clone::clone(policy), promised(ca), now);
                *shadow = policy.shadow.as_deref().map(begin);
            }
        }
    }

    /// Passes a stored certificate to its CA's shadow.
    pub(in crate::engine) fn show_shadow(&self, certificate: &Certificate, at: usize) {
        let in_force = self.in_force();
        let Some(policy) = in_force.policies[at].shadow.as_deref() else {
            return;
        };
        let ca = &self.cas[at];
        let booking = booking(certificate);
        let hash = self.hash(Purpose::Window1, &certificate.id);
        let profile = ca.profile.load();
        if let Some(shadow) = ca.shadow().as_mut() {
            shadow.compare(policy, &profile, certificate, &booking, hash);
        }
    }

    /// Drops what is before `before` in every shadow.
    pub(in crate::engine) fn trim_shadows(&self, before: Timestamp) {
        for ca in &self.cas {
            if let Some(shadow) = ca.shadow().as_mut() {
                shadow.trim(before);
            }
        }
    }
}

fn promised(ca: &Ca) -> Ledger {
    ca.allocator().ledger.clone()
}

impl Engine {
    /// What a CA's shadow would have done since this process started; `None` if there is no such
    /// CA.
    #[must_use]
    pub fn shadow(&self, ca: &CaName) -> Option<Shadowed> {
        let memory = self.memory();
        let ca = memory.ca(ca)?;
        let profile = ca.profile.load();
        let report = ca
            .shadow()
            .as_ref()
            .map(|shadow| shadow.report(&profile, self.now()));
        Some(report.map_or(Shadowed::No, |report| Shadowed::Yes(Box::new(report))))
    }

    /// Updates the metrics of every shadow.
    pub(in crate::engine) fn show_shadows(&self) {
        for policy in &self.config().cas {
            let Some(Shadowed::Yes(report)) = self.shadow(&policy.name) else {
                continue;
            };
            let ca = policy.name.to_string();
            let show = |name: &'static str, value: f64| {
                metrics::gauge!(name, "ca" => ca.clone()).set(value);
            };
            let counted = |n: u64| real(i64::try_from(n).unwrap_or(i64::MAX));
            show("offpeak_shadow_compared", counted(report.compared));
            show("offpeak_shadow_differing", counted(report.differing));
            show("offpeak_shadow_refused", counted(report.refused));
            show(
                "offpeak_shadow_mean_shift_seconds",
                report.mean_shift_seconds,
            );
            for (by, report) in [("served", &report.served), ("shadow", &report.shadow)] {
                let labels = [("ca", ca.clone()), ("policy", by.to_owned())];
                metrics::gauge!("offpeak_shadow_forecast_peak_per_hour", &labels)
                    .set(report.forecast.peak);
                metrics::gauge!("offpeak_shadow_forecast_mean_per_hour", &labels)
                    .set(report.forecast.mean);
                metrics::gauge!("offpeak_shadow_mean_earliness_seconds", &labels)
                    .set(report.windows.mean_earliness_seconds);
            }
        }
    }
}
