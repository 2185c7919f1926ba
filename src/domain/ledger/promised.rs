//! The expected load: what assigned windows will bring, and unsteered load (G, U, f and K in
//! `docs/allocation.md`).

use std::collections::BTreeMap;

use crate::certificate::life_class;
use crate::client::returns::Returns;
use crate::math::number::{real, whole};
use crate::time::timeline::Timeline;
use crate::time::{Span, Timestamp};

use super::booking::{Booking, Cohort};
use super::ticking::Ticking;

/// One CA's ledger. It holds sums over its live certificates, not a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When unsteered certificates return.
    pub returns: Returns,
    /// Arrivals by windows: Σ f · the response to the window.
    pub(super) promised: Timeline,
    /// The same, including retired certificates.
    pub(super) promised_ever: Timeline,
    /// The part of it from clients that wake at ticks.
    pub(super) ticking: Ticking,
    /// Σ window.
    pub(super) windows: Timeline,
    /// By class of lifetimes.
    pub(super) lives: BTreeMap<i64, Life>,
    /// The number of certificates that count, and the sum of their f.
    pub(super) live: f64,
    pub(super) following: f64,
}

/// Certificates of one class of lifetimes, by time of issuance.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// All of them.
    pub(super) issued: Timeline,
    /// Σ (1 − f) over those that are live and count in the forecast.
    pub(super) unsteered: Timeline,
    /// Those that count, including retired ones.
    pub(super) counted_ever: Timeline,
    /// Σ (1 − f) over the same.
    pub(super) unsteered_ever: Timeline,
    /// Σ (1 − f) f over the same: certificates that do not follow this time but will the next.
    pub(super) wavering_ever: Timeline,
    /// Σ f · how many seconds the window lies before the client's own rule.
    pub(super) early_ever: Timeline,
    /// Their number, and the sum of their lifetimes in seconds: integers, exact below 2^53.
    pub(super) count: f64,
    pub(super) lives_seconds: f64,
}

impl Life {
    fn issue(&mut self, at: Timestamp, life_seconds: i64, sign: f64) {
        self.issued.add(at, sign);
        self.count += sign;
        self.lives_seconds += sign * real(life_seconds);
    }

    /// The mean lifetime. The middle of the class can be 2.5 % off, and 2.5 % of the time to a
    /// renewal is longer than its band.
    pub(super) fn life_seconds(&self) -> i64 {
        whole((self.lives_seconds / self.count.max(1.0)).round())
    }
}

impl Ledger {
    /// Adds a certificate.
    pub fn book(&mut self, booking: &Booking) {
        self.book_cohort(&Cohort::one(booking));
    }

    /// Adds certificates with the same facts.
    pub fn book_cohort(&mut self, cohort: &Cohort<'_>) {
        self.enter(cohort, 1.0);
        self.issue(cohort, 1.0);
    }

    /// Removes a certificate as if it had never been added.
    pub fn unbook(&mut self, booking: &Booking) {
        let cohort = Cohort::one(booking);
        self.enter(&cohort, -1.0);
        self.issue(&cohort, -1.0);
    }

    /// Removes a certificate that was replaced or has expired. It will not return, but still counts
    /// as issued.
    pub fn retire(&mut self, booking: &Booking) {
        self.enter(&Cohort::one(booking), -1.0);
    }

    /// Adds a retired certificate back.
    pub fn reinstate(&mut self, booking: &Booking) {
        self.enter(&Cohort::one(booking), 1.0);
    }

    /// Replaces the facts about a certificate.
    pub fn learn(&mut self, before: &Booking, after: &Booking) {
        self.learn_cohort(&Cohort::one(before), &Cohort::one(after));
    }

    /// Replaces the facts about a cohort.
    pub fn learn_cohort(&mut self, before: &Cohort<'_>, after: &Cohort<'_>) {
        for (cohort, sign) in [(before, -1.0), (after, 1.0)] {
            self.enter(cohort, sign);
            self.remember(cohort, sign);
        }
    }

    fn enter(&mut self, cohort: &Cohort<'_>, sign: f64) {
        let Some(follows) = cohort.follows else {
            return;
        };
        let amount = sign * cohort.certificates;
        self.live += amount;
        self.following += amount * follows;
        cohort.windows.enter(&mut self.windows, amount);
        cohort
            .windows
            .enter_arrivals(&mut self.promised, amount * follows);
        self.life(cohort)
            .unsteered
            .add(cohort.issued_at, amount * (1.0 - follows));
    }

    fn issue(&mut self, cohort: &Cohort<'_>, sign: f64) {
        self.remember(cohort, sign);
        self.life(cohort).issue(
            cohort.issued_at,
            cohort.life_seconds,
            sign * cohort.certificates,
        );
    }

