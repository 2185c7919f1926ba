//! The load that is coming: what the windows given will bring, and who comes unsteered
//! (design section 5: G, U, f and K).

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
    /// Allocator a certificate.
    pub fn book(&mut self, booking: &Booking) {
        self.book_cohort(&Cohort::one(booking));
    }

    /// Allocator certificates that share all that is known of them.
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

    /// What returns in a span of what one line of each life holds.
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

    /// Since when issuance is known, to the grain.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let lines = self.lives.values().map(|life| &life.issued);
        lines.filter_map(Timeline::begins).min()
    }
}
