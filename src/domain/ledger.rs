//! The load that is coming: what the windows given will bring, and who comes unsteered
//! (design section 5: G, U, f and K).

use std::collections::BTreeMap;

use super::certificate::Basis;
use super::number::{real, whole};
use super::returns::Returns;
use super::rhythm::Response;
use super::time::{Span, Timestamp};
use super::timeline::Timeline;

mod crowd;
mod returns;
mod ticking;
mod unsteered;

use ticking::Ticking;
pub use ticking::{TickShares, Ticks, Waking};
pub use unsteered::View;

/// What the ledger holds of one live certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Booking {
    /// Its window.
    pub window: Span,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its life in seconds.
    pub life_seconds: i64,
    /// What is expected of its client.
    pub expected: Expected,
}

/// What is expected of a certificate's client, by what is known now. Evidence moves it, and with it
/// the forecast, never a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// f: the chance that it follows the window. `None`: registered after its band, most likely
    /// replaced already; it counts for nothing until it is polled.
    pub follows: Option<f64>,
    /// How it renews if it does.
    pub response: Response,
}

impl Expected {
    /// What is expected as long as nothing is known but f at registration and what the window was
    /// drawn from.
    #[must_use]
    pub fn first(follows: Option<f64>, basis: Basis) -> Self {
        Self {
            follows,
            response: basis.response(),
        }
    }
}

/// What the ledger holds of certificates issued together, of which the same is known.
#[derive(Clone, Copy, Debug)]
pub struct Cohort<'a> {
    /// Their windows.
    pub windows: Windows<'a>,
    /// When they were issued.
    pub issued_at: Timestamp,
    /// Their life in seconds.
    pub life_seconds: i64,
    /// f, as in [`Expected`].
    pub follows: Option<f64>,
    /// How many they are.
    pub certificates: f64,
}

/// Where the windows of a cohort lie, and when those come that follow.
#[derive(Clone, Copy, Debug)]
pub enum Windows<'a> {
    /// All here, and how their clients renew.
    One(Span, Response),
    /// The share that lies in each grain from an instant on, and comes then if it follows; the
    /// shares sum to 1. How their clients wake is in it.
    Grains(Timestamp, &'a [f64], Response),
}

impl Windows<'_> {
    const fn response(self) -> Response {
        match self {
            Self::One(_, response) | Self::Grains(.., response) => response,
        }
    }

    /// Adds where the windows lie.
    fn enter(self, line: &mut Timeline, amount: f64) {
        match self {
            Self::One(window, _) => line.spread(window, amount),
            Self::Grains(from, shares, _) => line.add_grains(from, shares, amount),
        }
    }

    /// Adds when clients come that follow.
    fn enter_arrivals(self, line: &mut Timeline, amount: f64) {
        match self {
            Self::One(window, response) => {
                for (span, share) in response.arrivals(window, None) {
                    line.spread(span, amount * share);
                }
            }
            Self::Grains(..) => self.enter(line, amount),
        }
    }
}

impl Cohort<'_> {
    fn one(booking: &Booking) -> Self {
        Self {
            windows: Windows::One(booking.window, booking.expected.response),
            issued_at: booking.issued_at,
            life_seconds: booking.life_seconds,
            follows: booking.expected.follows,
            certificates: 1.0,
        }
    }
}

/// One CA's ledger: sums over its live certificates, never a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When those come back that nobody steers.
    pub returns: Returns,
    /// Σ f · when the client comes that was given the window.
    promised: Timeline,
    /// The same, with those that are retired.
    promised_ever: Timeline,
    /// The part of that of clients that wake at ticks.
    ticking: Ticking,
    /// Σ window.
    windows: Timeline,
    /// By life class.
    lives: BTreeMap<i64, Life>,
    /// How many count, and the sum of their f.
    live: f64,
    following: f64,
}

/// What was issued of one life class, by the instant of issuance.
#[derive(Clone, Debug, Default)]
struct Life {
    /// All.
    issued: Timeline,
    /// Σ (1 − f) over those that live and count in the forecast.
    unsteered: Timeline,
    /// Those that count, and those that did before they were retired.
    counted_ever: Timeline,
    /// Σ (1 − f) over those.
    unsteered_ever: Timeline,
    /// Σ (1 − f) f over those: of the ones that do not follow this time, who will the next.
    wavering_ever: Timeline,
    /// How many there are, and the sum of their lives in seconds: whole numbers, exact below 2^53.
    count: f64,
    lives_seconds: f64,
}

/// The class of lives within about five per cent of each other: they share bands and tables.
#[must_use]
pub fn life_class(life_seconds: i64) -> i64 {
    // ln 1.05 = 0.0488: 31 years are class 424, twelve hours class 218.
    whole((real(life_seconds.max(1)).ln() / 1.05_f64.ln()).round())
}

impl Life {
    fn issue(&mut self, at: Timestamp, life_seconds: i64, sign: f64) {
        self.issued.add(at, sign);
        self.count += sign;
        self.lives_seconds += sign * real(life_seconds);
    }

    /// The mean life. Not the middle of the class: that is up to 2.5 % off, and 2.5 % of the way
    /// to a renewal is longer than its band.
    fn life_seconds(&self) -> i64 {
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

    fn life(&mut self, cohort: &Cohort<'_>) -> &mut Life {
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
    fn returning(&self, span: Span, line: impl Fn(&Life) -> &Timeline) -> f64 {
        self.of_lives(|life| {
            let lags = self.returns.lags(life.life_seconds());
            lags.map(|(lag, share)| share * line(life).sum(span.earlier(lag)))
                .sum()
        })
        .max(0.0)
    }

    fn of_lives(&self, amount: impl Fn(&Life) -> f64) -> f64 {
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
