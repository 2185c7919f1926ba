//! The load that is coming: what the windows given will bring, and who comes unsteered
//! (design section 5: G, U, f and K).

use std::collections::BTreeMap;

use super::band::own_rule_seconds;
use super::number::{real, whole};
use super::profile::Profile;
use super::returns::Returns;
use super::time::{HOUR, Span, Timestamp, WEEK};
use super::timeline::Timeline;

mod crowd;
mod returns;

/// The share of polled certificates that keep their windows, until it is measured.
pub const POLLED_FOLLOWS: f64 = 0.98;
/// The share of certificates never polled that renew in their windows all the same.
pub const SILENT_FOLLOWS: f64 = 0.005;
/// Twice a day is the rarest rhythm of clients that poll; a day, and two hours of leeway.
pub const SILENT_AFTER_SECONDS: i64 = 26 * HOUR;

/// What is known of whether a certificate follows its window. Evidence moves it, and with it the
/// forecast, never a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Follow {
    /// Registered after its band, most likely replaced already: counts for nothing until polled.
    Past,
    /// Polled since it was registered.
    Polled,
    /// Not polled for [`SILENT_AFTER_SECONDS`].
    Silent,
    /// No evidence yet.
    Unknown,
}

impl Follow {
    /// f, for a certificate that had the chance `first` at registration.
    #[must_use]
    pub const fn chance(self, first: Option<f64>) -> Option<f64> {
        match self {
            Self::Past => None,
            Self::Polled => Some(POLLED_FOLLOWS),
            Self::Silent => Some(SILENT_FOLLOWS),
            Self::Unknown => first,
        }
    }
}

/// What the ledger holds of one live certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Booking {
    /// Its window.
    pub window: Span,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its life in seconds.
    pub life_seconds: i64,
    /// f: the chance that it follows its window, by what is known now. `None`: registered after
    /// its band, most likely replaced already; it counts for nothing until it is polled.
    pub follows: Option<f64>,
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
    /// f, as in a [`Booking`].
    pub follows: Option<f64>,
    /// How many they are.
    pub certificates: f64,
}

/// Where the windows of a cohort lie.
#[derive(Clone, Copy, Debug)]
pub enum Windows<'a> {
    /// All here.
    One(Span),
    /// The share that lies in the grain from each instant on; the shares sum to 1.
    Shares(&'a [(Timestamp, f64)]),
}

impl Windows<'_> {
    fn enter(self, line: &mut Timeline, amount: f64) {
        match self {
            Self::One(window) => line.spread(window, amount),
            Self::Shares(shares) => {
                for (at, share) in shares {
                    line.add(*at, amount * share);
                }
            }
        }
    }
}

impl Cohort<'_> {
    fn one(booking: &Booking) -> Self {
        Self {
            windows: Windows::One(booking.window),
            issued_at: booking.issued_at,
            life_seconds: booking.life_seconds,
            follows: booking.follows,
            certificates: 1.0,
        }
    }
}

/// One CA's ledger: sums over its live certificates, never a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When those come back that nobody steers.
    pub returns: Returns,
    /// Σ f · window.
    promised: Timeline,
    /// The same, with those that are retired.
    promised_ever: Timeline,
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
    /// Those that count in the forecast.
    live: Timeline,
    /// Σ (1 − f) over those.
    unsteered: Timeline,
    /// The same, with those that are retired.
    unsteered_ever: Timeline,
    /// Σ (1 − f) f over those: of the ones that do not follow this time, who will the next.
    wavering: Timeline,
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
        cohort.windows.enter(&mut self.promised, amount * follows);
        let life = self.life(cohort);
        life.live.add(cohort.issued_at, amount);
        life.unsteered
            .add(cohort.issued_at, amount * (1.0 - follows));
        life.wavering
            .add(cohort.issued_at, amount * (1.0 - follows) * follows);
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
        for life in self.lives.values_mut() {
            for line in [
                &mut life.issued,
                &mut life.live,
                &mut life.unsteered,
                &mut life.unsteered_ever,
                &mut life.wavering,
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

    /// The day on which the oldest issuance known lies.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let lines = self.lives.values().map(|life| &life.issued);
        lines.filter_map(Timeline::begins).min()
    }

    /// U: the load that nobody steers in the span of one slot, in certificates: those that return
    /// by themselves, and by the profile where the registry is blind.
    #[must_use]
    pub fn unsteered(&self, slot: Span, view: &View<'_>) -> f64 {
        let known = self.returning(slot, |life| &life.unsteered);
        known + self.blind(slot, known, view)
    }

    /// What the registry cannot see of a slot's unsteered load.
    fn blind(&self, slot: Span, known: f64, view: &View<'_>) -> f64 {
        let slots_in_hour = real(HOUR) / real(slot.seconds());
        let coefficient = view.profile.coefficient_at(slot.from);
        let mean = view.profile.mean_per_hour() / slots_in_hour;
        let follows = self.mean_follow(view.prior);
        // Lives so short that their next generation comes first: who will return in this slot has
        // not been issued yet.
        let unborn: f64 = self
            .lives
            .values()
            .filter(|life| slot.from - own_rule_seconds(life.life_seconds()) > view.now)
            .map(|life| life.issued.sum(view.last_week()) / real(WEEK) * real(slot.seconds()))
            .sum();
        let origin = slot.from - own_rule_seconds(view.life_seconds);
        let unregistered = match self.begins() {
            // Issued when the registry was there: what it does not hold, nobody steers.
            Some(begins) if origin >= begins => {
                // By the days of which the profile tells the volume.
                let lately = Span {
                    from: Profile::volume_from(view.now).max(begins),
                    to: view.now,
                };
                let registered =
                    self.issued(lately) / real(lately.seconds().max(1)) * real(slot.seconds());
                let rest = mean - registered;
                // A week's mean says no more than that: below a twentieth it is noise.
                if rest > 0.05 * mean { rest } else { 0.0 }
            }
            // Issued before: taken to follow like the others, once they are registered.
            _ => ((1.0 - view.prior) * mean - known / coefficient.max(0.05)).max(0.0),
        };
        coefficient * (unregistered + (1.0 - follows) * unborn)
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
