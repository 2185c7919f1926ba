//! The forecast, computed at most once for each CA and minute, and its metrics.

use std::sync::{Arc, PoisonError};

use crate::domain::ledger::forecast::{Horizon, Outlook, SlotOutlook};
use crate::domain::math::number::real;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::engine::blocking::run_blocking_on;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::ca::Ca;
use crate::engine::state::memory::Memory;
use crate::engine::state::outlook::Kept;

/// The ledger is locked for this many slots at a time, about a millisecond, so that registrations
/// can proceed in between.
const SLOTS_AT_A_TIME: usize = 24;

impl Engine {
    /// The CA for a request without a name: the only one. The CA `default` does not count if it has
    /// no data and others are configured.
    ///
    /// # Errors
    /// The names of the possible CAs: several, or none.
    pub fn unnamed_ca(&self) -> Result<CaName, Vec<CaName>> {
        let memory = self.memory();
        let cas = &memory.config.cas;
        if let [only] = cas.as_slice() {
            return Ok(only.name.clone());
        }
        let mut counted: Vec<CaName> = cas
            .iter()
            .zip(&memory.cas)
            .filter(|(policy, ca)| !policy.name.is_default() || ca.profile.load().data.is_some())
            .map(|(policy, _)| policy.name.clone())
            .collect();
        match (counted.pop(), counted.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                counted.extend(last);
                Err(counted)
            }
        }
    }

    /// The forecast of a CA for the longest horizon, of this minute. `None` if there is no such CA.
    ///
    /// # Errors
    /// [`EngineError::Aside`].
    pub async fn outlook(&self, name: &CaName) -> Result<Option<Arc<Outlook>>, EngineError> {
        let memory = self.memory();
        let Some(at) = memory.config.ca_named(name.as_str()) else {
            return Ok(None);
        };
        let now = self.now();
        let minute = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
        let in_force = Arc::clone(&memory.in_force());
        let ca = Arc::clone(&memory.cas[at]);
        let profile = ca.profile.load_full();
        // Other callers wait here for the one who computes it.
        let mut kept = ca.outlook.lock().await;
        if let Some(kept) = kept.as_ref()
            && kept.made_at == minute
            && Arc::ptr_eq(&kept.in_force, &in_force)
            && Arc::ptr_eq(&kept.profile, &profile)
        {
            return Ok(Some(Arc::clone(&kept.outlook)));
        }
        let making_in_force = Arc::clone(&in_force);
        let outlook = run_blocking_on(self.background(), move || {
            let policy = &making_in_force.policies[at];
            let hours = Outlook::most_hours(policy.slot_seconds);
            Arc::new(outlook(policy, &memory.cas[at], minute, hours))
        })
        .await?;
        *kept = Some(Kept {
            made_at: minute,
            in_force,
            profile,
            outlook: Arc::clone(&outlook),
        });
        Ok(Some(outlook))
    }

    /// Updates the metrics of the forecast, and of retries that reinforce themselves.
    pub fn measure_forecast(&self) {
        let memory = self.memory();
        let now = self.now();
        for (policy, ca) in memory.in_force().policies.iter().zip(&memory.cas) {
            measure(policy, ca, &outlook(policy, ca, now, DAY / HOUR));
        }
    }
}

/// The next hours of every CA, by name.
pub(in crate::engine) fn outlooks(
    memory: &Memory,
    now: Timestamp,
    hours: i64,
) -> Vec<(String, Arc<Outlook>)> {
    let in_force = memory.in_force();
    in_force
        .policies
        .iter()
        .zip(&memory.cas)
        .map(|(policy, ca)| {
            let name = policy.name.to_string();
            (name, Arc::new(outlook(policy, ca, now, hours)))
        })
        .collect()
}

/// For a CA under its current policy, including what incidents close.
fn outlook(policy: &CaPolicy, ca: &Ca, now: Timestamp, hours: i64) -> Outlook {
    let profile = ca.profile.load();
    let at_level = profile.at_level();
    let horizon = Horizon {
        policy,
        profile: &at_level,
        now,
    };
    let mut slots = horizon.slots(hours);
    for some in slots.chunks_mut(SLOTS_AT_A_TIME) {
        let allocator = ca.allocator();
        for slot in some {
            slot.load = horizon.load(&allocator.ledger, slot.span);
        }
    }
    // Relative to the mean of the last two weeks, so that a rising level is visible.
    let usual = Horizon {
        profile: &profile,
        ..horizon
    };
    let mean = usual.mean(&ca.allocator().ledger);
    Outlook {
        generated_at: now,
        slot_seconds: policy.slot_seconds,
        mean,
        failing: usual.failing(&slots),
        slots,
    }
}

fn measure(policy: &CaPolicy, ca: &Ca, outlook: &Outlook) {
    let label = |kind: &'static str| [("ca", policy.name.to_string()), ("kind", kind.to_owned())];
    let per_hour = real(HOUR) / real(outlook.slot_seconds);
    if let Some(slot) = outlook.slots.first() {
        for (kind, load) in [
            ("steered", slot.load.steered),
            ("unsteered", slot.load.unsteered),
        ] {
            metrics::gauge!("offpeak_expected_per_hour", &label(kind)).set(load * per_hour);
        }
    }
    let ca_alone = [("ca", policy.name.to_string())];
    // Without a ceiling everything is left.
    let open = |slot: &&SlotOutlook| slot.capacity.share > 0.0;
    let headroom = outlook.slots.iter().filter(open);
    let headroom = headroom.filter_map(SlotOutlook::headroom);
    metrics::gauge!("offpeak_headroom", &ca_alone).set(headroom.fold(1.0, f64::min));
    let storm = ca.profile.load().carry_over.storm;
    let (ratio, growth) = storm.map_or((0.0, 1.0), |storm| (storm.ratio, storm.growth));
    metrics::gauge!("offpeak_retry_storm", &ca_alone).set(ratio);
    metrics::gauge!("offpeak_retry_storm_growth", &ca_alone).set(growth);
    let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
    let disagreements = series.disagreements(outlook.generated_at);
    let farthest = disagreements
        .iter()
        .map(|one| one.share)
        .fold(0.0, f64::max);
    metrics::gauge!("offpeak_source_disagreement", &ca_alone).set(farthest);
}
