//! The load that is coming: what the windows given will bring, and who comes unsteered
//! (design section 5: G, U, f and K).

use std::collections::BTreeMap;

use super::band::own_rule_seconds;
use super::number::{real, whole};
use super::profile::Profile;
use super::returns::Returns;
use super::time::{HOUR, Span, Timestamp, WEEK};
use super::timeline::{GRAIN_SECONDS, Timeline};

/// The share of polled certificates that keep their windows, until it is measured.
pub const POLLED_FOLLOWS: f64 = 0.9;
/// The share of certificates never polled that renew in their windows all the same.
pub const SILENT_FOLLOWS: f64 = 0.02;
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

/// φ is measured over this long: a week has every weekday once.
const MEASURED_SECONDS: i64 = WEEK;
/// The prior of φ counts as much as so many certificates.
const PRIOR_CERTIFICATES: f64 = 50.0;

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

/// One CA's ledger: sums over its live certificates, never a list of them.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// When those come back that nobody steers.
    pub returns: Returns,
    /// Σ f · window.
    promised: Timeline,
    /// The same of those that are replaced already.
    met: Timeline,
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
    /// issued, and its window was given.
    pub fn retire(&mut self, booking: &Booking) {
        self.enter(booking, -1.0);
        self.met
            .spread(booking.window, booking.follows.unwrap_or(0.0));
    }

    /// Puts a retired certificate back.
    pub fn reinstate(&mut self, booking: &Booking) {
        self.enter(booking, 1.0);
        self.met
            .spread(booking.window, -booking.follows.unwrap_or(0.0));
    }

    /// Changes what is known of so many certificates that share all that a booking tells.
    pub fn learn(&mut self, booking: &Booking, follows: f64, certificates: f64) {
        self.enter(booking, -certificates);
        let known = Booking {
            follows: Some(follows),
            ..*booking
        };
        self.enter(&known, certificates);
    }

    fn enter(&mut self, booking: &Booking, certificates: f64) {
        let Some(follows) = booking.follows else {
            return;
        };
        self.live += certificates;
        self.following += certificates * follows;
        self.windows.spread(booking.window, certificates);
        self.promised.spread(booking.window, certificates * follows);
        let life = self
            .lives
            .entry(life_class(booking.life_seconds))
            .or_default();
        life.live.add(booking.issued_at, certificates);
        life.unsteered
            .add(booking.issued_at, certificates * (1.0 - follows));
    }

    fn issuance(&mut self, booking: &Booking, certificates: f64) {
        self.lives
            .entry(life_class(booking.life_seconds))
            .or_default()
            .issue(booking.issued_at, booking.life_seconds, certificates);
    }

    /// Forgets what was issued and promised before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        for line in [&mut self.promised, &mut self.met, &mut self.windows] {
            line.trim(before);
        }
        for life in self.lives.values_mut() {
            for line in [&mut life.issued, &mut life.live, &mut life.unsteered] {
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

    /// f of a certificate issued at `now` of which nothing else is known: of those issued in the
    /// last hour, as many follow as the windows given promised to it, and φ of the others.
    #[must_use]
    pub fn first_follows(&self, now: Timestamp, prior: f64) -> f64 {
        // Whole grains: of the present one not all has been issued.
        let to = Timestamp::from_unix(now.slot(GRAIN_SECONDS) * GRAIN_SECONDS);
        let hour = Span {
            from: to - HOUR,
            to,
        };
        let measured = self.measured_follow(now, prior);
        let issued = self.issued(hour);
        if issued <= 0.0 {
            return measured;
        }
        let kept = self.kept(hour).min(issued);
        (kept + (issued - kept) * measured) / issued
    }

    /// φ: of those that no window had promised, the share that follows the windows they were
    /// given, by what polls have shown of those issued in the last week; shrunk to the prior.
    #[must_use]
    pub fn measured_follow(&self, now: Timestamp, prior: f64) -> f64 {
        let (mut others, mut following) = (0.0, 0.0);
        let to = now - SILENT_AFTER_SECONDS;
        let mut from = to - MEASURED_SECONDS;
        while from < to {
            let hour = Span {
                from,
                to: from + HOUR,
            };
            let live = self.of_lives(|life| life.live.sum(hour));
            let follow = live - self.of_lives(|life| life.unsteered.sum(hour));
            let kept = self.kept(hour).min(live);
            others += (live - kept).max(0.0);
            following += (follow - kept).max(0.0);
            from = from + HOUR;
        }
        let weight = PRIOR_CERTIFICATES;
        ((prior * weight + following) / (weight + others)).clamp(0.0, 1.0)
    }

    /// What the windows given had promised to a span that is over.
    fn kept(&self, span: Span) -> f64 {
        (self.promised.sum(span) + self.met.sum(span)).max(0.0)
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
        let known = self
            .of_lives(|life| {
                self.returns
                    .lags(life.life_seconds())
                    .iter()
                    .map(|(lag, share)| share * life.unsteered.sum(slot.earlier(*lag)))
                    .sum()
            })
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
            .lives
            .values()
            .filter(|life| slot.from - own_rule_seconds(life.life_seconds()) > view.now)
            .map(|life| life.issued.sum(view.last_week()) / real(WEEK) * real(slot.seconds()))
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
