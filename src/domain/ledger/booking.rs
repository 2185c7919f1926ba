//! The facts that the ledger counts about a certificate, or about several with the same facts.

use crate::certificate::{Basis, own_rule_seconds};
use crate::client::schedule::{Response, Schedule, Tick};
use crate::math::number::real;
use crate::time::timeline::{GRAIN_SECONDS, Timeline};
use crate::time::{Span, Timestamp};

/// The facts about one live certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Booking {
    /// Its window.
    pub window: Span,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Its lifetime in seconds.
    pub life_seconds: i64,
    /// The expected behaviour of its client.
    pub expected: Expected,
}

/// The expected behaviour of a certificate's client, as currently known. Evidence changes this and
/// the forecast, but never a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// f: the probability that it follows the window. `None` if it was registered after its band
    /// and is probably already replaced; then it does not count until it is polled.
    pub follows: Option<f64>,
    /// How it renews if it follows.
    pub response: Response,
}

impl Expected {
    /// The expectation when only f at registration and the basis of the window are known.
    #[must_use]
    pub fn first(follows: Option<f64>, basis: Basis) -> Self {
        Self {
            follows,
            response: usual_response(basis),
        }
    }
}

/// The facts about certificates that were issued together and have the same facts.
#[derive(Clone, Copy, Debug)]
pub struct Cohort<'a> {
    /// Their windows.
    pub windows: Windows<'a>,
    /// When they were issued.
    pub issued_at: Timestamp,
    /// Their lifetime in seconds.
    pub life_seconds: i64,
    /// f, as in [`Expected`].
    pub follows: Option<f64>,
    /// The number of certificates.
    pub certificates: f64,
}

/// Where the windows of a cohort lie, and when the clients that follow arrive.
#[derive(Clone, Copy, Debug)]
pub enum Windows<'a> {
    /// All have this window, and their clients renew by this response.
    One(Span, Response),
    /// The share of windows in each grain, starting at an instant. The shares sum to 1. Clients
    /// that follow arrive in the same grains, because the response is already included.
    Grains(Timestamp, &'a [f64], Response),
}

impl Windows<'_> {
    pub(super) const fn response(self) -> Response {
        match self {
            Self::One(_, response) | Self::Grains(.., response) => response,
        }
    }

    /// Adds the amount over the windows.
    pub(super) fn enter(self, line: &mut Timeline, amount: f64) {
        match self {
            Self::One(window, _) => line.spread(window, amount),
            Self::Grains(from, shares, _) => line.add_grains(from, shares, amount),
        }
    }

    /// Adds the arrivals of clients that follow.
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
    /// The mean of how long the windows lie before the clients' own rule, in seconds. Windows after
    /// it count as 0.
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

/// How a client with a window of this basis is expected to renew before its polls show more. If a
/// tick was chosen, it renews at that tick.
#[must_use]
pub fn usual_response(basis: Basis) -> Response {
    match basis {
        Basis::Tick(tick) => Response::of(Schedule::Hourly {
            tick: Tick::of(tick),
        }),
        Basis::Plain(_) | Basis::Span(_) | Basis::Table(_) => Response::default(),
    }
}
