//! What is simulated: the certificates, the clients that renew them, and what befalls the CA.
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

/// What gives the text of a file that a scenario names, by its path as written there.
pub type Files<'f> = &'f dyn Fn(&str) -> io::Result<String>;

/// Everything that a run depends on: the same scenario gives the same outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called: its file's name without `.toml`.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The rules to compare, in the order of [`Rule::ALL`], each once.
    pub rules: Vec<Rule>,
    /// The mean of the first cycle, in certificates per hour.
    pub certificates_per_hour: f64,
    /// The first cycle's hours of the day, UTC, mean 1.
    pub hours: [f64; 24],
    /// The first cycle's days of the week, Monday first, mean 1.
    pub weekdays: [f64; 7],
    /// Where the first cycle is given as counts: each of its hours from `start` on, mean 1 over the
    /// series; it is repeated to fill the cycle, and `hours` and `weekdays` are not used.
    pub arrivals: Option<Vec<f64>>,
    /// The first instant, a full hour.
    pub start: Timestamp,
    /// How long 90-day certificates come from outside before theirs come back, in days; of another
    /// lifetime, as much longer or shorter as it takes to come back ([`Lifetime`]).
    pub first_cycle_days: u32,
    /// How many further cycles of `first_cycle_days` follow the first.
    pub cycles: u32,
    /// For how many days before `start` the CA has issued under no rule, so that its certificates
    /// are of every age when a rule begins. 0: there are none, and the first cycle comes from
    /// outside.
    pub past_days: u32,
    /// The share of clients that vanish when their certificate is due, 0 to 1; as many come new, in
    /// the shape of the first cycle.
    pub churn: f64,
    /// The share of certificates without ARI whose windows strangers ask for: monitors, and other
    /// servers of the same names.
    pub strangers: f64,
    /// How long the run is, in days: all cycles, or fewer days where fewer were asked for.
    pub days: u32,
    /// What the CA configures, as in `[[ca]]`: slots, prior, `Retry-After`, bands, capacity.
    pub policy: CaPolicy,
    /// How long certificates live. The shares sum to 1.
    pub lifetimes: Vec<Lifetime>,
    /// Who renews them. The shares sum to 1.
    pub clients: Vec<Client>,
    /// When those come back that no window steers and no tick wakes. The shares sum to 1.
    pub returns: Vec<Return>,
    /// Spans in which more certificates come from outside.
    pub bursts: Vec<Burst>,
    /// Whether attempts fail where the CA is overloaded.
    pub failures: Option<Failures>,
    /// What befalls the CA.
    pub incidents: Vec<Incident>,
}

/// What decides when certificates are renewed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Rule {
    /// No renewal information at all: every client acts by its own rule.
    None,
    /// Boulder's formula: 2/3 of life (1/2 under ten days) ± 1 % of life.
    Boulder,
    /// Slots drawn by the inverse of the demand.
    Inverse,
    /// What this program serves.
    Offpeak,
}

/// Certificates of one validity.
#[derive(Clone, Debug, PartialEq)]
pub struct Lifetime {
    /// From `notBefore` to `notAfter`, in seconds.
    pub seconds: i64,
    /// The share of what comes from outside per hour in the first cycle, 0 to 1. It comes for as
    /// long as these certificates take to come back unsteered (2/3 of life, 1/2 under ten days).
    pub share: f64,
    /// The CA changes it: what is issued for these clients from then on lives so long.
    pub change: Option<LifetimeChange>,
}

/// A CA shortens (or lengthens) a lifetime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LifetimeChange {
    /// From when on.
    pub from: Timestamp,
    /// The new validity in seconds.
    pub seconds: i64,
}

/// A kind of client and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// What it is called.
    pub name: String,
    /// The share of what comes from outside in the first cycle, 0 to 1.
    pub share: f64,
    /// How it uses its window.
    pub kind: ClientKind,
    /// Whether its orders name the certificate that they replace.
    pub replaces: bool,
    /// Whether it asks again when `Retry-After` says so.
    pub honours_retry_after: bool,
    /// When it wakes; `None`: it runs all the time (and where it has no ARI, comes back as
    /// [`Scenario::returns`] say).
    pub ticks: Option<Ticks>,
    /// Where the share comes from: a source, or that it is an assumption.
    pub source: String,
}

