//! The load that nobody steers (U in `docs/allocation.md`), including certificates that are not
//! issued yet.

use super::promised::{Ledger, Life};
use crate::certificate::own_rule_seconds;
use crate::demand::profile::Profile;
use crate::math::number::real;
use crate::time::{HOUR, Span, Timestamp, WEEK};

/// Of a handful of firsts of a month some part stands out by chance: below this it changes nothing
/// of what is known of the returns of that day.
const LEAST_OVERLAY: f64 = 1.1;

impl Ledger {
    /// U: the load that nobody steers in the span of one slot, in certificates: those that return
    /// by themselves, and by the profile where the registry is blind.
    #[must_use]
    pub fn unsteered(&self, slot: Span, view: &View<'_>) -> f64 {
        // Who comes on the first of a month by a rule of its own is no return that was booked
        // for another day.
        let first_of_month = view.profile.overlay_at(slot.from);
        let overlay = if first_of_month < LEAST_OVERLAY {
            1.0
        } else {
            first_of_month
        };
        let known = overlay * self.returning(slot, |life| &life.unsteered);
        known + self.blind(slot, known, view)
    }

    /// Who will return in a slot and has not been issued yet, because its life is so short that the
    /// next generation comes first: in certificates, at the rate of the last week.
    #[must_use]
    pub fn unborn(&self, slot: Span, view: &View<'_>) -> f64 {
        self.lives
            .values()
            .filter(|life| slot.from - own_rule_seconds(life.life_seconds()) > view.now)
            .map(|life| life.issued.sum(view.last_week()) / real(WEEK) * real(slot.seconds()))
            .sum()
    }

    /// The mean life in the class of lives that most certificates have.
    #[must_use]
    pub fn usual_life_seconds(&self) -> Option<i64> {
        self.lives
            .values()
            .filter(|life| life.count > 0.0)
            .max_by(|a, b| a.count.total_cmp(&b.count))
            .map(Life::life_seconds)
    }

    /// What the registry cannot see of a slot's unsteered load.
    fn blind(&self, slot: Span, known: f64, view: &View<'_>) -> f64 {
        let slots_in_hour = real(HOUR) / real(slot.seconds());
        let coefficient = view.profile.coefficient_at(slot.from);
        let mean = view.profile.mean_per_hour() / slots_in_hour;
        let follows = self.mean_follow(view.prior);
        let unborn = self.unborn(slot, view);
        let begins = self.begins();
        let before = begins.map_or(1.0, |begins| self.share_before(begins, slot, view));
        // Issued before the registry was there: taken to follow like the others, once they are
        // registered. Of what is known, the others come first.
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

    /// The share of a slot's unsteered returns that was issued before the registry began, 0 to 1.
    fn share_before(&self, begins: Timestamp, slot: Span, view: &View<'_>) -> f64 {
        let (mut all, mut before) = (0.0, 0.0);
        for (lag, share) in self.returns.lags(view.life_seconds) {
            let seconds = (begins + lag - slot.from).clamp(0, slot.seconds());
            all += share;
            before += share * real(seconds) / real(slot.seconds());
        }
        if all > 0.0 { before / all } else { 0.0 }
    }

    /// What is issued and the registry does not hold: nobody steers it. In certificates a slot.
    fn unregistered(
        &self,
        begins: Option<Timestamp>,
        mean: f64,
        slot: Span,
        view: &View<'_>,
    ) -> f64 {
        // By the days of which the profile tells the volume.
        let from = Profile::volume_from(view.now);
        let lately = Span {
            from: begins.map_or(from, |begins| from.max(begins)),
            to: view.now,
        };
        let registered =
            self.issued(lately) / real(lately.seconds().max(HOUR)) * real(slot.seconds());
        let rest = mean - registered;
        // A week's mean says no more than that: below a twentieth it is noise.
        if rest > 0.05 * mean { rest } else { 0.0 }
    }
}

/// From where the ledger is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Now.
    pub now: Timestamp,
    /// φ.
    pub prior: f64,
    /// What is known of the week.
    pub profile: &'a Profile,
    /// The life whose bands are looked at, in seconds.
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
