//! The rates of arrival, and the input of a table.

use super::level::spans;
use super::slots::SlotRange;
use crate::certificate::own_rule_seconds;
use crate::demand::announced::announced_and_retries;
use crate::demand::profile::Profile;
use crate::ledger::{Ledger, View};
use crate::math::number::real;
use crate::policy::ca::CaPolicy;
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// The input from which a table is made.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a> {
    /// The CA's policy.
    pub policy: &'a CaPolicy,
    /// The load that windows have promised, and the expected returns.
    pub ledger: &'a Ledger,
    /// The learned profile of the week.
    pub profile: &'a Profile,
    /// Now.
    pub now: Timestamp,
    /// The life of the certificates to place, in seconds.
    pub life_seconds: i64,
}

impl<'a> Forecast<'a> {
    /// The view of the ledger that this forecast takes.
    #[must_use]
    pub const fn view(&self) -> View<'a> {
        View {
            now: self.now,
            prior: self.policy.follow_prior,
            profile: self.profile,
            life_seconds: self.life_seconds,
        }
    }

    /// U: the unsteered load of each slot of a range.
    pub(super) fn unsteered(&self, range: SlotRange) -> Vec<f64> {
        let view = self.view();
        spans(range)
            .map(|span| {
                self.ledger.unsteered(span, &view)
                    + announced_and_retries(self.policy, self.profile, span)
            })
            .collect()
    }
}

/// The rates of arrival, in certificates a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrivals {
    /// The mean f.
    pub(super) follow: f64,
    /// All issuance, averaged over the last cycle.
    pub(super) mean: f64,
    /// v: the same, of certificates that follow their windows.
    pub(super) steered: f64,
    /// a: the arrivals that follow their windows, during the length of the last slot.
    pub(super) recent: f64,
    /// Whether bursts can be told from usual load: a week or a day's hours are known.
    pub(super) detects_bursts: bool,
    /// Slots in a day: the length of a band that has not widened.
    pub(super) day: f64,
}

impl Arrivals {
    pub(super) fn measure(slot_seconds: i64, forecast: &Forecast<'_>) -> Self {
        let Forecast {
            policy,
            ledger,
            profile,
            now,
            life_seconds,
        } = *forecast;
        let cycle = own_rule_seconds(life_seconds);
        let begins = ledger.begins().unwrap_or(now);
        // As much of the cycle as is known, and at least a day, so that the rate of a registry's first
        // minute does not count as its usual rate.
        let known = (now - begins).clamp(DAY.min(cycle), cycle.max(1));
        let per_slot = |seconds: i64| {
            let span = Span {
                from: now - seconds,
                // Until the end of the grain that holds this second; nothing later is booked yet.
                to: now + GRAIN_SECONDS,
            };
            ledger.issued(span) * real(slot_seconds) / real(seconds)
        };
        let observed = profile.mean_per_hour() * real(slot_seconds) / real(HOUR);
        // The ratio of observed to registered issuance, over the days that the profile's volume is
        // from. A mean over other days would show growth as a difference between the two.
        let lately = per_slot(
            (now - Profile::volume_from(now))
                .min(known)
                .max(slot_seconds),
        );
        let mean = if lately > 0.0 {
            per_slot(known) * (observed / lately).max(1.0)
        } else {
            observed
        };
        let follow = ledger.mean_follow(policy.follow_prior);
        Self {
            follow,
            mean,
            steered: follow * mean,
            recent: follow * per_slot(slot_seconds),
            detects_bursts: now - begins >= WEEK || profile.knows_anything(),
            day: real(DAY) / real(slot_seconds),
        }
    }
}