/// How a client uses its window (`docs/simulation.md`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ClientKind {
    /// It never asks.
    NoAri,
    /// A daemon: renews at the second that it drew.
    Exact,
    /// A daemon with ticks (Caddy): keeps its draw, and renews at its first tick after the draw
    /// minus the time between two ticks.
    Ticking,
    /// Draws anew at each tick (certbot, lego, uacme), and renews where the draw is past.
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
        /// Moments that many share. What their shares leave is spread evenly over the period.
        at: Vec<Phase>,
        /// Moments are whole multiples of this many seconds: 60 for cron, 1 for a daemon's own.
        grain_seconds: i64,
        /// Each run begins up to so many seconds late, drawn anew each time (lego: 8 minutes).
        delay_seconds: i64,
    },
    /// Once in each period, at a moment drawn anew each time from the first `up_to_seconds` after
    /// the period's beginning (a systemd timer with `RandomizedDelaySec`).
    Random {
        /// The period, in seconds.
        every_seconds: i64,
        /// How much of it the delay may take, in seconds; it may be more than the period.
        up_to_seconds: i64,
    },
    /// A while after the last time, drawn anew each time (`mod_md`: 6 to 18 h).
    Wandering {
        /// The shortest while, in seconds.
        least_seconds: i64,
        /// The longest while, in seconds.
        most_seconds: i64,
    },
}

/// A moment of the period that some clients share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Seconds from the period's beginning.
    pub second: i64,
    /// The share of the clients of this kind that wake then, 0 to 1.
    pub share: f64,
}

/// When some of those that nothing steers come back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Return {
    /// Seconds after 2/3 of life (1/2 under ten days).
    pub delay_seconds: i64,
    /// The share that comes back then, 0 to 1.
    pub share: f64,
}

/// More certificates than usual come from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// When.
    pub span: Span,
    /// How many times the usual load comes: 10 brings nine more beside each usual one. The usual
    /// load is the shape of the first cycle, in later cycles too.
    pub factor: f64,
}

/// Attempts fail where the CA is overloaded, and come back at the client's next tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failures {
    /// A slot whose load stands above so many times the mean is overloaded.
    pub above: f64,
    /// The share of the attempts in such a slot that fail, 0 to 1.
    pub share: f64,
    /// When clients without ticks try again, in seconds after the failure.
    pub retry_seconds: i64,
}

/// Events at the CA. The rule [`Rule::Offpeak`] hears of them as from an operator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Incident {
    /// The CA does not answer.
    Outage {
        /// While.
        span: Span,
        /// How long after its beginning the incident is opened, in seconds, its end unknown; it is
        /// closed at the end.
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
        /// What happens where budget and deadline cannot both be kept.
        beyond_budget: BeyondBudget,
    },
}

/// What happens where a revocation's budget and deadline cannot both be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BeyondBudget {
    /// The deadline is kept, over the budget.
    Exceed,
    /// Opening is refused with the smallest budget that would do.
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
    /// The run, from its first instant to the first after it.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            from: self.start,
            to: self.start + i64::from(self.days) * DAY,
        }
    }

    /// The first instant of the past, or of the run where there is none.
    #[must_use]
    pub fn past_begins(&self) -> Timestamp {
        self.start - i64::from(self.past_days) * DAY
    }

    /// The first instant at which a rule may have moved anything: of a CA with a past that is the
    /// run's first, else the end of the first cycle.
    #[must_use]
    pub fn first_steered(&self) -> Timestamp {
        if self.past_days > 0 {
            self.start
        } else {
            self.start + i64::from(self.first_cycle_days) * DAY
        }
    }

    /// The same scenario, run for so many days. [`Scenario::cycles`] becomes what fits in whole.
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