    pub(super) fn life(&mut self, cohort: &Cohort<'_>) -> &mut Life {
        self.lives
            .entry(life_class(cohort.life_seconds))
            .or_default()
    }

    /// Drops everything issued or promised before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        for line in [
            &mut self.promised,
            &mut self.promised_ever,
            &mut self.windows,
        ] {
            line.trim(before);
        }
        self.ticking.trim(before);
        for life in self.lives.values_mut() {
            for line in [
                &mut life.issued,
                &mut life.unsteered,
                &mut life.unsteered_ever,
                &mut life.counted_ever,
                &mut life.wavering_ever,
                &mut life.early_ever,
            ] {
                line.trim(before);
            }
        }
    }

    /// The expected share of live certificates that follow; the prior if there are none.
    #[must_use]
    pub fn mean_follow(&self, prior: f64) -> f64 {
        if self.live < 0.5 {
            return prior;
        }
        (self.following / self.live).clamp(0.0, 1.0)
    }

    /// G: the load that assigned windows bring in a span, in certificates.
    #[must_use]
    pub fn promised(&self, span: Span) -> f64 {
        self.promised.sum(span).max(0.0)
    }

    /// The returns in a span of the certificates in one line of each class.
    pub(super) fn returning(&self, span: Span, line: impl Fn(&Life) -> &Timeline) -> f64 {
        self.of_lives(|life| {
            let lags = self.returns.lags(life.life_seconds());
            lags.map(|(lag, share)| share * line(life).sum(span.earlier(lag)))
                .sum()
        })
        .max(0.0)
    }

    pub(super) fn of_lives(&self, amount: impl Fn(&Life) -> f64) -> f64 {
        self.lives.values().map(amount).sum()
    }

    /// The number of windows in a span, whether or not they are followed.
    #[must_use]
    pub fn windows(&self, span: Span) -> f64 {
        self.windows.sum(span)
    }

    /// Certificates issued in a span.
    #[must_use]
    pub fn issued(&self, span: Span) -> f64 {
        self.of_lives(|life| life.issued.sum(span))
    }

    /// For certificates issued in a span with a lifetime like `life_seconds`: their number, and the
    /// sum over their followed windows of the seconds before the clients' own rule.
    pub(crate) fn early_of_life(&self, life_seconds: i64, span: Span) -> (f64, f64) {
        self.lives
            .get(&life_class(life_seconds))
            .map_or((0.0, 0.0), |life| {
                (
                    life.issued.sum(span).max(0.0),
                    life.early_ever.sum(span).max(0.0),
                )
            })
    }

    /// Since when issuance is known, to the grain.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let lines = self.lives.values().map(|life| &life.issued);
        lines.filter_map(Timeline::begins).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::schedule::Response;
    use crate::ledger::Expected;
    use crate::time::{DAY, HOUR};

    #[test]
    fn how_early_windows_lie_counts_for_those_that_follow_by_when_they_were_issued() {
        let issued_at: Timestamp = "2027-01-15T09:30:00Z".parse().unwrap();
        let life_seconds = 160 * HOUR;
        let booking = |early: i64, follows: f64| Booking {
            window: Span {
                from: issued_at + 80 * HOUR - early - 600,
                to: issued_at + 80 * HOUR - early + 600,
            },
            issued_at,
            life_seconds,
            expected: Expected {
                follows: Some(follows),
                response: Response::default(),
            },
        };
        let mut ledger = Ledger::default();
        let (first, second) = (booking(6 * HOUR, 1.0), booking(2 * HOUR, 0.5));
        ledger.book(&first);
        ledger.book(&second);
        // A window after the client's own rule is not early.
        ledger.book(&booking(-3 * HOUR, 1.0));
        let of = |ledger: &Ledger, from: Timestamp| {
            let span = Span {
                from,
                to: from + DAY,
            };
            ledger.early_of_life(life_seconds, span)
        };
        let midnight = issued_at - issued_at.second_of_day();
        let (count, early) = of(&ledger, midnight);
        assert!(
            (count - 3.0).abs() < 1e-9 && (early - real(7 * HOUR)).abs() < 1e-6,
            "{early}"
        );
        assert_eq!(of(&ledger, midnight + DAY), (0.0, 0.0));
        // Evidence changes f, and a replaced certificate was early all the same.
        ledger.learn(&second, &booking(2 * HOUR, 1.0));
        ledger.retire(&first);
        assert!((of(&ledger, midnight).1 - real(8 * HOUR)).abs() < 1e-6);
        ledger.unbook(&booking(2 * HOUR, 1.0));
        assert!((of(&ledger, midnight).1 - real(6 * HOUR)).abs() < 1e-6);
    }
}
