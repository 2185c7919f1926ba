//! A scenario: the certificates, the clients that renew them, and the events at the CA.
//!
//! A scenario is a TOML file; `docs/simulation.md` is its manual. Here it is parsed and checked:
//! shares sum to 1, shapes have the mean 1, instants lie inside the run.

use std::io;

use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, Span, Timestamp};

mod arrivals;
mod checks;
mod clients;
mod events;
mod read;
mod shipped;

pub use shipped::{SHIPPED, Shipped, shipped};

/// A function that returns the text of a file that a scenario names, given its path as written there.
pub type Files<'f> = &'f dyn Fn(&str) -> io::Result<String>;

/// All input of a run: the same scenario gives the same outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: that of its file without `.toml`.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The seed of all random draws.
    pub seed: u64,
    /// The rules to compare, in the order of [`Rule::ALL`], each once.
    pub rules: Vec<Rule>,
    /// The mean of the first cycle, in certificates per hour.
    pub certificates_per_hour: f64,
    /// The first cycle's hours of the day, UTC, mean 1.
    pub hours: [f64; 24],
    /// The first cycle's days of the week, Monday first, mean 1.
    pub weekdays: [f64; 7],
    /// The first cycle as counts: a number for each of its hours from `start` on, with the mean 1. It
    /// is repeated to fill the cycle, and `hours` and `weekdays` are not used. `None` if the cycle is
    /// given by these.
    pub arrivals: Option<Vec<f64>>,
    /// The first instant, a full hour.
    pub start: Timestamp,
    /// For how many days 90-day certificates come from outside, until the first ones come back. For
    /// other lifetimes it is longer or shorter in proportion ([`Lifetime`]).
    pub first_cycle_days: u32,
    /// How many further cycles of `first_cycle_days` follow the first.
    pub cycles: u32,
    /// For how many days before `start` the CA has issued without a rule, so that its certificates are
    /// of every age when a rule begins. If it is 0 there are none, and the first cycle comes from
    /// outside.
    pub past_days: u32,
    /// The share of clients that disappear when their certificate is due, 0 to 1. As many new ones
    /// come, in the shape of the first cycle.
    pub churn: f64,
    /// The share of certificates without ARI that are polled by strangers: monitors, and other servers
    /// with the same names.
    pub strangers: f64,
    /// The length of the run in days: all cycles, or fewer days if requested.
    pub days: u32,
    /// The CA's configuration, as in `[[ca]]`: slots, prior, `Retry-After`, bands, capacity.
    pub policy: CaPolicy,
    /// The lifetimes of certificates. Their shares sum to 1.
    pub lifetimes: Vec<Lifetime>,
    /// The clients. Their shares sum to 1.
    pub clients: Vec<Client>,
    /// When unsteered certificates of clients without ticks come back. The shares sum to 1.
    pub returns: Vec<Return>,
    /// Spans in which more certificates come from outside.
    pub bursts: Vec<Burst>,
    /// Whether attempts fail while the CA is overloaded.
    pub failures: Option<Failures>,
    /// The events at the CA.
    pub incidents: Vec<Incident>,
}

/// What decides when certificates are renewed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// No renewal information: every client uses its own rule.
    None,
    /// Boulder's formula: 2/3 of life (1/2 under ten days) ± 1 % of life.
    Boulder,
    /// Slots drawn with probabilities inverse to the demand.
    Inverse,
    /// The windows that this program serves.
    Offpeak,
}

/// Certificates of one validity.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetime {
    /// From `notBefore` to `notAfter`, in seconds.
    pub seconds: i64,
    /// The share of the certificates from outside per hour in the first cycle, 0 to 1. They come from
    /// outside for as long as they take to come back unsteered (2/3 of life, 1/2 under ten days).
    pub share: f64,
    /// A change of the lifetime by the CA, for certificates issued to these clients from then on.
    pub change: Option<LifetimeChange>,
}

/// A change of a lifetime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LifetimeChange {
    /// The first instant at which it applies.
    pub from: Timestamp,
    /// The new validity in seconds.
    pub seconds: i64,
}

/// A kind of client, and its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// The share of the certificates from outside in the first cycle, 0 to 1.
    pub share: f64,
    /// How it uses its window.
    pub kind: ClientKind,
    /// Whether its orders name the certificate that they replace.
    pub replaces: bool,
    /// Whether it polls when `Retry-After` says so.
    pub honours_retry_after: bool,
    /// When it wakes. `None` if it runs all the time; without ARI it then comes back as
    /// [`Scenario::returns`] says.
    pub ticks: Option<Ticks>,
    /// The origin of the share: a reference, or that it is an assumption.
    pub source: String,
}

/// How a client uses its window (`docs/simulation.md`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ClientKind {
    /// It never polls.
    NoAri,
    /// A daemon that renews at the second that it drew.
    Exact,
    /// A daemon with ticks (Caddy): it keeps its draw, and renews at the first tick after the draw
    /// minus the time between two ticks.
    Ticking,
    /// Draws again at each tick (certbot, lego, uacme), and renews if the draw is past.
    CronRedraw,
    /// RFC 9773 section 4.2 step 5: renews at the last tick before its draw.
    CronNextTick,
    /// Renews at the first tick after the window's start (Posh-ACME, acme.sh).
    StartOfWindow,
    /// Apache's `mod_md`: draws from half a window before `start` to half before `end`.
    ModMd,
    /// Orders at each tick and never gets a certificate.
    NeverSucceeds,
}

