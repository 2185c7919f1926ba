//! Unsteered load (U in `docs/allocation.md`), including certificates that have not been issued
//! yet.

use super::promised::{Ledger, Life};
use crate::certificate::own_rule_seconds;
use crate::demand::profile::Profile;
use crate::math::number::real;
use crate::time::{HOUR, Span, Timestamp, WEEK};

/// With only a handful of firsts of a month, one exceeds the others by chance. Below this ratio the
/// returns of that day are not changed.
const LEAST_OVERLAY: f64 = 1.1;

impl Ledger {
    /// U: the unsteered load in one slot, in certificates. It is the known returns, plus the
    /// profile's load where the registry has no data.
    #[must_use]
    pub fn unsteered(&self, slot: Span, view: &View<'_>) -> f64 {
        // Clients that come on the first of a month by their own rule are not returns that were
        // expected on another day.
        let first_of_month = view.profile.overlay_at(slot.from);
        let overlay = if first_of_month < LEAST_OVERLAY {
            1.0
        } else {
            first_of_month
        };
        let known = overlay * self.returning(slot, |life| &life.unsteered);
        known + self.blind(slot, known, view)
    }

    /// Future returns in a slot of certificates that have not been issued yet, because their
    /// lifetime is so short that another generation comes first. In certificates, at the rate of
    /// the last week.
    #[must_use]
    pub fn unborn(&self, slot: Span, view: &View<'_>) -> f64 {
        self.lives
            .values()
            .filter(|life| slot.from - own_rule_seconds(life.life_seconds()) > view.now)
            .map(|life| life.issued.sum(view.last_week()) / real(WEEK) * real(slot.seconds()))
            .sum()
    }

    /// The mean lifetime in the largest class.
    #[must_use]
    pub fn usual_life_seconds(&self) -> Option<i64> {
        self.lives
            .values()
            .filter(|life| life.count > 0.0)
            .max_by(|a, b| a.count.total_cmp(&b.count))
            .map(Life::life_seconds)
    }

    /// The part of a slot's unsteered load that the registry cannot know.
    fn blind(&self, slot: Span, known: f64, view: &View<'_>) -> f64 {
        let slots_in_hour = real(HOUR) / real(slot.seconds());
        let coefficient = view.profile.coefficient_at(slot.from);
        let mean = view.profile.mean_per_hour() / slots_in_hour;
        let follows = self.mean_follow(view.prior);
        let unborn = self.unborn(slot, view);
        let begins = self.begins();
        let before = begins.map_or(1.0, |begins| self.share_before(begins, slot, view));
        // Certificates issued before registration began are assumed to follow like the others, once
        // they are registered. The known load is attributed to the other certificates first.
        let usual = (1.0 - view.prior) * mean;
        let others = known / coefficient.max(0.05) - (1.0 - before) * usual;
        let missing = (before * usual - others.max(0.0)).max(0.0);
        let since = if before < 1.0 {
            (1.0 - before) * self.unregistered(begins, mean, slot, view)
        } else {
            0.0
        };
        let unregistered = missing + since;
        coefficient * (unregistered + (1.0 - follows) * unborn)
    }

    /// The share of a slot's unsteered returns that was issued before registration began, 0 to 1.
    fn share_before(&self, begins: Timestamp, slot: Span, view: &View<'_>) -> f64 {
        let (mut all, mut before) = (0.0, 0.0);
        for (lag, share) in self.returns.lags(view.life_seconds) {
            let seconds = (begins + lag - slot.from).clamp(0, slot.seconds());
            all += share;
            before += share * real(seconds) / real(slot.seconds());
        }
        if all > 0.0 { before / all } else { 0.0 }
    }

    /// The unregistered load, in certificates a slot. It is never steered.
    fn unregistered(
        &self,
        begins: Option<Timestamp>,
        mean: f64,
        slot: Span,
        view: &View<'_>,
    ) -> f64 {
        // Averaged over the days for which the profile knows the volume.
        let from = Profile::volume_from(view.now);
        let lately = Span {
            from: begins.map_or(from, |begins| from.max(begins)),
            to: view.now,
        };
        let registered =
            self.issued(lately) / real(lately.seconds().max(HOUR)) * real(slot.seconds());
        let rest = mean - registered;
        // Below a twentieth, the difference of weekly means is noise.
        if rest > 0.05 * mean { rest } else { 0.0 }
    }
}

/// What unsteered load is computed from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The current time.
    pub now: Timestamp,
    /// φ.
    pub prior: f64,
    /// The demand profile.
    pub profile: &'a Profile,
    /// The lifetime in question, in seconds.
    pub life_seconds: i64,
}

impl View<'_> {
    const fn last_week(&self) -> Span {
        Span {
            from: Timestamp::from_unix(self.now.unix() - WEEK),
            to: self.now,
        }
    }
}
