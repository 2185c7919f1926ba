//! The load that is coming: what the windows given will bring, and who comes unsteered
//! (design section 5: G, U, f and K).

use std::collections::BTreeMap;

use super::band::own_rule_seconds;
use super::number::{real, whole};
use super::profile::Profile;
use super::time::{DAY, HOUR, Span, Timestamp, WEEK};
use super::timeline::Timeline;

/// What is known of whether a certificate follows its window. Evidence moves it, and with it the
/// forecast, never a window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Follow {
    /// Registered after its band, most likely replaced already: counts for nothing until polled.
    Past,
    /// Polled since it was registered: it follows with [`POLLED_FOLLOWS`].
    Polled,
    /// Not polled for [`SILENT_AFTER_SECONDS`]: it follows with [`SILENT_FOLLOWS`].
    Silent,
    /// No evidence yet: it follows with the CA's prior.
    Unknown,
}

/// The share of polled certificates that keep their windows, until it is measured.
pub const POLLED_FOLLOWS: f64 = 0.9;
/// The share of certificates never polled that renew in their windows all the same.
pub const SILENT_FOLLOWS: f64 = 0.02;
/// Twice a day is the rarest rhythm of clients that poll; a day, and two hours of leeway.
pub const SILENT_AFTER_SECONDS: i64 = 26 * HOUR;

/// What the ledger holds of one live certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Booking {
    /// Its window.
    pub window: Span,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its life in seconds.
    pub life_seconds: i64,
    /// What is known of its client.
    pub follow: Follow,
}

/// One CA's ledger: sums over its live certificates, never a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// By [`Follow::index`]: where the windows lie.
    promised: [Timeline; 3],
    /// By [`Follow::index`]: when the same certificates return if they do not follow (K).
    returning: [Timeline; 3],
    /// By [`Follow::index`]: how many.
    counts: [f64; 3],
    /// By life class: when they were issued, live or replaced.
    issued: BTreeMap<i64, Issuance>,
}

/// What was issued of one life class.
#[derive(Clone, Debug, Default)]
struct Issuance {
    line: Timeline,
    /// How many there are, and the sum of their lives in seconds: whole numbers, exact below 2^53.
    count: f64,
    lives_seconds: f64,
}

impl Follow {
    /// f, where what is not known follows with `prior`; `None` for what counts for nothing.
    #[must_use]
    pub const fn chance(self, prior: f64) -> Option<f64> {
        match self {
            Self::Past => None,
            Self::Polled => Some(POLLED_FOLLOWS),
            Self::Silent => Some(SILENT_FOLLOWS),
            Self::Unknown => Some(prior),
        }
    }

    const fn index(self) -> Option<usize> {
        match self {
            Self::Past => None,
            Self::Polled => Some(0),
            Self::Silent => Some(1),
            Self::Unknown => Some(2),
        }
    }
}

/// The class of lives within about five per cent of each other: they share bands and tables.
#[must_use]
pub fn life_class(life_seconds: i64) -> i64 {
    // ln 1.05 = 0.0488: 31 years are class 424, twelve hours class 218.
    whole((real(life_seconds.max(1)).ln() / 1.05_f64.ln()).round())
}

impl Issuance {
    fn add(&mut self, at: Timestamp, life_seconds: i64, sign: f64) {
        self.line.add(at, sign);
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
        self.book_cohort(booking, 1.0);
    }

    /// Books so many certificates at once that share all that a booking tells.
    pub fn book_cohort(&mut self, booking: &Booking, certificates: f64) {
        self.enter(booking, certificates);
        self.issuance(booking, certificates);
    }

    /// Takes a certificate out as if it had never been.
    pub fn unbook(&mut self, booking: &Booking) {
        self.enter(booking, -1.0);
        self.issuance(booking, -1.0);
    }

    /// Takes a certificate out that was replaced or has expired: it will not return, but it was
    /// issued.
    pub fn retire(&mut self, booking: &Booking) {
        self.enter(booking, -1.0);
    }

    /// Puts a retired certificate back.
    pub fn reinstate(&mut self, booking: &Booking) {
        self.enter(booking, 1.0);
    }