/// When a client wakes. Periods are counted from midnight UTC.
#[derive(Clone, Debug, PartialEq)]
pub enum Ticks {
    /// At the same moment of each period.
    Fixed {
        /// The period, in seconds.
        every_seconds: i64,
        /// Moments that many clients share. The remaining share is spread evenly over the period.
        at: Vec<Phase>,
        /// Moments are whole multiples of this many seconds: 60 for cron, 1 for a daemon's own.
        grain_seconds: i64,
        /// The longest delay of a run in seconds, drawn again for each run (lego: 8 minutes).
        delay_seconds: i64,
    },
    /// Once in each period, at a random moment of the first `up_to_seconds` of the period (a systemd
    /// timer with `RandomizedDelaySec`).
    Random {
        /// The period, in seconds.
        every_seconds: i64,
        /// The longest delay in seconds; it may be longer than the period.
        up_to_seconds: i64,
    },
    /// At a random interval after the last time (`mod_md`: 6 to 18 h).
    Wandering {
        /// The shortest interval in seconds.
        least_seconds: i64,
        /// The longest interval in seconds.
        most_seconds: i64,
    },
}

/// A moment of the period that many clients share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Seconds from the period's beginning.
    pub second: i64,
    /// The share of the clients of this kind that wake then, 0 to 1.
    pub share: f64,
}

/// When a share of unsteered certificates comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Return {
    /// Seconds after 2/3 of life (1/2 under ten days).
    pub delay_seconds: i64,
    /// The share that comes back then, 0 to 1.
    pub share: f64,
}

/// A span in which more certificates than usual come from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// The span.
    pub span: Span,
    /// The multiple of the usual load: 10 adds nine certificates to each usual one. The usual load is
    /// the shape of the first cycle, in later cycles too.
    pub factor: f64,
}

/// Failures under overload. Failed attempts come again at the client's next tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failures {
    /// A slot is overloaded if its load is above this multiple of the mean.
    pub above: f64,
    /// The share of the attempts in such a slot that fail, 0 to 1.
    pub share: f64,
    /// When clients without ticks try again, in seconds after the failure.
    pub retry_seconds: i64,
}

/// Events at the CA. The rule [`Rule::Offpeak`] is informed of them, as by an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Incident {
    /// The CA does not answer.
    Outage {
        /// The span of the outage.
        span: Span,
        /// How many seconds after its beginning the incident is opened, with an unknown end. It is
        /// closed at the end of the outage.
        opened_after_seconds: i64,
        /// How long after a failure clients without ticks try again, in seconds.
        retry_seconds: i64,
    },
    /// Certificates have to be replaced.
    Revocation {
        /// When the incident is opened.
        at: Timestamp,
        /// The share of all live certificates that it affects, 0 to 1.
        share: f64,
        /// When the last of them has to be replaced.
        renew_by: Timestamp,
        /// The hourly budget, normal load included, as a multiple of the mean load.
        budget: f64,
        /// What happens if budget and deadline cannot both be kept.
        beyond_budget: BeyondBudget,
    },
}

/// What happens if a revocation's budget and deadline cannot both be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BeyondBudget {
    /// The deadline is kept, over the budget.
    Exceed,
    /// The incident is refused with the smallest budget that would be enough.
    Refuse,
}

impl Rule {
    /// All of them, in the order of tables and files.
    pub const ALL: [Self; 4] = [Self::None, Self::Boulder, Self::Inverse, Self::Offpeak];

    /// Its name in scenarios and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Boulder => "boulder",
            Self::Inverse => "inverse",
            Self::Offpeak => "offpeak",
        }
    }
}

impl Scenario {
    /// The span of the run.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            from: self.start,
            to: self.start + i64::from(self.days) * DAY,
        }
    }

    /// The beginning of the past, or of the run if there is no past.
    #[must_use]
    pub fn past_begins(&self) -> Timestamp {
        self.start - i64::from(self.past_days) * DAY
    }

    /// The first instant at which a rule may have changed the load: the beginning of the run if the CA
    /// has a past, else the end of the first cycle.
    #[must_use]
    pub fn first_steered(&self) -> Timestamp {
        if self.past_days > 0 {
            self.start
        } else {
            self.start + i64::from(self.first_cycle_days) * DAY
        }
    }

    /// The same scenario with a run of this many days. [`Scenario::cycles`] becomes the number of
    /// complete cycles in it.
    #[must_use]
    pub fn for_days(self, days: u32) -> Self {
        Self {
            days,
            cycles: (days / self.first_cycle_days.max(1)).saturating_sub(1),
            ..self
        }
    }
}

impl Incident {
    /// When it begins.
    #[must_use]
    pub const fn begins(&self) -> Timestamp {
        match self {
            Self::Outage { span, .. } => span.from,
            Self::Revocation { at, .. } => *at,
        }
    }
}
