//! What the ledger holds about a certificate, or about several with the same facts.

use crate::certificate::{Basis, own_rule_seconds};
use crate::client::schedule::{Response, Schedule, Tick};
use crate::math::number::real;
use crate::time::timeline::{GRAIN_SECONDS, Timeline};
use crate::time::{Span, Timestamp};

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

/// What is expected of a certificate's client, as far as it is known now. Evidence changes this and
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
    /// What is expected as long as only f at registration and the source of the window are known.
    #[must_use]
    pub fn first(follows: Option<f64>, basis: Basis) -> Self {
        Self {
            follows,
            response: usual_response(basis),
        }
    }
}

/// What the ledger holds about certificates that were issued together and have the same facts.
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
    pub(super) const fn response(self) -> Response {
        match self {
            Self::One(_, response) | Self::Grains(.., response) => response,
        }
    }

    /// Adds the amount where the windows lie.
    pub(super) fn enter(self, line: &mut Timeline, amount: f64) {
        match self {
            Self::One(window, _) => line.spread(window, amount),
            Self::Grains(from, shares, _) => line.add_grains(from, shares, amount),
        }
    }

    /// Adds when clients come that follow.
    pub(super) fn enter_arrivals(self, line: &mut Timeline, amount: f64) {
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
    /// How long before their clients' own rule the windows lie, in the mean; those after it count as
    /// none.
    pub(super) fn early_seconds(&self) -> f64 {
        let own_rule_at = self.issued_at + own_rule_seconds(self.life_seconds);
        let early = |at: Timestamp| real((own_rule_at - at).max(0));
        match self.windows {
            Windows::One(window, _) => early(window.from + window.seconds() / 2),
            Windows::Grains(from, shares, _) => {
                let middle = from + GRAIN_SECONDS / 2;
                let grains = shares.iter().zip(0_i64..);
                grains
                    .map(|(share, n)| share * early(middle + n * GRAIN_SECONDS))
                    .sum()
            }
        }
    }

    pub(super) fn one(booking: &Booking) -> Self {
        Self {
            windows: Windows::One(booking.window, booking.expected.response),
            issued_at: booking.issued_at,
            life_seconds: booking.life_seconds,
            follows: booking.expected.follows,
            certificates: 1.0,
        }
    }
}

/// How a client with a window from such a basis is expected to renew, as long as its polls say
/// nothing else: at the chosen tick, whatever lies between two ticks.
#[must_use]
pub fn usual_response(basis: Basis) -> Response {
    match basis {
        Basis::Tick(tick) => Response::of(Schedule::Hourly {
            tick: Tick::of(tick),
        }),
        Basis::Plain(_) | Basis::Span(_) | Basis::Table(_) => Response::default(),
    }
}