    fn enter(&mut self, booking: &Booking, certificates: f64) {
        let Some(index) = booking.follow.index() else {
            return;
        };
        self.counts[index] += certificates;
        self.promised[index].spread(booking.window, certificates);
        for (at, share) in unsteered_returns(booking.issued_at, booking.life_seconds) {
            self.returning[index].add(at, certificates * share);
        }
    }

    fn issuance(&mut self, booking: &Booking, certificates: f64) {
        self.issued
            .entry(life_class(booking.life_seconds))
            .or_default()
            .add(booking.issued_at, booking.life_seconds, certificates);
    }

    /// Forgets what was issued and promised before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        for line in self
            .promised
            .iter_mut()
            .chain(&mut self.returning)
            .chain(self.issued.values_mut().map(|issued| &mut issued.line))
        {
            line.trim(before);
        }
    }

    /// The share of live certificates taken to follow, weighed by how many there are of each kind;
    /// the prior where there are none.
    #[must_use]
    pub fn mean_follow(&self, prior: f64) -> f64 {
        let live: f64 = self.counts.iter().sum();
        if live < 0.5 {
            return prior;
        }
        weigh(prior, |index| self.counts[index]) / live
    }

    /// G: the load that the windows given bring in a span, in certificates.
    #[must_use]
    pub fn promised(&self, span: Span, prior: f64) -> f64 {
        weigh(prior, |index| self.promised[index].sum(span)).max(0.0)
    }

    /// The windows that lie in a span, whoever follows them, in certificates.
    #[must_use]
    pub fn windows(&self, span: Span) -> f64 {
        self.promised.iter().map(|line| line.sum(span)).sum()
    }

    /// Certificates issued in a span.
    #[must_use]
    pub fn issued(&self, span: Span) -> f64 {
        self.issued
            .values()
            .map(|issued| issued.line.sum(span))
            .sum()
    }

    /// The day on which the oldest issuance known lies.
    #[must_use]
    pub fn begins(&self) -> Option<Timestamp> {
        let lines = self.issued.values().map(|issued| &issued.line);
        lines.filter_map(Timeline::begins).min()
    }

    /// U: the load that nobody steers in the span of one slot, in certificates: those that return
    /// by themselves, and by the profile where the registry is blind.
    #[must_use]
    pub fn unsteered(&self, slot: Span, view: &View<'_>) -> f64 {
        let known = (0..3)
            .map(|index| {
                let follows = [POLLED_FOLLOWS, SILENT_FOLLOWS, view.prior][index];
                (1.0 - follows) * self.returning[index].sum(slot)
            })
            .sum::<f64>()
            .max(0.0);
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
            .issued
            .values()
            .filter(|issued| slot.from - own_rule_seconds(issued.life_seconds()) > view.now)
            .map(|issued| issued.line.sum(view.last_week()) / real(WEEK) * real(slot.seconds()))
            .sum();
        let origin = slot.from - own_rule_seconds(view.life_seconds);
        let unregistered = match self.begins() {
            // Issued when the registry was there: what it does not hold, nobody steers.
            Some(begins) if origin >= begins => {
                let around = Span {
                    from: (origin - WEEK / 2).max(begins),
                    to: (origin + WEEK / 2).min(view.now),
                };
                let registered =
                    self.issued(around) / real(around.seconds().max(1)) * real(slot.seconds());
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

/// An amount of each kind, each as far as it follows.
fn weigh(prior: f64, amount: impl Fn(usize) -> f64) -> f64 {
    amount(0) * POLLED_FOLLOWS + amount(1) * SILENT_FOLLOWS + amount(2) * prior
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

/// K, until it is learned: half of those that do not follow return by their own rule, half one day
/// later, or halfway to the end of a life that is too short for that.
fn unsteered_returns(issued_at: Timestamp, life_seconds: i64) -> [(Timestamp, f64); 2] {
    let own = own_rule_seconds(life_seconds);
    let later = DAY.min((life_seconds - own) / 2);
    [(issued_at + own, 0.5), (issued_at + own + later, 0.5)]
}
