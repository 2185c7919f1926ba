//! The load that a scenario itself causes.

use super::population::Population;
use super::scenario::{ClientKind, Scenario};
use crate::domain::math::number::real;
use crate::domain::time::{DAY, HOUR};

/// The load that a scenario itself causes, in certificates per slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brought {
    /// Renewals, including those of certificates that bursts added.
    pub(super) renewals: f64,
    /// Orders of clients that never succeed, each at each of its ticks.
    pub(super) vain: f64,
    /// The share of the scenario's clients that renew, 0 to 1.
    pub(super) renewing: f64,
}

impl Brought {
    pub(super) fn by(scenario: &Scenario) -> Self {
        let hours = f64::from(scenario.first_cycle_days) * 24.0;
        let vain = scenario
            .clients
            .iter()
            .filter(|client| client.kind == ClientKind::NeverSucceeds)
            .map(|client| client.share);
        let renewing = 1.0 - vain.sum::<f64>();
        let population = Population::first(scenario);
        let bursts: f64 = population.burst_certificates();
        let slots_in_hour = real(HOUR) / real(scenario.policy.slot_seconds);
        let vain = population.vain_per_day() * real(HOUR) / real(DAY);
        Self {
            renewals: (scenario.certificates_per_hour * renewing + bursts / hours) / slots_in_hour,
            vain: vain / slots_in_hour,
            renewing,
        }
    }

    /// The whole load: the mean of which figures are multiples.
    pub(super) fn all(self) -> f64 {
        self.renewals + self.vain
    }

    /// The load of clients that renew and are this share of all clients.
    pub(super) fn of_share(self, share: f64) -> f64 {
        if self.renewing > 0.0 {
            self.renewals * share / self.renewing
        } else {
            0.0
        }
    }
}
