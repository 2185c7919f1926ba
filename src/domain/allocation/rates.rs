//! How many certificates arrive, and what a table is made from.

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

/// What a table is made from.
#[derive(Clone, Copy, Debug)]
pub struct Forecast<'a> {
    /// The CA.
    pub policy: &'a CaPolicy,
    /// The load that windows have promised, and the returns that are expected.
    pub ledger: &'a Ledger,
    /// What is known of the week.
    pub profile: &'a Profile,
    /// Now.
    pub now: Timestamp,
    /// The life of the certificates to place, in seconds.
    pub life_seconds: i64,
}

impl Forecast<'_> {
    /// U of the slots of a range.
    pub(super) fn unsteered(&self, range: SlotRange) -> Vec<f64> {
        let view = View {
            now: self.now,
            prior: self.policy.follow_prior,
            profile: self.profile,
            life_seconds: self.life_seconds,
        };
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
    /// All issuance over the last cycle.
    pub(super) mean: f64,
    /// v.
    pub(super) steered: f64,
    /// a.
    pub(super) recent: f64,
    /// Whether there is a week to hold a burst against, or a day whose hours are known.
    pub(super) tell_bursts: bool,
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
        // As much of the cycle as there is, and a day at least, so that a registry's first minute
        // is not taken for the rate of its life.
        let known = (now - begins).clamp(DAY.min(cycle), cycle.max(1));
        let per_slot = |seconds: i64| {
            let span = Span {
                from: now - seconds,
                // To the end of the grain that holds this second: nothing later is booked yet.
                to: now + GRAIN_SECONDS,
            };
            ledger.issued(span) * real(slot_seconds) / real(seconds)
        };
        let observed = profile.mean_per_hour() * real(slot_seconds) / real(HOUR);
        // What is observed and not registered, by the days of which the profile tells the volume:
        // a longer time's mean against theirs would take a swell for a difference.
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
            tell_bursts: now - begins >= WEEK || profile.knows_anything(),
            day: real(DAY) / real(slot_seconds),
        }
    }
}
