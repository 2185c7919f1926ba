//! The load to come: what the windows given will bring, and what comes unsteered (G, U, f and K in
//! `docs/allocation.md`).

use std::collections::BTreeMap;

use crate::certificate::life_class;
use crate::client::returns::Returns;
use crate::math::number::{real, whole};
use crate::time::timeline::Timeline;
use crate::time::{Span, Timestamp};

use super::booking::{Booking, Cohort};
use super::ticking::Ticking;

/// One CA's ledger: sums over its live certificates, never a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When those come back that nobody steers.
    pub returns: Returns,
    /// Σ f · when the client comes that was given the window.
    pub(super) promised: Timeline,
    /// The same, with those that are retired.
    pub(super) promised_ever: Timeline,
    /// The part of that of clients that wake at ticks.
    pub(super) ticking: Ticking,
    /// Σ window.
    pub(super) windows: Timeline,
    /// By life class.
    pub(super) lives: BTreeMap<i64, Life>,
    /// How many count, and the sum of their f.
    pub(super) live: f64,
    pub(super) following: f64,
}

/// What was issued of one life class, by the instant of issuance.
#[derive(Clone, Debug, Default)]
pub(super) struct Life {
    /// All.
    pub(super) issued: Timeline,
    /// Σ (1 − f) over those that live and count in the forecast.
    pub(super) unsteered: Timeline,
    /// Those that count, and those that did before they were retired.
    pub(super) counted_ever: Timeline,
    /// Σ (1 − f) over those.
    pub(super) unsteered_ever: Timeline,
    /// Σ (1 − f) f over those: of the ones that do not follow this time, who will the next.
    pub(super) wavering_ever: Timeline,
    /// Σ f · how many seconds before the client's own rule the window lies.
    pub(super) early_ever: Timeline,
    /// How many there are, and the sum of their lives in seconds: whole numbers, exact below 2^53.
    pub(super) count: f64,
    pub(super) lives_seconds: f64,
}

impl Life {
    fn issue(&mut self, at: Timestamp, life_seconds: i64, sign: f64) {
        self.issued.add(at, sign);
        self.count += sign;
        self.lives_seconds += sign * real(life_seconds);
    }

    /// The mean life. Not the middle of the class: that is up to 2.5 % off, and 2.5 % of the way
    /// to a renewal is longer than its band.
    pub(super) fn life_seconds(&self) -> i64 {
        whole((self.lives_seconds / self.count.max(1.0)).round())
    }
}

impl Ledger {
    /// Books a certificate.
    pub fn book(&mut self, booking: &Booking) {
        self.book_cohort(&Cohort::one(booking));
    }

    /// Books certificates that share all that is known of them.
    pub fn book_cohort(&mut self, cohort: &Cohort<'_>) {
        self.enter(cohort, 1.0);
        self.issue(cohort, 1.0);
    }

    /// Takes a certificate out as if it had never been.
    pub fn unbook(&mut self, booking: &Booking) {
        let cohort = Cohort::one(booking);
        self.enter(&cohort, -1.0);
        self.issue(&cohort, -1.0);
    }

    /// Takes a certificate out that was replaced or has expired: it will not return, but it was
    /// issued.
    pub fn retire(&mut self, booking: &Booking) {
        self.enter(&Cohort::one(booking), -1.0);
    }

    /// Puts a retired certificate back.
    pub fn reinstate(&mut self, booking: &Booking) {
        self.enter(&Cohort::one(booking), 1.0);
    }

    /// Changes what is known of a certificate that is booked.
    pub fn learn(&mut self, before: &Booking, after: &Booking) {
        self.learn_cohort(&Cohort::one(before), &Cohort::one(after));
    }

    /// Changes what is known of a cohort that is booked.
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

    /// Forgets what was issued and promised before `before`.
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

    /// The share of live certificates taken to follow; the prior where there are none.
    #[must_use]
    pub fn mean_follow(&self, prior: f64) -> f64 {
        if self.live < 0.5 {
            return prior;
        }
        (self.following / self.live).clamp(0.0, 1.0)
    }

    /// G: the load that the windows given bring in a span, in certificates.
    #[must_use]
    pub fn promised(&self, span: Span) -> f64 {
        self.promised.sum(span).max(0.0)
    }

    /// The returns in a span of the certificates in one line of each life.
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

    /// The windows that lie in a span, whoever follows them, in certificates.
    #[must_use]
    pub fn windows(&self, span: Span) -> f64 {
        self.windows.sum(span)
    }

    /// Certificates issued in a span.
    #[must_use]
    pub fn issued(&self, span: Span) -> f64 {
        self.of_lives(|life| life.issued.sum(span))
    }

    /// Of the lives like `life_seconds` that were issued in a span: how many, and how many seconds
    /// before their clients' own rule all their windows lie together, as far as they are followed.
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
        // What lies after the client's own rule is not early.
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
        // Evidence moves f, and who is replaced was early all the same.
        ledger.learn(&second, &booking(2 * HOUR, 1.0));
        ledger.retire(&first);
        assert!((of(&ledger, midnight).1 - real(8 * HOUR)).abs() < 1e-6);
        ledger.unbook(&booking(2 * HOUR, 1.0));
        assert!((of(&ledger, midnight).1 - real(6 * HOUR)).abs() < 1e-6);
    }
}
